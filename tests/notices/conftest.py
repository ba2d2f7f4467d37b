"""A real SMTP server and a webhook on loopback, and a run that tells them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.cli.conftest import portproof, service
from tests.cli.ground import a_free_port

__all__ = ["portproof", "service"]
LOOPBACK = "127.0.0.1"


@dataclass
class Mailbox:
    """What came in. ``refuses`` is the answer to what comes."""

    port: int = 0
    refuses: str = ""
    messages: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:
        if self.refuses:
            return self.refuses
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        return "250 OK"

    def texts(self) -> list[str]:
        bodies = [message.get_body(("plain",)) for message in self.messages]
        return [str(body.get_content()) for body in bodies if body is not None]

    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for message in self.messages]


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    found = Mailbox(port=a_free_port(LOOPBACK))
    controller = Controller(found, hostname=LOOPBACK, port=found.port)
    controller.start()
    yield found
    controller.stop()


@dataclass
class Webhook:
    """What was posted."""

    port: int = 0
    bodies: list[bytes] = field(default_factory=list)


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    found = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer((LOOPBACK, 0), Handler)
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()
