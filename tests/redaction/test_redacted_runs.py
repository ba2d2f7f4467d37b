"""Whatever a service gives away, nothing that a run writes has it; and nobody else can read it."""

from __future__ import annotations

import base64
import contextlib
import html
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Portproof
from tests.cli.ground import (
    Service,
    a_free_port,
    an_address,
    engage,
    run_process,
    the_report,
    the_run,
    verdicts,
)
from tests.redaction.samples import JOINT

SECRETS = (
    "jane.doe@example.com",
    f"gh{JOINT}p_0123456789abcdefghijABCDEFGHIJ012345".replace(JOINT, ""),
    "hunter2hunter2",
    "deadbeefcafe4711",
    "dXNlcjpwYXNzd29yZA==",
    "EMP-004711",
    "db-1.corp.example.com",
)
# nmap knows it at once, and its script breaks it into lines, one of them within the token.
BANNER = (
    "220 ProFTPD 1.3.5 Server (of {0}) [::ffff:127.0.0.1]\r\n220 {5} {6} token {1} "
    "password={2}\r\nSet-Cookie: id={3}; path=/\r\nAuthorization: Basic {4}\r\n"
)
PRIVACY = 'privacy: {{redact: ["EMP-######", "*.corp.example.com"], evidence: {}}}\n'


def the_planted(folder: Path, evidence: str, *, version_probe: bool = False) -> str:
    """A run over a service that gives everything away; returns the verdict of its endpoint."""
    banner = BANNER.format(*SECRETS).encode()
    with Service(an_address(), banner=banner) as service:
        ports = [service.port, a_free_port(service.address)]
        path = engage(folder, [service.address], ports, version_probe=version_probe)
        path.write_text(path.read_text() + PRIVACY.format(evidence))
        quick = folder / "quick.yml"
        quick.write_text(quick.read_text().replace("scripts: []", "scripts: [banner]"))
        said = run_process("run", path, "--quiet", umask=0)
    assert said.code == 1, said.err
    assert not any(secret in said.out + said.err for secret in SECRETS)
    return verdicts(the_report(folder))[service.endpoint]


def found_in(folder: Path, *, without: frozenset[str]) -> Iterator[tuple[str, str]]:
    """(file, secret) wherever a secret stands: plain, broken into lines, or in the escapes of XML,
    JSON and nmap."""
    for path in folder.rglob("*"):
        if not path.is_file() or path.name in without:
            continue
        raw = path.read_bytes().decode("utf-8", "replace")
        plain = html.unescape(raw)
        whole = plain.replace("\\n", "\n").replace("\n|_", "").replace("\n| ", "").replace("\n", "")
        texts = (raw, plain, raw.replace("\\", ""), whole)
        for secret in SECRETS:
            coded = base64.b64encode(secret.encode()).decode()[:-4]
            if any(secret in text or coded in text for text in texts):
                yield path.relative_to(folder).as_posix(), secret


@pytest.fixture(scope="module")
def redacted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The workspace of such a run, with evidence as it is by default, and the verdict."""
    folder = tmp_path_factory.mktemp("redacted") / "made"
    return folder, the_planted(folder, "redacted", version_probe=True)


CONFIG = frozenset({"engagement.yml", "quick.yml"})


def test_no_planted_secret_is_in_anything_that_a_run_wrote(redacted: tuple[Path, str]) -> None:
    folder, _ = redacted
    names = {path.name for path in folder.rglob("*")}
    assert {"nmap.xml", "handshakes.jsonl", "report.html", "portproof.db"} <= names
    assert list(found_in(folder, without=CONFIG)) == []
    assert "[redacted:email]" in (the_run(folder) / "report.json").read_text()


def test_what_was_redacted_was_seen_all_the_same(redacted: tuple[Path, str]) -> None:
    _, verdict = redacted
    assert verdict == "confirmed"


def test_what_a_run_made_is_for_its_owner_alone_whatever_the_umask(
    redacted: tuple[Path, str],
) -> None:
    folder, _ = redacted
    modes = {
        path.relative_to(folder).as_posix(): stat.S_IMODE(path.stat().st_mode)
        for path in folder.rglob("*")
        if path.name not in CONFIG
    }
    folders = {name for name in modes if (folder / name).is_dir()}
    assert {"portproof.db", "portproof.lock", "runs"} <= set(modes)
    assert {name: oct(modes[name]) for name in folders if modes[name] != 0o700} == {}
    files = set(modes) - folders
    assert {name: oct(modes[name]) for name in files if modes[name] != 0o600} == {}


def test_without_evidence_only_the_questions_are_kept(tmp_path: Path) -> None:
    assert the_planted(tmp_path, "none") == "confirmed"
    kept = {path.name for path in (the_run(tmp_path) / "tasks").glob("*/*")}
    assert kept == {"targets.txt"}
    assert list(found_in(tmp_path, without=CONFIG)) == []


def test_raw_evidence_is_kept_as_it_came_and_the_database_is_redacted(
    portproof: Portproof, tmp_path: Path
) -> None:
    assert the_planted(tmp_path, "raw") == "confirmed"
    where = {name for name, _ in found_in(tmp_path, without=CONFIG)}
    assert {name.rpartition("/")[2] for name in where} == {"handshakes.jsonl"}
    assert {name.split("/")[2] for name in where} == {"tasks"}
    audited = ("audit", "verify", "--workspace", tmp_path)
    assert portproof(*audited).code == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "portproof.db")) as connection:
        connection.execute("UPDATE runs SET ended = ended - 31 * 86400")
        connection.commit()
    purged = portproof("purge", "--older-than", "90d", "--workspace", tmp_path, "--format", "json")
    assert purged.json["raw_expired"][0]["files"] > 0
    assert {path.name for path in (the_run(tmp_path) / "tasks").glob("*/*")} == {"targets.txt"}
    assert list(found_in(tmp_path, without=CONFIG)) == []
    assert portproof(*audited).code == 0, "what was removed is on record"
