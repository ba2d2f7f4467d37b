"""Receivers on loopback: an HTTP sink that does what a test tells it, an index, certificates."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import portproof, service

__all__ = ["portproof", "service"]
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Request:
    """What came in."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reaction:
    """What is answered; ``dropped``: nothing, the connection is closed."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    dropped: bool = False


React = Callable[[Request], Reaction]


class Sink:
    """Takes POSTs, and reacts as it is told."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.react: React = lambda _: Reaction()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = Request(self.path, dict(self.headers), body)
                sink.requests.append(request)
                reaction = sink.react(request)
                if reaction.dropped:
                    self.close_connection = True
                    return
                self.send_response(reaction.status)
                for name, value in reaction.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reaction.body)))
                self.end_headers()
                self.wfile.write(reaction.body)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass  # who refuses our certificate leaves in the middle

        self._server = Server((LOOPBACK, 0), Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Take nothing any more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    found = Sink()
    yield found
    found.close()


@dataclass
class Index:
    """What an index holds: documents by ``_id``, and how often each was created."""

    documents: dict[str, Any] = field(default_factory=dict)
    created: list[str] = field(default_factory=list)

    def create(self, id_: str, document: Any) -> int:
        """201, or 409 where it is there already."""
        if id_ in self.documents:
            return 409
        self.documents[id_] = document
        self.created.append(id_)
        return 201

    def bulk(self, body: bytes, put_off: Callable[[str], int] = lambda _: 0) -> bytes:
        """Take the items, but those of a status of their own; the answer as it would be."""
        lines = body.decode().splitlines()
        told = []
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            id_ = json.loads(action)["create"]["_id"]
            status = put_off(id_) or self.create(id_, json.loads(document))
            told.append({"create": {"status": status}})
        return json.dumps({"errors": True, "items": told}).encode()


@dataclass(frozen=True)
class Certificates:
    """A server that an authority vouches for, one under another name, and another authority."""

    authority: Path
    server: Path
    elsewhere: Path
    stranger: Path

    def context(self, certificate: Path) -> ssl.SSLContext:
        """For a server with that certificate."""
        found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        found.load_cert_chain(certificate, certificate.with_suffix(".key"))
        return found


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")

    def issue(name: str, *more: str) -> Path:
        path = folder / f"{name}.pem"
        command = (
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", f"/CN={name}", "-out", str(path)),
            *("-keyout", str(path.with_suffix(".key")), *more),
        )
        subprocess.run(command, check=True, capture_output=True)
        return path

    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    authority = issue("authority", *usage)
    by = ("-CA", str(authority), "-CAkey", str(authority.with_suffix(".key")))
    own = ("-addext", "basicConstraints=critical,CA:FALSE")
    return Certificates(
        authority=authority,
        server=issue("server", *by, *own, "-addext", f"subjectAltName=IP:{LOOPBACK}"),
        elsewhere=issue("elsewhere", *by, *own, "-addext", "subjectAltName=DNS:elsewhere.test"),
        stranger=issue("stranger", *usage),
    )


@pytest.fixture
def datagrams() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind((LOOPBACK, 0))
        found.settimeout(5)
        yield found
