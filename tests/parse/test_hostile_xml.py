"""XML that somebody wrote to hurt: refused, in bounded memory, and nothing else is ever opened."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.parse import ParseError
from pipeline.parse.nmap_xml import HostResult, NmapRun, read_nmap_xml
from pipeline.parse.safe_xml import MAX_ATTRIBUTE, MAX_NAMES, MAX_NESTING

HOST = '<host><address addr="10.0.0.1" addrtype="ipv4"/></host>'
MEBIBYTE = 1 << 20


def read(data: bytes) -> tuple[NmapRun, list[HostResult]]:
    hosts: list[HostResult] = []
    return read_nmap_xml(io.BytesIO(data), hosts.append), hosts


class Endless(io.BytesIO):
    """A stream that makes its bytes while it is read, so that only the reader's memory counts."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces

    def read(self, size: int | None = -1) -> bytes:
        return next(self._pieces, b"")


def repeated(head: bytes, piece: bytes, megabytes: int, tail: bytes = b"") -> Endless:
    def pieces() -> Iterator[bytes]:
        yield head
        block = piece * (MEBIBYTE // len(piece))
        for _ in range(megabytes):
            yield block
        yield tail

    return Endless(pieces())


def peak_of_refusing(stream: io.BytesIO, match: str) -> float:
    """Peak memory, in MiB. expat allocates through Python, so tracemalloc sees it."""
    tracemalloc.start()
    try:
        with pytest.raises(ParseError, match=match):
            read_nmap_xml(stream, lambda _: None)
        return tracemalloc.get_traced_memory()[1] / MEBIBYTE
    finally:
        tracemalloc.stop()


def test_a_billion_laughs_are_refused_before_the_first() -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE nmaprun [<!ENTITY l0 "ha">{laughs}]><nmaprun args="&l9;">{HOST}</nmaprun>'
    with pytest.raises(ParseError, match="declarations of its own") as refusal:
        read(bomb.encode())
    assert refusal.value.where == "line 1, column 19"
    assert "suspicion" in refusal.value.hint


@pytest.mark.parametrize(
    "declaration",
    [
        '<!ENTITY x "1">',
        '<!ENTITY % x "1"> %x;',
        '<!ENTITY x SYSTEM "{path}">',
        '<!ENTITY % x SYSTEM "{path}"> %x;',
        '<!ATTLIST state state CDATA "open">',
        "<!ELEMENT nmaprun ANY>",
        "",
    ],
)
def test_a_document_type_with_declarations_is_refused(declaration: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    text = f"<!DOCTYPE nmaprun [{declaration.format(path=secret.as_uri())}]><nmaprun/>"
    with pytest.raises(ParseError, match="no scanner writes this") as refusal:
        read(text.encode())
    assert "hunter2" not in str(refusal.value)


def test_an_external_document_type_is_never_opened(tmp_path: Path) -> None:
    # It would make every port without a state an open one.
    dtd = tmp_path / "nmap.dtd"
    dtd.write_text('<!ATTLIST state state CDATA "open"><!ENTITY x "hunter2">')
    run, (host,) = read(
        f'<!DOCTYPE nmaprun SYSTEM "{dtd.as_uri()}"><nmaprun version="&x;"><host>'
        '<address addr="10.0.0.1" addrtype="ipv4"/><ports>'
        '<port protocol="tcp" portid="22"><state/></port></ports></host></nmaprun>'.encode()
    )
    assert (run.version, host.ports, run.oddities) == ("", (), 1)


def test_an_entity_that_nobody_declared_is_damage() -> None:
    run, hosts = read(f'<nmaprun>{HOST}<host a="&x;"/></nmaprun>'.encode())
    assert (run.truncated, len(hosts)) == (True, 1)
    assert "undefined entity" in run.error


def test_an_attribute_of_ten_megabytes_is_refused_in_little_memory() -> None:
    stream = repeated(b'<nmaprun><host a="', b"x", 10, b'"/></nmaprun>')
    assert peak_of_refusing(stream, "a tag of more than") < 16


def test_an_attribute_just_above_the_limit_is_refused_and_one_at_the_limit_is_not() -> None:
    text = '<nmaprun args="%s"></nmaprun>'
    run, _ = read((text % ("x" * MAX_ATTRIBUTE)).encode())
    assert len(run.arguments) == MAX_ATTRIBUTE
    with pytest.raises(ParseError, match="an attribute of more than"):
        read((text % ("x" * (MAX_ATTRIBUTE + 1))).encode())


def test_a_comment_without_an_end_is_refused_in_little_memory() -> None:
    assert peak_of_refusing(repeated(b"<nmaprun><!--", b"x", 10), "a tag of more than") < 16


def test_a_name_without_an_end_is_refused_in_little_memory() -> None:
    assert peak_of_refusing(repeated(b"<nmaprun><", b"x", 10), "a tag of more than") < 16


def test_names_without_number_are_refused_in_bounded_memory() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"<nmaprun>"
        for start in range(0, 10_000_000, 50_000):
            yield b"".join(b"<a%d/>" % n for n in range(start, start + 50_000))

    assert peak_of_refusing(Endless(pieces()), f"more than {MAX_NAMES} different names") < 64


def test_text_without_end_needs_little_memory() -> None:
    tracemalloc.start()
    run = read_nmap_xml(repeated(b"<nmaprun>", b"x", 30, b"</nmaprun>"), lambda _: None)
    peak = tracemalloc.get_traced_memory()[1] / MEBIBYTE
    tracemalloc.stop()
    assert not run.truncated
    assert peak < 16


def test_hosts_without_number_need_little_memory() -> None:
    script = f'<hostscript><script id="x" output="{"o" * 30_000}"/></hostscript>'
    one = HOST.replace("</host>", f"{script}</host>").encode()
    tracemalloc.start()
    run = read_nmap_xml(repeated(b"<nmaprun>", one, 30, b"</nmaprun>"), lambda _: None)
    peak = tracemalloc.get_traced_memory()[1] / MEBIBYTE
    tracemalloc.stop()
    assert run.hosts_read == 30 * (MEBIBYTE // len(one))
    assert peak < 16


def test_deep_nesting_is_refused() -> None:
    deep = "<a>" * (MAX_NESTING - 1) + "</a>" * (MAX_NESTING - 1)
    run, _ = read(f"<nmaprun>{deep}</nmaprun>".encode())
    assert not run.truncated
    with pytest.raises(ParseError, match="inside one another"):
        read(f"<nmaprun><a>{deep}</a></nmaprun>".encode())
    with pytest.raises(ParseError, match="inside one another"):
        read(b"<nmaprun>" + b"<a>" * 1_000_000)


@pytest.mark.parametrize(
    "bad",
    [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\x00", b"&#0;", b"&#xd800;"],
)
def test_bytes_that_are_no_text_are_damage_and_cost_only_what_follows(bad: bytes) -> None:
    broken = b'<host><hostscript><script id="x" output="' + bad + b' "/></hostscript></host>'
    run, hosts = read(b"<nmaprun>" + HOST.encode() + broken + HOST.encode() + b"</nmaprun>")
    assert (run.truncated, run.complete, len(hosts)) == (True, False, 1)
    assert run.error.startswith("line 1, column ")


@pytest.mark.parametrize("encoding", ["utf-7", "shift_jis", "rot13", "no-such-encoding", "utf-16"])
def test_a_document_cannot_choose_its_encoding(encoding: str) -> None:
    run, hosts = read(
        f'<?xml version="1.0" encoding="{encoding}"?><nmaprun>{HOST}</nmaprun>'.encode()
    )
    assert (run.truncated, len(hosts)) == (False, 1)


@pytest.mark.parametrize(
    "data",
    [
        b"Starting Nmap 7.93 ( https://nmap.org )\n",
        b'{"ip":"10.0.0.1"}\n',
        b"\x00" * 4096,
        b"\x89PNG\r\n\x1a\n",
        b"<html><body>404</body></html>",
        b'<?xml version="1.0"?><NessusClientData_v2/>',
        b"<nmaprunner/>",
        '<?xml version="1.0"?><nmaprun/>'.encode("utf-32"),
        b"-",
    ],
)
def test_what_is_not_nmap_s_xml_is_an_error_that_says_so(data: bytes) -> None:
    with pytest.raises(ParseError, match=r"this is not XML|should begin with <nmaprun>") as error:
        read(data)
    assert error.value.where.startswith("line ")
