"""What a file is, its content says."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.captures import HERE
from pipeline.parse import ParseError
from pipeline.parse.formats import FORMATS, FileFormat, recognise

OF_ENDING = {
    ".xml": FileFormat.NMAP_XML,
    ".ndjson": FileFormat.MASSCAN_NDJSON,
    ".json": FileFormat.MASSCAN_JSON,
    ".list": FileFormat.MASSCAN_LIST,
    ".bin": FileFormat.MASSCAN_BINARY,
    ".jsonl": FileFormat.NAABU,
    ".csv": FileFormat.ZMAP,
}


@pytest.mark.parametrize("path", sorted(p for p in HERE.iterdir() if p.suffix in OF_ENDING))
def test_every_capture_is_recognised_by_what_it_begins_with(path: object) -> None:
    content = (HERE / str(path)).read_bytes()
    wanted = OF_ENDING[(HERE / str(path)).suffix] if content else FileFormat.NOTHING
    assert recognise(content) is wanted


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (b'{\n"format":1,\n"run":{"id":"x"}', FileFormat.PORTPROOF),
        (b'{"format": 1, "run": {}}', FileFormat.PORTPROOF),
        (b"\xef\xbb\xbf<?xml version", FileFormat.NMAP_XML),
        ("<nmaprun>".encode("utf-16"), FileFormat.NMAP_XML),
        (b"\n\n  <nmaprun", FileFormat.NMAP_XML),
        (b"[", FileFormat.MASSCAN_JSON),
        (b'{   "ip": "10.0.0.1", "ports": []}', FileFormat.MASSCAN_JSON),
        (b"open tcp 22 10.0.0.1 17\n", FileFormat.MASSCAN_LIST),
        (b"saddr\n10.0.0.1\n", FileFormat.ZMAP),
        (b"10.0.0.1\n", FileFormat.ZMAP),
        (b"2001:db8::1,80\n", FileFormat.ZMAP),
    ],
)
def test_a_beginning_tells_the_format(head: bytes, wanted: FileFormat) -> None:
    assert recognise(head) is wanted


@pytest.mark.parametrize("head", [b"\x89PNG", b"{}", b'{"a":1}', b"10 apples\n", b"\0" * 64, b" "])
def test_anything_else_is_an_error_that_names_what_was_looked_for(head: bytes) -> None:
    with pytest.raises(ParseError) as error:
        recognise(head)
    for name, _, _ in FORMATS:
        assert name in error.value.hint or name is FileFormat.NOTHING


@given(st.binary(max_size=200))
def test_no_beginning_crashes_the_look_at_it(head: bytes) -> None:
    with contextlib.suppress(ParseError):
        assert recognise(head) in FileFormat
