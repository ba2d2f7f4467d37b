"""A scanner that fails leaves a gap that is told, and never a port that is called closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Portproof
from tests.cli.ground import (
    Service,
    ask,
    changes,
    engage,
    the_report,
    the_run,
    verdicts,
)
from tests.faults.fakes import Fake

FAULTS = {
    "killed": ("os.kill(os.getpid(), 9)", "nmap was ended by signal 9"),
    "not permitted": (
        "say('Couldn\\'t open a raw socket. Error: (1) Operation not permitted'); sys.exit(1)",
        "nmap exited with 1: Couldn't open a raw socket. Error: (1) Operation not permitted",
    ),
    "half a file": (
        "import subprocess\n"
        "subprocess.run([REAL, *sys.argv[1:]])\n"
        "output().write_bytes(output().read_bytes()[:-150])",
        "nmap's output is not complete",
    ),
    "an empty file": ("output().touch()", "nmap's output is not complete"),
    "no file": ("pass", "nmap wrote no output"),
    "another file": (
        "output().write_text('<html>404</html>')",
        "the file should begin with <nmaprun>",
    ),
    "hostile words": (
        "say('\\x1b]0;owned\\x07\\u202e\\nrm -rf /\\x1b[2J'); sys.exit(3)",
        "nmap exited with 3: rm -rf /",
    ),
}


@pytest.mark.parametrize(
    "fault", ["not permitted", "half a file", "an empty file", "hostile words"]
)
def test_a_run_in_which_no_sweep_succeeds_fails_and_says_where_and_what_to_do(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake, fault: str
) -> None:
    body, problem = FAULTS[fault]
    fake("nmap", body)
    path = engage(tmp_path / "w", [service.address], [service.port])
    said = portproof("run", path)
    assert said.code == 2
    folder = the_run(path.parent) / "tasks" / "000001-1-nmap-syn"
    assert f"portproof: {folder}: discovery failed everywhere: {problem}" in said.err
    assert "`portproof doctor` looks at this machine" in said.err
    assert "\x1b" not in said.err
    assert folder.is_dir()
    report = the_report(path.parent)
    assert report["run"]["state"] == "incomplete"
    gap = report["coverage"]["gaps"][0]
    assert (gap["what"], gap["endpoints"]) == (f"{service.address}, ports {service.port}", 1)
    assert problem in gap["why"]


@pytest.mark.parametrize("fault", ["killed", "no file", "another file"])
def test_what_a_failing_tool_did_not_answer_is_a_gap_and_not_closed(
    portproof: Portproof, finished: Path, fake: Fake, fault: str
) -> None:
    body, problem = FAULTS[fault]
    fake("nmap", f"if not sweeps():\n  exec({body!r}); sys.exit()\nreal()")
    with Service(*the_service(finished)) as service:
        said = portproof("run", finished / "engagement.yml")
    report = the_report(finished)
    # The sweep and the handshake found it; both scans in between are missing.
    assert verdicts(report)[service.endpoint] == "confirmed"
    assert said.code == 0
    assert changes(report) == {}
    gaps = {gap["what"]: gap["why"] for gap in report["coverage"]["gaps"] if gap["endpoints"]}
    assert [what.partition(" by ")[2] for what in gaps] == ["nmap-connect", "nmap-syn"]
    assert all(problem in why for why in gaps.values())
    assert said.err.count(f"not covered: {service.address}, asked by nmap-") == 2
    assert [t["state"] for t in report["tasks"]].count("failed") == 2
    assert "\x1b" not in said.err


def test_a_tool_that_fails_once_is_asked_again(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    once = "mark = Path.cwd().parents[3] / 'died'\nif not mark.exists():\n  mark.touch(); "
    fake("nmap", f"{once}os.kill(os.getpid(), 15)\nreal()")
    path = engage(tmp_path / "w", [service.address], [service.port], attempts=2)
    said = portproof("run", path)
    assert said.code == 1
    assert "retry: task 1 will be asked again: nmap was ended by signal 15" in said.err
    report = the_report(path.parent)
    assert verdicts(report) == {service.endpoint: "confirmed"}
    assert not any(gap["endpoints"] for gap in report["coverage"]["gaps"])
    assert "retry" in [event["kind"] for event in report["events"]]


def test_what_nobody_asked_about_is_dropped_and_recorded(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    fake(
        "nmap",
        "import re, subprocess\n"
        "subprocess.run([REAL, *sys.argv[1:]])\n"
        "text = output().read_text()\n"
        "host = text[text.index('<host '):text.index('</host>') + 7]\n"
        "elsewhere = host.replace(targets()[0].partition('/')[0], '127.1.2.3')\n"
        "also = re.search('<port .*?</port>', host)[0]\n"
        "also = re.sub(r'portid=\"\\d+\"', 'portid=\"1\"', also)\n"
        "also = host.replace('</ports>', also + '</ports>')\n"
        "output().write_text(text.replace(host, also + elsewhere))",
    )
    path = engage(tmp_path / "w", [service.address], [service.port])
    said = portproof("run", path)
    assert said.code == 1
    report = the_report(path.parent)
    assert verdicts(report) == {service.endpoint: "confirmed"}
    foreign = [event["text"] for event in report["events"] if event["kind"] == "foreign"]
    assert len(foreign) == 3, "the sweep, the SYN scan and the connect scan"
    assert foreign[0] == (
        "task 1: nmap-syn reported 2 endpoint(s) that nobody asked about, dropped: "
        f"{service.address}:1/tcp, 127.1.2.3:{service.port}/tcp"
    )
    assert f"foreign: {foreign[0]}" in said.err
    asked = "SELECT DISTINCT port FROM observations WHERE address != x'7f010203'"
    assert ask(path.parent, asked) == [(service.port,)]
    assert ask(path.parent, asked.replace("!=", "=")) == []


def test_a_flood_of_complaints_drowns_nobody(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    fake("nmap", "for _ in range(3000): say('x' * 999)\nreal()")
    path = engage(tmp_path / "w", [service.address], [service.port])
    said = portproof("run", path)
    assert said.code == 1
    assert len(said.err) < 5000
    logs = [*(the_run(path.parent) / "tasks").glob("*/stderr.log")]
    assert logs
    assert max(log.stat().st_size for log in logs) <= 1 << 20


def test_a_run_after_one_that_knew_nothing_is_compared_with_the_one_before(
    portproof: Portproof, finished: Path, fake: Fake
) -> None:
    nmap = fake("nmap", "sys.exit(1)") / "nmap"
    engagement = finished / "engagement.yml"
    assert portproof("run", engagement).code == 2
    nmap.unlink()
    (good,) = ask(finished, "SELECT id FROM runs WHERE number = 1")
    with Service(*the_service(finished)):
        assert portproof("run", engagement).code == 0
    assert the_report(finished)["changes"]["against"] == good[0]


def the_service(workspace: Path) -> tuple[str, int]:
    """Where the service stood that the run of a finished workspace confirmed."""
    query = "SELECT address, port FROM verdicts WHERE kind = 'confirmed'"
    ((packed, port),) = ask(workspace, query)
    return ".".join(map(str, packed)), port
