"""One endpoint, checked by hand: within the scope, within the ceilings, and told to a person."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

import pipeline
from fixtures.lab import datagrams
from tests.cli.conftest import Portproof
from tests.cli.ground import Service, a_free_port, engage


def test_an_open_port_is_told_with_its_evidence(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    said = portproof(
        "verify", service.endpoint, "-e", engage(tmp_path, [service.address], [service.port])
    )
    assert said.code == 1
    assert said.out.startswith(f"{service.endpoint}/tcp\n")
    assert '"hello\\r\\n"' in said.out
    assert "=> confirmed (service-spoke)" in said.out


def test_json_has_the_dictionary_that_users_of_python_nmap_know(
    portproof: Portproof, tmp_path: Path
) -> None:
    with Service("::1") as service:
        path = engage(tmp_path, ["::1"], [1])
        said = portproof("verify", f"[::1]:{service.port}", "-e", path, "--format", "json")
    assert said.code == 1
    assert (said.json["verdict"], said.json["reason"]) == ("confirmed", "service-spoke")
    assert said.json["nmap"]["scan"]["::1"]["tcp"][str(service.port)]["state"] == "open"


def test_json_has_the_verdict_with_all_that_it_rests_on(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path, [service.address], [1])
    found = portproof("verify", service.endpoint, "-e", path, "--format", "json").json
    assert found["endpoint"] == f"{service.endpoint}/tcp"
    assert "after a completed handshake" in found["explanation"]
    assert 0.9 < found["confidence"] < 1
    assert found["tools"].keys() >= {"nmap"}
    assert found["portproof"] == pipeline.__version__
    scan, handshake = found["observations"]
    assert scan["method"] in ("nmap-syn", "nmap-connect")
    assert (scan["state"], scan["reason"], scan["banner"]) == ("open", "syn-ack", "")
    assert (handshake["method"], handshake["aftermath"]) == ("handshake", "data")
    assert handshake["banner"] == "hello\r\n"
    times = [datetime.fromisoformat(o["time"]).timestamp() for o in (scan, handshake)]
    assert time.time() - 30 < times[0] <= times[1] <= time.time()
    assert found["holes"] == []


@pytest.mark.parametrize("answers", [True, False], ids=["answers", "keeps silent"])
def test_a_udp_port_is_asked_in_its_own_protocol(
    answers: bool, portproof: Portproof, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.9.8.7", 3478))
        peer.settimeout(0.2)
        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                with contextlib.suppress(TimeoutError, struct.error):
                    request, where = peer.recvfrom(2000)
                    reply = datagrams.stun(request) if answers else None
                    if reply is not None:
                        peer.sendto(reply, where)

        serving = threading.Thread(target=serve)
        serving.start()
        try:
            path = engage(tmp_path, ["127.9.8.7"], [1])
            said = portproof("verify", "127.9.8.7:3478/udp", "-e", path)
        finally:
            ended.set()
            serving.join()
    if answers:
        assert said.code == 1
        assert "stun: binding" in said.out
        assert "=> confirmed (answered-in-protocol)" in said.out or "=> likely" in said.out
    else:
        assert said.code == 0
        assert "=> filtered (open-or-filtered)" in said.out
        assert "Nothing came back" in said.out


def test_what_this_machine_could_not_ask_is_told_and_not_called_silence(
    portproof: Portproof, tmp_path: Path
) -> None:
    path = engage(tmp_path, ["127.1.2.5"], [1])
    with path.open("a") as file:
        file.write("vantage: {source_address: 192.0.2.99}\n")
    said = portproof("verify", "127.1.2.5:80", "-e", path)
    assert "handshake, then listening: gave up (local-failure: EADDRNOTAVAIL)" in said.out
    (hole,) = portproof("verify", "127.1.2.5:80", "-e", path, "--format", "json").json["holes"]
    assert hole == {"method": "handshake", "reason": "local-failure: EADDRNOTAVAIL"}


@pytest.mark.parametrize("format_", ["text", "json"])
def test_of_a_port_that_nobody_expected_it_is_not_said_to_be_expected(
    format_: str, portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    closed = f"{service.address}:{a_free_port(service.address)}"
    path = engage(tmp_path, [service.address], [1])
    said = portproof("verify", closed, "-e", path, "--format", format_)
    assert "It was refused, and no method found it open." in said.out
    assert "expected" not in said.out


def test_a_name_of_the_engagement_stands_for_its_address(
    portproof: Portproof, tmp_path: Path
) -> None:
    with Service("127.0.0.1") as found:
        path = engage(tmp_path, ["127.0.0.1", "::1", "localhost"], [1])
        text = path.read_text().replace('"localhost"', "{host: localhost, expect: [127.0.0.0/8]}")
        path.write_text(text.replace('"::1", ', ""))
        said = portproof("verify", f"localhost:{found.port}", "-e", path)
    assert (said.code, said.err) == (1, "")
    assert said.out.startswith(f"{found.endpoint}/tcp (localhost)\n")


def test_a_closed_port_is_nothing_to_act_on(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    closed = f"{service.address}:{a_free_port(service.address)}"
    said = portproof("verify", closed, "-e", engage(tmp_path, [service.address], [1]))
    assert said.code == 0
    assert "=> refuted (refused)" in said.out


@pytest.mark.parametrize(
    ("endpoint", "code", "complaint"),
    [
        ("127.1.2.3:80", 3, "127.1.2.3 is not in the scope of the engagement"),
        ("127.1.2.4:80", 3, "127.1.2.4 is excluded by the engagement"),
        ("[::ffff:127.1.2.5]:80", 3, "is not in the scope"),
        ("localhost:80", 3, "localhost is not a name of the engagement\n"),
        ("foo.invalid:80", 3, "foo.invalid is not a name of the engagement\n"),
        ("127.1.2.5", 2, "'127.1.2.5' has no port\n  write ADDRESS:PORT, such as"),
        ("127.1.2.5:", 2, "has no port"),
        ("127.1.2.5:0", 2, "port 0 does not exist"),
        ("127.1.2.5:65536", 2, "port 65536 does not exist"),
        ("127.1.2.5:80-90", 2, "'80-90' is not a port\n  write one number from 1 to 65535"),
        ("host:80-", 2, "'80-' is not a port"),
        ("127.1.2.5:http", 2, "'http' is not a port"),
        ("127.1.2.5:8\u0660", 2, "is not a port"),
        ("127.1.2.5:80/icmp", 2, "does not end with a protocol\n  write /tcp or /udp, or nothing"),
        ("127.1.2.0/24:80", 2, "'127.1.2.0/24:80' is a network, and only one endpoint is asked"),
        ("http://127.1.2.5/", 2, "'http://127.1.2.5/' is a URL, not an endpoint"),
        ("::1:80", 2, "needs brackets around its IPv6 address\n  write [::1]:80"),
        ("127.1.5:80", 2, "'127.1.5' is not an IP address"),
        ("[fe80::1%lo]:80", 2, "has a zone identifier"),
        (":80", 2, "'' is neither an address nor a host name"),
        ("127.1.2.5 127.1.2.3:80", 2, "is not an IP address"),
        ("127.1.2.5:80\n-oN/etc/passwd", 2, ""),
        ("-oN/etc/passwd", 2, "No such option: -o"),
        ("-oN/tmp/x:80", 2, "what begins with a dash and is no option goes after --"),
        ("-oN:80", 2, "No such option"),
        ("--script=http-title:80", 2, "No such option"),
        ("", 2, "has no port"),
    ],
)
def test_what_is_no_endpoint_of_the_scope_is_not_asked(
    portproof: Portproof, tmp_path: Path, endpoint: str, code: int, complaint: str
) -> None:
    path = engage(tmp_path, ["127.1.2.4-127.1.2.5"], [80], exclude=["127.1.2.4"])
    said = portproof("verify", endpoint, "-e", path)
    assert (said.code, said.out) == (code, "")
    assert complaint in said.err
    if endpoint.startswith("-"):
        said = portproof("verify", "-e", path, "--", endpoint)
        assert (said.code, said.out) == (2, "")
        assert "No such option" not in said.err
    assert not (tmp_path / "portproof.lock").exists()


def test_no_version_probe_is_sent_where_the_engagement_has_none(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path, [service.address], [service.port], version_probe=True)
    path.write_text(path.read_text() + "limits: {rate: 1000, rate_per_host: 10}\n")
    said = portproof("verify", service.endpoint, "-e", path)
    assert said.code == 1
    assert "version" not in said.out
    assert service.visitors == 1


def test_a_workspace_in_use_is_left_to_its_run(
    portproof: Portproof, tmp_path: Path, service: Service, other_run: Path
) -> None:
    path = engage(tmp_path, [service.address], [service.port])
    said = portproof("verify", service.endpoint, "-e", path, "--workspace", other_run)
    assert said.code == 3
    assert "another run is using this workspace" in said.err
    assert service.visitors == 0
