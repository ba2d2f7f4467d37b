"""What arrives is what was told, signed and encrypted as it should be."""

from __future__ import annotations

import base64
import contextlib
import email
import hashlib
import hmac
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.policy import HTTP

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.deliveries import defectdojo, search, splunk, syslog, webhook
from pipeline.deliveries.items import Outcome, events_of, findings_of
from pipeline.deliveries.sending import framed, post
from pipeline.deliveries.settings import (
    DefectDojo,
    Form,
    Search,
    Splunk,
    Syslog,
    Transport,
    Trust,
    Webhook,
)
from pipeline.secret import Secret
from tests.cli.ground import a_free_port
from tests.deliveries.conftest import LOOPBACK, Certificates, Index, Reaction, Sink
from tests.deliveries.ground import NOW, an_item, at, written
from tests.render import documents
from tests.render.judged import ATTACKED, judged
from tests.render.test_cef import parsed

DOCUMENT = judged(documents.small())
HOSTILE = judged(documents.hostile(), ATTACKED)
SECRET = "s3cr3t-0f-the-d3liv3ry"
HOST = "scanner.example.com"


@pytest.fixture
def secret(monkeypatch: pytest.MonkeyPatch) -> Secret:
    monkeypatch.setenv("KEY", SECRET)
    return Secret(env="KEY")


# --- by HTTP -----------------------------------------------------------------------------------


def test_a_webhook_is_signed_so_that_a_few_lines_can_verify_it(sink: Sink, secret: Secret) -> None:
    to = Webhook(name="hook", web=at(sink.port, path="/in/here"), secret=secret, token=secret)
    items = written(events_of(DOCUMENT, Form.ECS))
    assert webhook.deliver(to, items, now=NOW) == Outcome()
    (request,) = sink.requests
    assert request.path == "/in/here"
    timestamp = request.headers["Portproof-Timestamp"]
    expected = hmac.new(
        SECRET.encode(), timestamp.encode() + b"." + request.body, hashlib.sha256
    ).hexdigest()
    assert hmac.compare_digest(request.headers["Portproof-Signature"], f"v1={expected}")
    assert timestamp == str(int(NOW))
    assert request.headers["Authorization"] == f"Bearer {SECRET}"
    told = json.loads(request.body)
    assert told["format"] == "ecs"
    assert [event["event"]["id"] for event in told["events"]] == [item.id for item in items]

    webhook.deliver(to, items, now=NOW + 60)
    again = sink.requests[1]
    assert json.loads(again.body)["id"] == told["id"] == again.headers["Portproof-Delivery"]
    assert again.headers["Portproof-Signature"] != request.headers["Portproof-Signature"]


@pytest.mark.parametrize("form", [Form.ECS, Form.CEF])
def test_splunk_gets_one_event_after_the_other(sink: Sink, secret: Secret, form: Form) -> None:
    to = Splunk(name="splunk", web=at(sink.port), token=secret, index="ports", form=form)
    items = written(events_of(HOSTILE, form))
    assert splunk.deliver(to, items, host=HOST) == Outcome()
    (request,) = sink.requests
    assert request.path == "/services/collector/event"
    assert request.headers["Authorization"] == f"Splunk {SECRET}"
    told = [json.loads(line) for line in request.body.decode().split("\n")]
    assert len(told) == len(items)
    for event, item in zip(told, items, strict=True):
        assert (event["host"], event["index"], event["time"]) == (HOST, "ports", item.time)
        assert event["sourcetype"] == f"portproof:{form}"
        kept = event["event"]
        assert kept == (item.text if form is Form.CEF else json.loads(item.text))


def test_defectdojo_gets_a_file_and_is_told_to_close_nothing(sink: Sink, secret: Secret) -> None:
    to = DefectDojo(
        name="dojo",
        web=at(sink.port, path="/dojo"),
        token=secret,
        product="Perimeter — Büro",
        engagement="Port scans",
        product_type="Infrastructure",
    )
    items = written(findings_of(HOSTILE))
    assert defectdojo.deliver(to, items) == Outcome()
    (request,) = sink.requests
    assert request.path == "/dojo/api/v2/reimport-scan/"
    assert request.headers["Authorization"] == f"Token {SECRET}"
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + request.body, policy=HTTP)
    told = {}
    for part in message.walk():
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            told[str(part.get_param("name", header="Content-Disposition"))] = content
    assert told["close_old_findings"] == b"false"
    assert told["scan_type"] == b"Generic Findings Import"
    assert told["product_name"].decode() == "Perimeter — Büro"
    assert told["auto_create_context"] == b"true"
    findings = json.loads(told["file"])["findings"]
    assert len(findings) == len(items)
    assert {f["unique_id_from_tool"] for f in findings} == {i.id.partition(" ")[2] for i in items}


def test_an_index_gets_each_event_under_its_own_identifier(sink: Sink, secret: Secret) -> None:
    index, items = Index(), written(events_of(HOSTILE, Form.ECS))
    sink.react = lambda request: Reaction(body=index.bulk(request.body))
    to = Search(
        name="s", web=at(sink.port), index="ports", user="writer", password=secret, form=Form.ECS
    )
    assert search.deliver(to, items) == Outcome()
    assert search.deliver(to, items) == Outcome()
    assert sorted(index.created) == sorted(item.id for item in items)
    assert [index.documents[item.id] for item in items] == [json.loads(i.text) for i in items]
    assert all(len(item.id.encode()) <= 512 for item in items)
    (request, _) = sink.requests
    assert request.path.startswith("/ports/_bulk?")
    pair = base64.b64decode(request.headers["Authorization"].removeprefix("Basic "))
    assert pair == f"writer:{SECRET}".encode()


@pytest.mark.parametrize(
    ("reaction", "problem", "hopeless"),
    [
        (Reaction(status=302, headers={"Location": "http://127.0.0.1:9/"}), "302", True),
        (Reaction(status=401, body=SECRET.encode()), "401", True),
        (Reaction(status=429), "429", False),
        (Reaction(status=503), "503", False),
        (Reaction(dropped=True), "no answer: RemoteDisconnected", False),
        (Reaction(body=b"x" * (5 << 20)), "an answer that is too large", False),
    ],
)
def test_what_a_server_answers_is_told_by_kind_and_number(
    sink: Sink, secret: Secret, reaction: Reaction, problem: str, hopeless: bool
) -> None:
    sink.react = lambda _: reaction
    to = Webhook(name="hook", web=at(sink.port), secret=secret)
    found = webhook.deliver(to, [an_item(1), an_item(2)], now=NOW)
    assert found.owed == (0, 1)
    assert found.problem.removeprefix("answered with ") == problem
    assert found.hopeless == hopeless
    assert len(sink.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{}", b'{"items": 3}', b'{"items": []}', b'{"items": [{"create": {}}]}'),
        b'{"items": [{"create": {"status": "201"}}]}',
        b"[" * 60_000,
    ],
)
def test_an_index_that_does_not_tell_of_each_item_has_taken_none(sink: Sink, body: bytes) -> None:
    sink.react = lambda _: Reaction(body=body)
    found = search.deliver(Search(name="s", web=at(sink.port), index="x"), [an_item(1)])
    assert found.owed == (0,)
    assert found.problem.startswith("an answer ")


def test_a_token_that_is_no_header_is_not_repeated(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", f"{SECRET}\r\nX-Other: 1")
    to = Splunk(name="splunk", web=at(sink.port), token=Secret(env="KEY"))
    found = splunk.deliver(to, [an_item(1)], host=HOST)
    assert found.problem == "no answer: ValueError"
    assert sink.requests == []


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"])
def test_an_answer_that_trickles_in_is_cut_off(head: bytes) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:

        def trickle() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(head)
                for _ in range(400):
                    connection.sendall(b"H")
                    time.sleep(0.01)

        thread = threading.Thread(target=trickle, daemon=True)
        thread.start()
        before = time.monotonic()
        reply = post(at(listener.getsockname()[1]), "/", b"x", {}, whole=0.2)
        assert time.monotonic() - before < 2
        assert reply.problem
        assert reply.status == 0
        thread.join(5)


# --- certificates ------------------------------------------------------------------------------


@pytest.fixture
def encrypted(certificates: Certificates) -> Iterator[Callable[[str], Sink]]:
    opened: list[Sink] = []

    def open_sink(certificate: str) -> Sink:
        opened.append(Sink(certificates.context(getattr(certificates, certificate))))
        return opened[-1]

    yield open_sink
    for each in opened:
        each.close()


@pytest.mark.parametrize(
    ("certificate", "trusted"),
    [("elsewhere", "authority"), ("server", "stranger"), ("server", "")],
)
@pytest.mark.parametrize("kind", ["webhook", "syslog"])
def test_a_wrong_name_and_an_unknown_authority_are_refused(
    encrypted: Callable[[str], Sink],
    certificates: Certificates,
    secret: Secret,
    kind: str,
    certificate: str,
    trusted: str,
) -> None:
    sink = encrypted(certificate)
    ca = getattr(certificates, trusted) if trusted else None
    if kind == "syslog":
        receiver = Syslog(name="siem", server=LOOPBACK, port=sink.port, trust=Trust(ca=ca))
        found = syslog.deliver(receiver, [an_item(1)], host=HOST)
    else:
        web = at(sink.port, tls=True, ca=ca)
        found = webhook.deliver(Webhook(name="h", web=web, secret=secret), [an_item(1)], now=NOW)
    assert sink.requests == []
    assert found.owed == (0,)
    assert found.problem == "the certificate of the server is not to be trusted"
    assert found.hopeless


def test_a_server_that_the_own_authority_vouches_for_is_believed(
    encrypted: Callable[[str], Sink], certificates: Certificates, secret: Secret
) -> None:
    web = at(encrypted("server").port, tls=True, ca=certificates.authority)
    to = Webhook(name="h", web=web, secret=secret)
    assert webhook.deliver(to, [an_item(1)], now=NOW) == Outcome()


def test_a_server_that_asks_for_a_certificate_is_shown_ours(
    certificates: Certificates, secret: Secret
) -> None:
    context = certificates.context(certificates.server)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(certificates.authority)
    sink = Sink(context)
    problems = []
    for certificate in (certificates.elsewhere, certificates.stranger, None):
        key = certificate.with_suffix(".key") if certificate else None
        trust = Trust(ca=certificates.authority, certificate=certificate, key=key)
        web = replace(at(sink.port, tls=True), trust=trust)
        to = Webhook(name="h", web=web, secret=secret)
        problems.append(webhook.deliver(to, [an_item(1)], now=NOW).problem)
    sink.close()
    assert problems[0] == ""
    assert all(problem.startswith("no answer: ") for problem in problems[1:])
    assert len(sink.requests) == 1


# --- syslog ------------------------------------------------------------------------------------

HEADER = re.compile(
    r"<(?P<priority>\d{1,3})>1 (?P<time>\S+) (?P<host>\S{1,255}) (?P<app>\S{1,48}) "
    r"(?P<process>\S{1,128}) (?P<message>\S{1,32}) - (?P<text>.*)",
    re.DOTALL,
)


def test_a_message_has_the_form_of_rfc_5424() -> None:
    (run, *findings) = written(events_of(DOCUMENT, Form.CEF))
    found = HEADER.fullmatch(syslog.message(run, facility=16, host=HOST).decode())
    assert found is not None
    assert int(found["priority"]) == 16 * 8 + 6
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found["time"])
    assert (found["host"], found["app"], found["message"]) == (HOST, "portproof", "run")
    for item in findings:
        told = HEADER.fullmatch(syslog.message(item, facility=16, host=HOST).decode())
        assert told is not None
        assert told["message"] == "finding"
        assert parsed(told["text"])[1]["cs2"] == item.id.partition(" ")[2]


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=60), st.text(max_size=40))
def test_no_name_and_no_text_breaks_a_message(text: str, host: str) -> None:
    message = syslog.message(an_item(1, text), facility=3, host=host)
    found = HEADER.fullmatch(message.decode())
    assert found is not None
    assert found["text"] == text.encode("utf-8", "backslashreplace").decode()
    length, _, rest = framed(message).partition(b" ")
    assert (int(length), rest) == (len(message), message)


def test_datagrams_hold_one_message_each_and_one_that_is_too_large_is_told(
    datagrams: socket.socket,
) -> None:
    port = datagrams.getsockname()[1]
    to = Syslog(name="siem", server=LOOPBACK, port=port, transport=Transport.UDP)
    items = [an_item(1), an_item(2, "x" * 70_000), an_item(3, "zwei\nZeilen — 端口")]
    found = syslog.deliver(to, items, host=HOST)
    assert found == Outcome(refused=1, because="too large for UDP")
    received = [datagrams.recv(65536).decode() for _ in range(2)]
    assert received == [
        syslog.message(item, facility=16, host=HOST).decode() for item in (items[0], items[2])
    ]


def test_datagrams_that_nobody_listens_for_have_not_arrived() -> None:
    port = a_free_port(LOOPBACK)
    to = Syslog(name="siem", server=LOOPBACK, port=port, transport=Transport.UDP)
    for items in ([an_item(1)], [an_item(1), an_item(2)]):
        found = syslog.deliver(to, items, host=HOST)
        assert found.owed == tuple(range(len(items)))
        assert found.problem == "no connection: Connection refused"


def test_a_receiver_that_breaks_the_connection_off_has_taken_nothing() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]

        def reset() -> None:
            connection, _ = listener.accept()
            connection.recv(10)
            connection.close()  # with more to read: the system answers with a reset

        thread = threading.Thread(target=reset)
        thread.start()
        to = Syslog(name="siem", server=LOOPBACK, port=port, transport=Transport.TCP)
        items = [an_item(number, "x" * 50_000) for number in range(8)]
        found = syslog.deliver(to, items, host=HOST)
        thread.join()
    assert found.owed == tuple(range(8))
    assert found.problem.startswith("no connection: ")
