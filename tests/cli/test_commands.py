"""Every command tells what it does and takes; the ones before the first packet send none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.engagement import load
from pipeline.vantage import survey
from tests.cli.conftest import Portproof
from tests.cli.ground import ROOT, Service, engage

OPTIONS = {
    "init": {"[FILE]"},
    "check": {"[ENGAGEMENT]", "--workspace", "--format"},
    "run": {"[ENGAGEMENT]", "--workspace", "--dry-run", "--quiet", "-q", "--format"},
    "resume": {"[RUN]", "--workspace", "--quiet", "-q", "--format"},
    "runs": {"--workspace", "--format"},
    "show": {"[RUN]", "[ENDPOINT]", "--workspace", "--format"},
    "report": {"[RUN]", "--workspace", "--output", "-o"},
    "verify": {"HOST:PORT", "--engagement", "-e", "--workspace", "--format"},
    "doctor": {"[ENGAGEMENT]", "--format"},
}
HEAVY = ("pydantic", "sqlalchemy", "alembic", "rich", "jinja2", "yaml", "nmap", "libnmap")


@pytest.mark.parametrize("command", OPTIONS)
def test_the_help_of_a_command_names_its_arguments_and_options(
    portproof: Portproof, command: str
) -> None:
    said = portproof(command, "--help")
    assert (said.code, said.err) == (0, "")
    words = {word.rstrip(",") for word in said.out.split()}
    assert words >= OPTIONS[command]
    assert portproof(command, "-h").out == said.out


def test_help_lists_every_command_and_the_exit_codes(portproof: Portproof) -> None:
    said = portproof("--help")
    assert said.code == 0
    assert [name for name in OPTIONS if f"\n  {name} " not in said.out] == []
    assert "70 a" in said.out
    assert portproof().out == said.out


def test_help_is_fast_because_it_imports_little(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pipeline.cli.edge import run\n"
        "assert run(['--help']) == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    began = time.monotonic()
    done = subprocess.run(
        (sys.executable, "-c", program), cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert time.monotonic() - began < 5  # 0.2 s on a machine with nothing else to do
    assert done.stderr == "[]\n"


def test_init_writes_what_check_accepts_and_never_over_a_file(
    portproof: Portproof, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = portproof("init")
    assert (made.code, made.err) == (0, "")
    path = tmp_path / "engagement.yml"
    assert path.stat().st_mode & 0o777 == 0o600
    assert portproof("check").code == 0
    path.write_text("mine")
    again = portproof("init")
    assert (again.code, again.out) == (2, "")
    assert "engagement.yml: the file exists and was left alone" in again.err
    assert path.read_text() == "mine"
    deep = portproof("init", "deep/er/second.yml")
    assert deep.code == 0
    assert deep.out.startswith("deep/er made, readable by you alone.\ndeep/er/second.yml written")
    assert "made" not in made.out + portproof("init", "deep/er/third.yml").out
    assert (tmp_path / "deep").stat().st_mode & 0o777 == 0o700
    assert "portproof check 'a b/x.yml'" in portproof("init", "a b/x.yml").out
    assert load(tmp_path / "deep" / "er" / "second.yml").client == "Example Ltd"


def test_init_leaves_links_and_folders_alone(portproof: Portproof, tmp_path: Path) -> None:
    (tmp_path / "link.yml").symlink_to(tmp_path / "nowhere")
    said = [portproof("init", tmp_path / name) for name in (".", "link.yml", "link.yml/x.yml")]
    assert [each.code for each in said] == [2, 2, 2]
    assert (tmp_path / "link.yml").is_symlink()
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("command", [("check",), ("run", "--dry-run")])
def test_the_plan_is_printed_and_nothing_is_sent_or_written(
    portproof: Portproof, tmp_path: Path, service: Service, command: tuple[str, ...]
) -> None:
    path = engage(tmp_path, [service.address], [service.port, 1])
    before = sorted(tmp_path.iterdir())
    said = portproof(*command, path)
    assert (said.code, said.err) == (0, "")
    assert "Example Ltd, weekly: the engagement is sound." in said.out
    assert f"addresses   1 in {service.address}/32" in said.out
    assert "endpoints   2 (2 TCP ports each)" in said.out
    assert "discovery   about 2 probes in " in said.out
    assert "re-scans    none" in said.out
    assert "nmap -n -Pn -p1" in said.out.partition("\nthen, with")[0]
    assert "(a plain connection by portproof itself" in said.out
    found = portproof(*command, path, "--format", "json").json
    assert (found["addresses"], found["ports"], found["endpoints"]) == (1, 2, 2)
    assert found["discovery_probes"] == 2
    assert found["discovery_seconds"] >= 1
    assert any(
        "-iL=targets.txt" in line or "-iLtargets.txt" in line
        for line in found["discovery_commands"]
    )
    assert sorted(tmp_path.iterdir()) == before
    assert service.visitors == 0


def test_check_names_the_methods_that_will_be_used_and_no_other(
    portproof: Portproof, tmp_path: Path
) -> None:
    near = portproof("check", engage(tmp_path, ["127.1.2.5", "::1"], [80]), "--format", "json").json
    assert near["discovery_methods"] == near["methods"][:1]
    assert "masscan-syn" not in near["methods"]
    assert "masscan" not in portproof("check", tmp_path / "engagement.yml").out
    far = portproof(
        "check", engage(tmp_path, ["10.0.0.0/30", "::1"], [80]), "--format", "json"
    ).json
    if survey().tool("masscan"):
        assert set(far["discovery_methods"]) == {"nmap-syn", "masscan-syn"}
    assert sorted(set(far["methods"])) == sorted(far["methods"])
    assert set(far["methods"]) >= {"nmap-connect", "handshake"}


def test_check_counts_the_canaries_and_shows_the_sweeps_all_the_same(
    portproof: Portproof, tmp_path: Path
) -> None:
    path = engage(tmp_path, ["127.1.2.0/30"], "1-23")
    without = portproof("check", path, "--format", "json").json
    assert without["canary_ports"] == ""
    profile = tmp_path / "quick.yml"
    text = profile.read_text().replace("canary_waits: []", "canary_waits: [1s]")
    profile.write_text(text.replace("control_ports: 0", "control_ports: 1"))
    found = portproof("check", path, "--format", "json").json
    assert found["discovery_probes"] == without["discovery_probes"] + 4
    assert found["discovery_commands"] == without["discovery_commands"]
    swept = [line.split(" -p")[1].split()[0] for line in found["discovery_commands"]]
    assert swept == ["1-22", "23"]
    said = portproof("check", path).out
    # Another port each second: it is drawn anew for each plan.
    assert re.search(r"a plain connection by portproof itself to port [0-9]+", said)


def test_check_says_what_stands_for_ports_that_are_not_known_yet(
    portproof: Portproof, tmp_path: Path
) -> None:
    path = engage(tmp_path, ["127.1.2.5"], "1-100")
    said = portproof("check", path)
    later = said.out.partition("\nthen, with the hosts that were named in targets.txt and")[2]
    assert later.startswith(" their ports for PORTS:\n")
    assert "-pPORTS" in later
    assert "-p1 " not in later
    follow_ups = portproof("check", path, "--format", "json").json["follow_up_commands"]
    assert all("-pPORTS" in line or line.startswith("(a plain") for line in follow_ups)
    assert "--max-rate are what one command may send to all its hosts together" in said.out


def test_check_says_all_mistakes_at_once_with_their_places(
    portproof: Portproof, tmp_path: Path
) -> None:
    path = engage(tmp_path, ["127.0.0.1", "-oN/etc/passwd", "10.0.0.256"], "0,80-")
    for command in ("check", "run"):
        said = portproof(command, path)
        assert (said.code, said.out) == (2, "")
        assert said.err.count(f"{path}:") == 3
        assert f"{path}:9:" in said.err
        assert f"{path}:11:" in said.err
        assert "begins with a dash, like an option" in said.err
    assert not (tmp_path / "portproof.db").exists()


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("bogus", "No such command 'bogus'"),
        ("run --bogus", "No such option: --bogus"),
        ("run a b", "(b)"),
        ("run --format xml", "Invalid value for '--format': 'xml' is not one of 'text', 'json'"),
        ("run --workspace", "requires an argument"),
        ("verify", "Missing argument 'HOST:PORT'"),
        ("run missing.yml", "there is no file 'missing.yml'"),
        ("check /dev/zero", "is not a regular file"),
        ("runs --workspace missing", "there is no portproof.db here"),
        ("resume --workspace missing", "there is no portproof.db here"),
    ],
)
def test_a_wrong_command_line_is_a_mistake_and_said(
    portproof: Portproof,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    line: str,
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    said = portproof(*line.split())
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("portproof: ")
    assert complaint in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_plan_that_would_take_centuries_is_told_without_listing_all_of_it(
    portproof: Portproof, tmp_path: Path
) -> None:
    said = portproof("check", engage(tmp_path, ["10.0.0.0/16"], "all"), "--format", "json")
    assert said.json["endpoints"] == 65536 * 65535
    assert len(said.json["discovery_commands"]) == 100 < said.json["discovery_command_count"]


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9"), "esc\x1b[31m", "two\nlines"])
def test_an_engagement_whose_path_is_no_text_is_refused(
    portproof: Portproof, tmp_path: Path, name: str
) -> None:
    path = engage(tmp_path / name, ["127.0.0.1"], [1])
    for command in ("check", "run"):
        said = portproof(command, path)
        assert (said.code, said.out) == (2, "")
        assert "the path of the engagement holds characters that are no text" in said.err
        assert "\x1b" not in said.err
    assert not (path.parent / "runs").exists()


def test_a_workspace_whose_path_is_hostile_is_shown_harmlessly(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path, [service.address], [service.port])
    said = portproof("run", path, "--workspace", tmp_path / "esc\x1b[31m")
    assert said.code == 1
    assert "written: " in said.err
    assert "\x1b" not in said.err + said.out


def test_a_current_folder_that_is_gone_is_said_to_be(
    portproof: Portproof, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    said = portproof("runs")
    assert said.code == 2
    assert "the current folder does not exist any more" in said.err
