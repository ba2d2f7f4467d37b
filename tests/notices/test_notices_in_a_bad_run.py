"""A run that pauses, is turned away or fails says so at that moment, and once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.ground import Said, Service, ask, ended, engage, spawn, wait_until
from tests.faults.fakes import Fake, fake
from tests.faults.test_orders_during_a_run import HANGS, keep_calendar, rows
from tests.notices.conftest import LOOPBACK, Mailbox, Webhook
from tests.notices.test_notices_of_a_run import NOTICES

__all__ = ["fake"]
Portproof = Callable[..., Said]
SWEPT = """\
import subprocess
done = subprocess.run([REAL, *sys.argv[1:]])
if sweeps():
    (Path.cwd().parents[3] / "swept").touch()
    while not (Path.cwd().parents[3] / "closed").exists():
        time.sleep(0.01)
sys.exit(done.returncode)
"""


@pytest.fixture
def engaged(
    tmp_path: Path, mailbox: Mailbox, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """An engagement whose notices go to both, unless ``more`` is empty."""
    monkeypatch.setenv("HOOK", f"json://{LOOPBACK}:{webhook.port}/")
    more = "services: [{env: HOOK}]\n  schemes: [json]"

    def write(services: Sequence[Service], more: str = more) -> Path:
        path = engage(tmp_path / "w", [services[0].address], [service.port for service in services])
        text = path.read_text().replace("[html, json]", "[json]")
        path.write_text(text + NOTICES.format(port=mailbox.port, more=more))
        return path

    return write


def titles(mailbox: Mailbox) -> list[str]:
    """What the mails are about, in their order."""
    found = [subject.partition(": ")[2] for subject in mailbox.subjects()]
    return [title.split(" for ")[0].split(",")[0] for title in found]


def heads(mailbox: Mailbox, webhook: Webhook) -> list[str]:
    """What both channels were told; they got the same."""
    hooked = [json.loads(body)["title"] for body in webhook.bodies]
    assert mailbox.subjects() == hooked
    return titles(mailbox)


def test_a_pause_and_a_failure_are_told_when_they_come_and_a_resumed_run_is_not_announced_again(
    portproof: Portproof,
    engaged: Callable[..., Path],
    service: Service,
    mailbox: Mailbox,
    webhook: Webhook,
    fake: Fake,
) -> None:
    nmap = fake("nmap", HANGS) / "nmap"
    path = engaged([service])
    keep_calendar(path, (1800, 3600))
    running = spawn("run", path, "--wait-for-window")
    wait_until(lambda: len(webhook.bodies) >= 2, "the notice of the pause", 60)
    assert heads(mailbox, webhook) == ["announced", "paused"]
    assert "no window is open; the next one opens" in mailbox.texts()[1]
    keep_calendar(path, (-60, 3600))
    sweep = path.parent / "running"
    wait_until(sweep.exists, "the sweep")
    assert heads(mailbox, webhook) == ["announced", "paused", "begun"]
    keep_calendar(path, (-60, 2), (1800, 3600))
    wait_until(lambda: len(webhook.bodies) >= 4, "the notice of the pause in mid-run")
    filed = "SELECT text FROM events WHERE text LIKE 'paused: was taken by %'"
    wait_until(lambda: len(rows(path, filed)) == 4, "both notices of a pause on record")
    sweep.unlink()
    keep_calendar(path, (-60, 3600))
    wait_until(sweep.exists, "the sweep, asked again")
    stop = path.with_name("portproof.stop")
    stop.write_text("the client called")
    assert ended(running).code == 3
    assert heads(mailbox, webhook)[3:] == ["paused", "goes on", "not finished"]
    assert "a window is open again" in mailbox.texts()[4]
    assert "everything is stopped here: the client called" in mailbox.texts()[5]
    assert "Go on with `portproof resume" in mailbox.texts()[5]
    nmap.unlink()
    stop.unlink()
    assert portproof("resume", "--workspace", path.parent).code == 1
    assert heads(mailbox, webhook)[6:] == ["begun", "finished"]


def test_a_run_that_is_turned_away_says_so_once(
    engaged: Callable[..., Path],
    service: Service,
    mailbox: Mailbox,
    fake: Fake,
) -> None:
    fake("nmap", SWEPT)
    with ExitStack() as closing:
        services = [closing.enter_context(Service(service.address)) for _ in range(3)]
        path = engaged(services, more="")
        profile = path.with_name("quick.yml")
        text = profile.read_text().replace("canary_waits: []", "canary_waits: [1s]")
        profile.write_text(text.replace("control_ports: 0", "control_ports: 1"))
        running = spawn("run", path)
        wait_until((path.parent / "swept").exists, "the end of the sweep")
        closing.close()
        (path.parent / "closed").touch()
        ended(running)
    assert titles(mailbox) == [
        "announced",
        "begun",
        "somebody turns us away",
        "finished",
    ]
    assert f"in {service.address.rpartition('.')[0]}." in mailbox.texts()[2]
    assert len(ask(path.parent, "SELECT 1 FROM events WHERE kind = 'blocked'")) == 1
