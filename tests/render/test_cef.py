"""CEF, read back by the rules of the format: every field comes out as it went in."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pipeline.render.document import RunDocument
from pipeline.render.exports.cef import render_cef
from pipeline.render.exports.entries import entries
from tests.render import documents
from tests.render.judged import ATTACKED, judged

SMALL = judged(documents.small())
HOSTILE = judged(documents.hostile(), ATTACKED)
KEYS = {
    *("rt", "start", "end", "externalId", "cat", "outcome", "reason", "dst", "dpt", "proto"),
    *("c6a3", "c6a3Label", "dhost", "app", "destinationServiceName", "msg", "dvchost"),
    *("cfp1", "cfp1Label"),
    *(f"cs{number}{kind}" for number in range(1, 5) for kind in ("", "Label")),
}


def parsed(line: str) -> tuple[list[str], dict[str, str]]:
    """Header fields and extension of one line; fails on what the format does not allow."""
    found = re.fullmatch(r"((?:(?:[^|\\]|\\[|\\])*\|){7})(.*)", line)
    assert found is not None, line
    header = re.findall(r"((?:[^|\\]|\\[|\\])*)\|", found[1])
    value = r"(?:[^=\\]|\\[=\\n])*?"
    pairs = re.findall(rf"(\w+)=({value})(?= \w+=|$)", found[2])
    assert " ".join(f"{key}={text}" for key, text in pairs) == found[2]
    assert len({key for key, _ in pairs}) == len(pairs)
    return [unescaped(part) for part in header], {key: unescaped(text) for key, text in pairs}


def unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text)


def lines(document: RunDocument) -> list[tuple[list[str], dict[str, str]]]:
    return [parsed(line) for line in render_cef(document).splitlines()]


@pytest.mark.parametrize("document", [SMALL, HOSTILE], ids=["small", "hostile"])
def test_every_field_is_read_back_as_it_was(document: RunDocument) -> None:
    (_, *found), told = lines(document), list(entries(document))
    assert len(found) == len(told)
    for (header, extension), entry in zip(found, told, strict=True):
        endpoint = entry.finding.verdict.endpoint
        assert header[:4] == ["CEF:0", "portproof", "portproof", document.portproof_version]
        assert header[4:6] == [entry.rule, entry.title]
        assert 0 <= int(header[6]) <= 10
        assert extension.keys() <= KEYS
        address = extension["dst" if endpoint.address.version == 4 else "c6a3"]
        assert (address, extension["dpt"]) == (str(endpoint.address), str(endpoint.port))
        assert extension["cs2"] == entry.uid
        assert extension.get("dhost", "") == entry.host
        assert extension["msg"].rstrip("…") == entry.text[: len(extension["msg"].rstrip("…"))]


def test_pipes_backslashes_and_equals_signs_are_only_text() -> None:
    text = "a|b\\c dst=6.6.6.6 \\|x\\=y\\"
    header, extension = lines(replace(SMALL, client=text, portproof_version=text))[1]
    assert header[3] == text
    assert extension["cs1"] == text
    assert extension["dst"] == "10.80.1.7"


@pytest.mark.parametrize("line", ["CEF:0|a|b|c|d|1|x=1", "CEF:0|a|b|c|d|e|1|x=1=2"])
def test_a_line_that_breaks_the_rules_is_not_read(line: str) -> None:
    with pytest.raises(AssertionError):
        parsed(line)


def test_an_identifier_is_short_and_belongs_to_one_event_of_one_run() -> None:
    found = lines(SMALL) + lines(replace(SMALL, run="20261110-020000-0000"))
    ids = [extension["externalId"] for _, extension in found]
    assert len(ids) == len(set(ids))
    assert max(map(len, ids)) <= 40
