"""Records of real runs: checked, read and signed on the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.audit.chain import read_chain
from pipeline.audit.sealing import NAMESPACE
from pipeline.cli import edge
from tests.cli.conftest import Portproof
from tests.cli.ground import Service, a_free_port, an_address, engage, the_report, the_run


def test_a_run_that_is_whole_exits_with_0_and_one_that_is_not_with_1(
    portproof: Portproof, finished: Path
) -> None:
    said = portproof("audit", "verify", "last", "--workspace", finished)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[-1] == "sealed and whole"
    (next((the_run(finished) / "tasks").glob("*/nmap.xml"))).write_text("<nmaprun/>")
    said = portproof("audit", "verify", the_run(finished), "--format", "json")
    assert said.code == 1
    assert {found["where"].partition("/")[0] for found in said.json["findings"]} == {"tasks"}
    assert said.json["run"] == the_run(finished).name


def test_without_a_record_there_is_nothing_to_check(
    portproof: Portproof, finished: Path, tmp_path: Path
) -> None:
    for command in ("verify", "show"):
        assert portproof("audit", command, tmp_path).code == 2
        assert portproof("audit", command, "no-such-run", "--workspace", finished).code == 2
    said = portproof("audit", "verify", "--signers", tmp_path / "none", "--workspace", finished)
    assert said.code == 2


def test_the_record_tells_what_a_run_did_in_its_order(portproof: Portproof, finished: Path) -> None:
    said = portproof("audit", "show", "last", "--workspace", finished, "--format", "json")
    kinds = [line["kind"] for line in said.json]
    assert kinds[:2] == ["begun", "authorised"]
    assert kinds[-3:] == ["decided", "ended", "delivered"]
    assert kinds.count("task-started") == kinds.count("task-ended") > 0
    begun, authorised = said.json[0]["facts"], said.json[1]["facts"]
    assert len(begun["engagement_sha256"]) == 64
    assert "nmap" in begun["tools"]
    assert authorised["authorisation"]["reference"] == "EX-2026-17"
    argv = next(line["facts"]["argv"] for line in said.json if line["facts"].get("argv"))
    assert argv[0].endswith("nmap")
    plain = portproof("audit", "show", "last", "--workspace", finished)
    assert len(plain.out.splitlines()) == len(kinds)


def test_the_report_shows_where_the_record_stood(portproof: Portproof, finished: Path) -> None:
    folder = the_run(finished)
    shown = the_report(finished)["run"]["audit"]
    chain = read_chain((folder / "audit.jsonl").read_bytes())
    assert chain.heads[shown["lines"]] == shown["sha256"]
    assert shown["sha256"] in (folder / "report.html").read_text()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["record"] == {"lines": chain.head.lines, "sha256": chain.head.sha256}


def test_a_report_that_is_rendered_again_is_the_same_and_on_record(
    portproof: Portproof, finished: Path
) -> None:
    folder = the_run(finished)
    before = (folder / "report.html").read_bytes()
    assert portproof("report", "--workspace", finished).code == 0
    assert (folder / "report.html").read_bytes() == before
    assert portproof("audit", "verify", "--workspace", finished).code == 0
    assert b'"kind":"reported"' in (folder / "audit.jsonl").read_bytes()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key, one of somebody else, one with a passphrase, and who may sign with the first."""
    folder = tmp_path_factory.mktemp("keys")
    for name, passphrase in (("ours", ""), ("other", ""), ("locked", "sesame")):
        command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", folder / name)
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    for name in ("ours", "other"):
        kind, key, *_ = (folder / f"{name}.pub").read_text().split()
        (folder / f"{name}.signers").write_text(f"scans@example.com {kind} {key}\n")
    return folder


@pytest.fixture(scope="module")
def _one_signed(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("signed")
    with Service(an_address()) as service:
        path = engage(folder, [service.address], [service.port, a_free_port(service.address)])
        path.write_text(path.read_text() + f"audit: {{signing_key: {keys / 'ours'}}}\n")
        assert edge.run(["run", str(path), "--quiet"]) == 1
    return folder


@pytest.fixture
def signed(_one_signed: Path, tmp_path: Path) -> Path:
    """A copy of the workspace of a run that was signed."""
    return Path(shutil.copytree(_one_signed, tmp_path / "signed"))


def test_a_signed_run_names_who_signed_it(portproof: Portproof, signed: Path, keys: Path) -> None:
    command = ("audit", "verify", the_run(signed), "--signers")
    said = portproof(*command, keys / "ours.signers", "--format", "json")
    assert (said.code, said.json["signer"], said.json["notes"]) == (0, "scans@example.com", [])
    said = portproof(*command, keys / "other.signers", "--format", "json")
    assert said.code == 1
    assert [found["where"] for found in said.json["findings"]] == ["seal.json.sig"]


def test_anybody_can_check_the_signature_with_ssh_keygen(signed: Path, keys: Path) -> None:
    folder = the_run(signed)
    command = ("ssh-keygen", "-Y", "verify", "-n", NAMESPACE, "-I", "scans@example.com")
    with (folder / "seal.json").open("rb") as message:
        done = subprocess.run(
            (*command, "-f", keys / "ours.signers", "-s", folder / "seal.json.sig"),
            stdin=message,
            capture_output=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr


def test_a_signature_that_is_missing_damaged_or_of_another_run_is_found(
    portproof: Portproof, signed: Path, keys: Path
) -> None:
    path = the_run(signed) / "seal.json.sig"
    whole = path.read_text()
    for damaged in (whole.replace("U1NI", "U1NJ", 1), "", "x", whole[: len(whole) // 2]):
        path.write_text(damaged)
        assert portproof("audit", "verify", the_run(signed)).code == 1
    path.unlink()
    assert portproof("audit", "verify", the_run(signed)).code == 1
    signing = ("ssh-keygen", "-q", "-Y", "sign", "-n", NAMESPACE, "-f", keys / "ours", "-")
    other = subprocess.run(signing, input=b"another run\n", capture_output=True, check=True)
    path.write_bytes(other.stdout)
    assert portproof("audit", "verify", the_run(signed)).code == 1
    assert portproof("audit", "verify", "--workspace", signed).code == 1


def test_who_seals_everything_anew_cannot_sign_it(
    portproof: Portproof, signed: Path, keys: Path
) -> None:
    folder = the_run(signed)
    seal = json.loads((folder / "seal.json").read_text())
    seal["manifest_sha256"] = "0" * 64
    text = json.dumps(seal, sort_keys=True, separators=(",", ":")) + "\n"
    (folder / "seal.json").write_text(text)
    said = portproof("audit", "verify", folder, "--format", "json")
    assert "seal.json.sig" in {found["where"] for found in said.json["findings"]}
    assert keys.exists()


@pytest.mark.parametrize("name", ["locked", "ours.signers"])
def test_a_key_that_cannot_sign_is_known_before_anything_is_sent(
    portproof: Portproof, keys: Path, tmp_path: Path, name: str
) -> None:
    with Service(an_address()) as service:
        path = engage(tmp_path, [service.address], [service.port])
        path.write_text(path.read_text() + f"audit: {{signing_key: {keys / name}}}\n")
        said = portproof("run", path)
        assert said.code == 2
        assert "ssh-keygen did not sign" in said.err
        assert service.visitors == 0


def test_a_key_that_is_gone_at_the_end_costs_the_signature_and_not_the_run(
    portproof: Portproof, signed: Path, keys: Path
) -> None:
    shutil.move(keys / "ours", keys / "away")
    try:
        said = portproof("report", "--workspace", signed)
    finally:
        shutil.move(keys / "away", keys / "ours")
    assert said.code == 0
    assert "is not signed" in said.err
    assert not (the_run(signed) / "seal.json.sig").exists()
    checked = portproof("audit", "verify", "--workspace", signed, "--format", "json")
    assert (checked.code, checked.json["signer"]) == (0, None)
