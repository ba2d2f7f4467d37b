"""What a question by UDP is: one request of one protocol, and how its answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import error as StructError
from typing import Final

from pipeline.ports import PortSet

TOKEN_SIZE: Final = 16
"""Random bytes that a request is made with, and its answer has to know."""

LONGEST_REQUEST: Final = 1200
"""Bytes. Only QUIC needs as many: a server does not answer less (RFC 9000, 14.1)."""

LONGEST_DESCRIPTION: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request of one protocol.

    ``request`` makes it from a token, ``reads`` says in a few words what an answer to the request
    of this token tells, or ``None`` when it is no such answer; it may raise ``ValueError``,
    ``IndexError`` or ``struct.error``. ``source`` is where the request is specified, ``harmless``
    says why it may be sent to anybody.
    """

    name: str
    ports: PortSet
    source: str
    harmless: str
    request: Callable[[bytes], bytes]
    reads: Callable[[bytes, bytes], str | None]

    def answer(self, reply: bytes, token: bytes) -> str | None:
        """What the reply tells, after the protocol's name; ``None`` for anything else.

        The text is hostile, at most 200 characters. Never raises, whatever the reply.
        """
        try:
            told = self.reads(reply, token)
        except (ValueError, IndexError, StructError):
            return None
        return None if told is None else f"{self.name}: {told}"[:LONGEST_DESCRIPTION]


def words(data: bytes) -> str:
    """Text from a reply."""
    return data.decode("utf-8", "backslashreplace")
