"""A real rsyslog takes the messages by TLS and TCP, each of them once and whole."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.deliveries import syslog
from pipeline.deliveries.items import Outcome, events_of
from pipeline.deliveries.settings import Form, Syslog, Transport, Trust
from tests.cli.ground import a_free_port, wait_until
from tests.deliveries.conftest import LOOPBACK, Certificates
from tests.deliveries.ground import an_item, written
from tests.render import documents
from tests.render.judged import ATTACKED, judged
from tests.render.test_cef import parsed

CONFIGURATION = """\
global(
  workDirectory="{folder}" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off"
  defaultNetstreamDriverCAFile="{certificates.authority}"
  defaultNetstreamDriverCertFile="{certificates.server}"
  defaultNetstreamDriverKeyFile="{key}"
)
module(load="imtcp")
input(
  type="imtcp" address="127.0.0.1" port="{receiver.tls}" ruleset="keep"
  streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid"
)
input(type="imtcp" address="127.0.0.1" port="{receiver.tcp}" ruleset="keep")
template(name="line" type="list") {{
  constant(value="{{")
  property(name="hostname" outname="host" format="jsonf") constant(value=", ")
  property(name="app-name" outname="app" format="jsonf") constant(value=", ")
  property(name="msgid" outname="kind" format="jsonf") constant(value=", ")
  property(name="pri" outname="priority" format="jsonf") constant(value=", ")
  property(name="msg" outname="text" format="jsonf")
  constant(value="}}\\n")
}}
ruleset(name="keep") {{ action(type="omfile" file="{receiver.file}" template="line") }}
"""


@dataclass(frozen=True)
class Receiver:
    """Where an rsyslog listens, and the file that it writes."""

    tls: int
    tcp: int
    file: Path

    def lines(self) -> list[dict[str, str]]:
        """What it has written, as far as lines are whole."""
        if not self.file.exists():
            return []
        whole, _, _ = self.file.read_text(encoding="utf-8").rpartition("\n")
        return [json.loads(line) for line in whole.split("\n") if line]


@pytest.fixture(scope="module")
def rsyslog(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates
) -> Iterator[Receiver]:
    folder = tmp_path_factory.mktemp("rsyslog")
    found = Receiver(a_free_port(LOOPBACK), a_free_port(LOOPBACK), folder / "received")
    path = folder / "rsyslog.conf"
    path.write_text(
        CONFIGURATION.format(
            folder=folder,
            certificates=certificates,
            key=certificates.server.with_suffix(".key"),
            receiver=found,
        )
    )
    command = ("rsyslogd", "-n", "-f", str(path), "-i", str(folder / "pid"))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        for transport in (Transport.TCP, Transport.TLS):
            to = receiver(found, certificates, transport)
            wait_until(
                lambda to=to: (
                    process.poll() is not None or not syslog.deliver(to, [], host="x").problem
                ),
                "rsyslog listening",
            )
        assert process.poll() is None, process.communicate()[1].decode()
        yield found
    finally:
        process.terminate()
        process.communicate(timeout=10)


def receiver(found: Receiver, certificates: Certificates, transport: Transport) -> Syslog:
    """How to reach it, with a certificate of its authority."""
    trust = Trust(
        ca=certificates.authority,
        certificate=certificates.elsewhere,
        key=certificates.elsewhere.with_suffix(".key"),
    )
    port = found.tls if transport is Transport.TLS else found.tcp
    return Syslog(name="siem", server=LOOPBACK, port=port, transport=transport, trust=trust)


@pytest.mark.parametrize("transport", [Transport.TLS, Transport.TCP])
def test_a_real_receiver_gets_each_message_once_and_whole(
    rsyslog: Receiver, certificates: Certificates, transport: Transport
) -> None:
    to = receiver(rsyslog, certificates, transport)
    document = judged(documents.hostile(), ATTACKED)
    items = [
        *written(events_of(document, Form.CEF)),
        *written(events_of(document, Form.ECS)),
        an_item(1, "zwei\nZeilen\r\n<34>1 - - - - - - gefälscht, 端口 🔥"),
        an_item(2, '7 {"a": "b"}'),
        an_item(3, "x" * 40_000),
    ]
    host = f"scanner-{transport}"
    assert syslog.deliver(to, items, host=host) == Outcome()

    def received() -> list[dict[str, str]]:
        return [line for line in rsyslog.lines() if line["host"] == host]

    wait_until(lambda: len(received()) >= len(items), "all messages")
    assert [line["text"] for line in received()] == [item.text for item in items]
    assert {line["app"] for line in received()} == {"portproof"}
    assert received()[0]["kind"] == "run"
    assert received()[0]["priority"] == str(16 * 8 + 6)
    headers = [parsed(line["text"])[0] for line in received() if line["text"].startswith("CEF:")]
    assert len(headers) == len(events_of(document, Form.CEF))


@pytest.mark.parametrize("shown", [None, "stranger"])
@pytest.mark.parametrize("size", [10, 200_000])
def test_a_receiver_that_wants_another_certificate_has_taken_nothing(
    rsyslog: Receiver, certificates: Certificates, shown: str | None, size: int
) -> None:
    certificate = getattr(certificates, shown) if shown else None
    trust = Trust(
        ca=certificates.authority,
        certificate=certificate,
        key=certificate.with_suffix(".key") if certificate else None,
    )
    to = Syslog(name="siem", server=LOOPBACK, port=rsyslog.tls, trust=trust)
    found = syslog.deliver(to, [an_item(1, "x" * size)], host="uninvited")
    assert found.owed == (0,), found
    assert found.problem.startswith("no connection: ")
    assert not [line for line in rsyslog.lines() if line["host"] == "uninvited"]
