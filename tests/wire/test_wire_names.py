"""Names become addresses, or an error for people."""

from __future__ import annotations

import socket
import threading
import time
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest

from pipeline.errors import Error
from pipeline.wire import resolve

Answer = tuple[Any, ...]


def answering(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """The resolver of the C library is outside; this one answers with these addresses."""

    def getaddrinfo(*_: object, **__: object) -> list[Answer]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, 0)) for text in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_localhost_is_this_machine() -> None:
    assert set(resolve("localhost", timeout=5)) <= {IPv4Address("127.0.0.1"), IPv6Address("::1")}


def test_addresses_are_sorted_and_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, "2001:db8::1", "10.0.0.10", "10.0.0.9", "10.0.0.10", "fe80::1%eth0")
    assert resolve("www.example.org", timeout=5) == (
        IPv4Address("10.0.0.9"),
        IPv4Address("10.0.0.10"),
        IPv6Address("2001:db8::1"),
    )


@pytest.mark.parametrize("text", ["10.1", "10.0.0.1", "::1", "10.0.0.0/8", "127", ""])
def test_what_looks_like_an_address_is_not_a_name(text: str) -> None:
    with pytest.raises(Error, match="is not a host name"):
        resolve(text, timeout=5)


def test_a_name_that_does_not_resolve_is_an_error_that_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def getaddrinfo(*_: object, **__: object) -> list[Answer]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(Error, match=r"no\.example does not resolve: Name or service not known"):
        resolve("no.example", timeout=5)


def test_a_name_that_cannot_be_one_is_an_error() -> None:
    with pytest.raises(Error, match="does not resolve"):
        resolve("a" * 70 + ".example", timeout=5)


def test_a_name_with_addresses_of_one_link_only_does_not_resolve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering(monkeypatch, "fe80::1%eth0")
    with pytest.raises(Error, match="no global address"):
        resolve("printer.example", timeout=5)


def test_a_resolver_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> list[Answer]:
        released.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    started = time.monotonic()
    with pytest.raises(Error, match=r"no answer within 0\.2 seconds"):
        resolve("slow.example", timeout=0.2)
    assert time.monotonic() - started < 2
    released.set()
