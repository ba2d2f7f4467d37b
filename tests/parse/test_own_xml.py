"""What portproof wrote as nmap's XML, read back: verdicts, what was asked, or a refusal."""

from __future__ import annotations

import io
import re

import pytest

from fixtures.captures import XML, contents
from pipeline.decide.coverage import rectangles
from pipeline.model import Verdict
from pipeline.parse import ParseError
from pipeline.parse.own_xml import OwnRun, read_own_xml
from pipeline.render.nmap_xml import render_nmap_xml
from tests.render import documents

WHOLE = render_nmap_xml(documents.small())
FOREIGN = [name for name in XML if name.startswith("nmap-")]


def read(text: str | bytes) -> tuple[OwnRun, list[Verdict]]:
    data = text.encode() if isinstance(text, str) else text
    found: list[Verdict] = []
    return read_own_xml(io.BytesIO(data), found.append), found


def test_the_run_tells_which_one_it_is() -> None:
    run, found = read(WHOLE)
    assert run.facts["run"] == "20261103-020000-7f3a"
    assert run.facts["engagement"] == "weekly-perimeter"
    assert (run.truncated, run.error, run.oddities) == (False, "", 0)
    assert run.verdicts_read == len(found) == len(documents.small().findings)


def test_what_was_asked_comes_back_without_what_was_given_up() -> None:
    document = documents.small()
    run, _ = read(WHOLE)
    assert run.asked == rectangles(document.tasks, document.holes)
    assert run.asked


def test_a_file_that_is_cut_off_anywhere_gives_the_hosts_that_were_whole_and_no_coverage() -> None:
    data, everything = WHOLE.encode(), read(WHOLE)[1]
    for length in range(1, len(data) - len("\n"), 97):
        run, found = read(data[:length])
        assert run.truncated
        assert run.error
        assert run.asked == ()
        assert found == everything[: len(found)]
        hosts = data[:length].count(b"</host>")
        addresses = list(dict.fromkeys(verdict.endpoint.address for verdict in found))
        # One host has no verdict: it only refused.
        assert len(addresses) in (hosts, hosts - 1)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_of_nmap_is_not_taken_for_ours(name: str) -> None:
    with pytest.raises(ParseError, match="portproof did not write this file"):
        read(contents(name))


def test_a_file_of_a_later_portproof_is_refused() -> None:
    with pytest.raises(ParseError, match="a later portproof wrote this file"):
        read(WHOLE.replace('<elem key="format">1</elem>', '<elem key="format">2</elem>'))


def test_a_file_without_its_run_is_refused() -> None:
    with pytest.raises(ParseError, match="portproof-run is missing"):
        read(re.sub("<prescript>.*</prescript>", "", WHOLE))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('key="confidence">0.6<', 'key="confidence">1.6<'),
        ('key="confidence">0.6<', 'key="confidence">nan<'),
        ('key="verdict">likely<', 'key="verdict">probable<'),
        ('key="observations">1,2,3<', 'key="observations">1,two<'),
        ('{"name":"ms-wbt-server",', '{"name":7,'),
        ('{"name":"ms-wbt-server",', "["),
        ('portid="3389"', 'portid="338900"'),
        ('<elem key="reason">one-method</elem>', ""),
    ],
)
def test_a_verdict_that_was_tampered_with_is_left_out_and_counted(before: str, after: str) -> None:
    assert before in WHOLE
    run, found = read(WHOLE.replace(before, after, 1))
    assert run.oddities == 1
    assert run.oddity.startswith("line ")
    assert len(found) == len(documents.small().findings) - 1


def test_something_asked_that_makes_no_sense_is_left_out_and_counted() -> None:
    run, _ = read(WHOLE.replace('key="addresses">10.80.0.0-', 'key="addresses">10.80.0.', 1))
    assert run.oddities == 1
    assert len(run.asked) == len(read(WHOLE)[0].asked) - 1


def test_an_endless_element_is_refused() -> None:
    bomb = WHOLE.replace('key="reason">', f'key="reason">{"a" * (9 << 20)}', 1)
    with pytest.raises(ParseError, match="no scanner writes this: a script of more than"):
        read(bomb)


def test_an_entity_is_refused() -> None:
    bomb = WHOLE.replace("<!DOCTYPE nmaprun>", '<!DOCTYPE nmaprun [<!ENTITY a "b">]>')
    with pytest.raises(ParseError, match="document type with declarations"):
        read(bomb)
