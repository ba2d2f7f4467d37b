"""A run delivers when it ends, whatever becomes of that; status tells; no secret is written."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pipeline.deliveries.settings import Webhook
from pipeline.secret import Secret
from pipeline.store.runs import Store
from pipeline.workspace import Workspace
from tests.cli.conftest import Portproof
from tests.cli.ground import Service, ask, engage
from tests.deliveries.conftest import Reaction, Request, Sink
from tests.deliveries.ground import a_run, at, in_the_outbox

SECRET = "s3cr3t-0f-the-d3liv3ry"
DELIVERIES = """\
deliveries:
  - {{name: siem, to: syslog, server: 127.0.0.1, port: {syslog}, transport: udp}}
  - name: hook
    to: webhook
    url: http://localhost:{port}/hook
    secret: {{env: HOOK_SECRET}}
  - name: splunk
    to: splunk
    url: http://127.0.0.1:{port}
    token: {{file: token}}
  - name: dojo
    to: defectdojo
    url: http://127.0.0.1:{port}
    token: {{env: HOOK_SECRET}}
    product: Perimeter
    engagement: Port scans
"""


def refuses_splunk(request: Request) -> Reaction:
    if request.path.startswith("/services"):
        return Reaction(status=403, body=f"no such token: {SECRET}".encode())
    return Reaction()


def test_a_run_delivers_and_what_is_refused_changes_neither_its_exit_code_nor_the_others(
    portproof: Portproof,
    service: Service,
    tmp_path: Path,
    sink: Sink,
    datagrams: socket.socket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    (tmp_path / "token").write_text(f"{SECRET}\n")
    path = engage(tmp_path, [service.address], [service.port])
    ports = {"port": sink.port, "syslog": datagrams.getsockname()[1]}
    path.write_text(path.read_text() + DELIVERIES.format(**ports))
    sink.react = refuses_splunk
    said = portproof("run", path)
    assert said.code == 1
    assert {request.path for request in sink.requests} == {
        *("/hook", "/services/collector/event", "/api/v2/reimport-scan/")
    }
    assert b"CEF:0|portproof|" in datagrams.recv(65536)
    assert "delivery failed: splunk" in said.err
    assert "0 of 2 taken; answered with 403; next attempt" in said.err

    (run,) = (tmp_path / "runs").iterdir()
    record = (run / "audit.jsonl").read_text()
    assert "hook: run" in record
    assert "2 of 2 taken" in record
    assert portproof("audit", "verify", "last", "--workspace", tmp_path).code == 0

    status = portproof("status", "--workspace", tmp_path, "--format", "json")
    assert status.code == 0
    (engagement,) = status.json["engagements"]
    found = {each["destination"]: each for each in engagement["deliveries"]}
    assert [found[name]["delivered"] for name in ("dojo", "hook", "siem")] == [1, 1, 1]
    assert (found["splunk"]["pending"], found["splunk"]["problem"]) == (1, "answered with 403")
    metrics = tmp_path / "metrics.prom"
    lines = portproof("status", "--workspace", tmp_path, "--prometheus", metrics)
    assert "splunk: 0 delivered, 1 pending since" in lines.out
    assert 'destination="splunk",state="pending"} 1' in metrics.read_text()

    waits = portproof("deliver", "--workspace", tmp_path)
    assert waits.code == 1
    assert waits.out.startswith("nothing is due before ")
    sink.react = lambda _: Reaction()
    again = portproof("deliver", "--now", "--workspace", tmp_path)
    assert (again.code, again.out) == (0, "")
    assert "splunk" in again.err
    assert portproof("deliver", "--workspace", tmp_path).out == "nothing is left to deliver\n"
    before = len(sink.requests)
    assert portproof("deliver", "last", "--to", "hook", "--workspace", tmp_path).code == 0
    assert len(sink.requests) == before + 1

    written = [each for each in tmp_path.rglob("*") if each.is_file() and each.name != "token"]
    assert len(written) > 5
    for each in written:
        assert SECRET.encode() not in each.read_bytes(), each
    printed = "".join(one.out + one.err for one in (said, status, lines, waits, again))
    assert SECRET not in printed


def test_a_run_that_is_given_up_makes_the_status_unwell(
    portproof: Portproof, tmp_path: Path, sink: Sink
) -> None:

    with Store(tmp_path / "portproof.db") as store:
        hook = Webhook(name="hook", web=at(sink.port), secret=Secret(env="NOWHERE"))
        in_the_outbox(store, a_run(store), hook)
    gone = portproof("deliver", "--workspace", tmp_path)
    assert gone.code == 1
    assert "the engagement does not name it any more; given up" in gone.err
    status = portproof("status", "--max-age", "9999d", "--workspace", tmp_path)
    assert status.code == 1
    assert "hook did not get the last run: the engagement does not name it any more" in status.out
    assert ask(tmp_path, "SELECT state FROM deliveries") == [("given-up",)]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{name: a, to: siem, server: x}", "must be syslog, elasticsearch"),
        ("{name: a, to: syslog, server: '-x'}", "is no name or address of a server"),
        ("{name: a, to: syslog, server: x, transport: ssl}", "must be tls, tcp or udp"),
        ("{name: a, to: syslog, server: x, ca: nowhere.pem}", "is no file"),
        ("{name: a, to: splunk, url: 'http://192.0.2.1', token: {env: X}}", "in the clear"),
        (
            f"{{name: a, to: webhook, url: 'https://u:{SECRET}@x', secret: {{env: X}}}}",
            "must be ht",
        ),
        (
            f"{{name: a, to: webhook, url: 'https://x/?k={SECRET}', secret: {{env: X}}}}",
            "must be ht",
        ),
        (f"{{name: a, to: webhook, url: 'https://x', secret: {SECRET}}}", "must be {env: NAME}"),
        (
            "{name: a, to: elasticsearch, url: 'https://x', index: '{}'}",
            "must be small letters",
        ),
        ("{name: a, to: opensearch, url: 'https://x', index: x, user: y}", "user and password"),
        (
            "{name: a, to: syslog, server: x}\n  - {name: a, to: syslog, server: y}",
            "two of the name",
        ),
        ("{name: a, to: syslog, server: x, key: quick.yml}", "needs a certificate for its key"),
        ("{name: a, to: syslog, server: x, give_up_after: 1s}", "must lie between 60s"),
        ("{name: a, to: splunk, url: 'https://x', token: {env: X}, serverr: y}", "is not a key"),
    ],
)
def test_a_mistake_in_a_destination_is_told_with_its_place_and_no_secret(
    portproof: Portproof, tmp_path: Path, line: str, what: str
) -> None:
    path = engage(tmp_path, ["127.0.0.1"], [80])
    path.write_text(f"{path.read_text()}deliveries:\n  - {line}\n")
    said = portproof("check", path)
    assert said.code == 2
    assert what in said.err
    assert ": deliveries" in said.err
    assert SECRET not in said.err + said.out


def test_two_processes_do_not_deliver_from_one_workspace_at_once(
    portproof: Portproof, tmp_path: Path
) -> None:
    with Store(tmp_path / "portproof.db"), Workspace(tmp_path).delivering() as alone:
        assert alone
        said = portproof("deliver", "--workspace", tmp_path)
    assert said.code == 3
    assert "another process is delivering" in said.err
    assert portproof("deliver", "--workspace", tmp_path).code == 0


def test_plain_http_is_allowed_where_it_is_meant(portproof: Portproof, tmp_path: Path) -> None:
    path = engage(tmp_path, ["127.0.0.1"], [80])
    line = "{name: a, to: splunk, url: 'http://192.0.2.1', plain: true, token: {env: NO_SUCH}}"
    path.write_text(f"{path.read_text()}deliveries: [{line}]\n")
    said = portproof("check", path)
    assert said.code == 0
    told = "delivery    a: splunk at 192.0.2.1 port 80, in the clear, as ecs"
    assert f"{told}; the variable NO_SUCH is not set" in said.out


def test_check_tells_where_findings_will_go(portproof: Portproof, tmp_path: Path) -> None:
    path = engage(tmp_path, ["127.0.0.1"], [80])
    (tmp_path / "token").write_text(SECRET)
    path.write_text(path.read_text() + DELIVERIES.format(port=8088, syslog=514))
    said = portproof("check", path, "--format", "json")
    assert [line.partition(":")[0] for line in said.json["deliveries"]] == [
        *("siem", "hook", "splunk", "dojo")
    ]
    assert said.json["deliveries"][0] == "siem: syslog by udp to 127.0.0.1 port 514, as cef"
    assert SECRET not in said.out
