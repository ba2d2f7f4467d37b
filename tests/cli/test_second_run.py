"""The second run of an engagement says what changed, and *closed* only of what refused."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Portproof
from tests.cli.ground import (
    Service,
    a_free_port,
    an_address,
    changes,
    engage,
    the_report,
    the_run,
    verdicts,
)

OLD, NEW = b"SSH-2.0-OpenSSH_8.4p1\r\n", b"SSH-2.0-OpenSSH_9.2p1\r\n"


def test_what_opened_closed_changed_or_left_the_scope_is_told(
    portproof: Portproof, tmp_path: Path
) -> None:
    here, away = an_address(), an_address()
    late = a_free_port(here)
    changing, closing = Service(here, banner=OLD), Service(here, banner=OLD)
    steady, leaving = Service(here, banner=NEW), Service(away, closing.port, banner=OLD)
    ports = [late, changing.port, closing.port, steady.port]
    path = engage(tmp_path, [here, away], ports, version_probe=True)
    assert portproof("run", path).code == 1
    first = the_report(tmp_path)
    assert first["changes"] is None
    confirmed = {s.endpoint for s in (changing, closing, steady, leaving)}
    assert verdicts(first) == dict.fromkeys(confirmed, "confirmed")

    changing.close()
    closing.close()
    with (
        Service(here, changing.port, banner=NEW),
        Service(here, late, banner=OLD) as opened,
        steady,
        leaving,
    ):
        engage(tmp_path, [here], ports, version_probe=True)
        before = leaving.visitors
        said = portproof("run", path)
        assert leaving.visitors == before

    assert said.code == 1
    report = the_report(tmp_path)
    assert changes(report) == {
        opened.endpoint: "opened",
        closing.endpoint: "closed",
        changing.endpoint: "service-changed",
        leaving.endpoint: "not-covered",
    }
    assert report["changes"]["against"] == first["run"]["id"]
    assert any("scope" in difference for difference in report["changes"]["differences"])
    rows = {line.split()[0]: line.split()[-1] for line in said.out.splitlines()[1:]}
    assert rows[f"{opened.endpoint}/tcp"] == "opened"
    assert rows[f"{closing.endpoint}/tcp"] == "closed"
    page = (the_run(tmp_path) / "report.html").read_text()
    assert "service-changed" in page


@pytest.mark.parametrize("kind", ["likely", "transient", "unresolved", "unknown"])
def test_what_the_run_before_left_open_or_undecided_is_asked_again(
    kind: str, portproof: Portproof, tmp_path: Path
) -> None:
    with Service(an_address()) as gone:
        path = engage(tmp_path, [gone.address], [gone.port])
        assert portproof("run", path).code == 1
    with contextlib.closing(sqlite3.connect(tmp_path / "portproof.db")) as database, database:
        database.execute("UPDATE verdicts SET kind = ?", (kind,))
    portproof("run", path)
    report = the_report(tmp_path)
    assert verdicts(report) == {gone.endpoint: "refuted"}
    asked = {o["method"] for o in report["endpoints"][0]["evidence"]}
    assert asked >= {"nmap-connect", "handshake"}


def test_a_port_that_falls_silent_is_filtered_and_not_closed(
    portproof: Portproof, tmp_path: Path
) -> None:
    with Service(an_address()) as steady:
        falling = Service(steady.address)
        path = engage(tmp_path, [steady.address], [steady.port, falling.port])
        assert portproof("run", path).code == 1
        falling.close()
        with deaf(falling.address, falling.port):
            assert portproof("run", path).code == 1
    report = the_report(tmp_path)
    assert changes(report) == {falling.endpoint: "now-filtered"}
    assert verdicts(report)[falling.endpoint] == "filtered"


def test_a_port_that_is_not_asked_any_more_is_not_covered_and_not_closed(
    portproof: Portproof, tmp_path: Path
) -> None:
    with Service(an_address()) as kept, Service(kept.address) as dropped:
        path = engage(tmp_path, [kept.address], [kept.port, dropped.port])
        assert portproof("run", path).code == 1
        engage(tmp_path, [kept.address], [kept.port])
        assert portproof("run", path).code == 1
        assert changes(the_report(tmp_path)) == {dropped.endpoint: "not-covered"}
        # Another engagement in the same workspace is compared with nobody.
        engage(tmp_path, [kept.address], [kept.port], name="another")
        assert portproof("run", path).code == 1
        assert the_report(tmp_path)["changes"] is None


class deaf:
    """A port that answers nothing: its queue of connections is full, so the kernel drops SYNs."""

    def __init__(self, address: str, port: int) -> None:
        self._listener = socket.create_server((address, port), backlog=0)
        self._waiting = [socket.socket() for _ in range(4)]
        for client in self._waiting:
            client.setblocking(False)
            client.connect_ex((address, port))

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        for each in (self._listener, *self._waiting):
            each.close()


def test_what_the_engagement_suppresses_is_listed_and_needs_no_action(
    portproof: Portproof, tmp_path: Path
) -> None:
    here = an_address()
    steady, going = Service(here, banner=NEW), Service(here, banner=OLD)
    with steady:
        path = engage(tmp_path, [here], [steady.port, going.port])
        assert portproof("run", path).code == 1
        going.close()
        written = path.read_text()
        entry = "  - {endpoint: '%s', reason: moved away, until: %s}\n"
        path.write_text(written + "suppress:\n" + entry % (going.endpoint, "2099-12-31"))
        assert portproof("run", path).code == 0
        changes_told = the_report(tmp_path)["changes"]
        assert changes_told["changes"] == changes_told["expired"] == []
        (suppressed,) = changes_told["suppressed"]
        assert (suppressed["kind"], suppressed["port"]) == ("closed", going.port)
        assert suppressed["suppression"] == {"reason": "moved away", "until": "2099-12-31"}
        assert "moved away (until 2099-12-31)" in (the_run(tmp_path) / "report.html").read_text()

        with Service(here, going.port, banner=OLD):
            path.write_text(written + "suppress:\n" + entry % (going.endpoint, "2026-01-01"))
            assert portproof("run", path).code == 1
        changes_told = the_report(tmp_path)["changes"]
        assert [c["port"] for c in changes_told["changes"]] == [going.port]
        assert changes_told["expired"] == [{"reason": "moved away", "until": "2026-01-01"}]
