"""The forms that are text: Markdown and CSV, read back by independent readers."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pipeline.model import RunState
from pipeline.render.csv import guarded, render_endpoints_csv, render_findings_csv
from pipeline.render.document import RunDocument
from pipeline.render.markdown import escaped, render_markdown
from pipeline.render.tables import CELL, tables
from pipeline.render.text import visible
from tests.render import documents
from tests.render.judged import ATTACKED, judged

TEXTS = (render_markdown, render_endpoints_csv, render_findings_csv)
RUNS: dict[str, Callable[[], RunDocument]] = {
    "small": lambda: judged(documents.small()),
    "empty": lambda: documents.EMPTY,
    "cut short": documents.cut_short,
    "tarpit": lambda: documents.tarpit(300),
    "hostile": lambda: judged(documents.hostile(), ATTACKED),
}
READER = MarkdownIt("commonmark", {"html": True}).enable("table")
WANTED = {
    *("heading", "paragraph", "inline", "bullet_list", "ordered_list", "list_item", "table"),
    *("thead", "tbody", "tr", "th", "td", "text", "strong", "softbreak"),
}


@pytest.fixture(scope="module", params=RUNS.values(), ids=tuple(RUNS))
def document(request: pytest.FixtureRequest) -> RunDocument:
    made: RunDocument = request.param()
    return made


def tokens(text: str) -> Iterator[Token]:
    for token in READER.parse(text):
        yield token
        yield from token.children or ()


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("render", TEXTS)
def test_the_same_run_gives_the_same_text_and_nothing_invisible(
    document: RunDocument, render: Callable[[RunDocument], str]
) -> None:
    told = render(document)
    assert told == render(document)
    assert told.replace("\r\n", "\n") == visible(told.replace("\r\n", "\n"), newlines=True)


def test_markdown_is_made_of_nothing_but_what_we_put_there(document: RunDocument) -> None:
    kinds = {
        token.type.removesuffix("_open").removesuffix("_close")
        for token in tokens(render_markdown(document))
    }
    assert kinds <= WANTED


@given(st.text(st.characters(exclude_categories=["C", "Z", "M"]) | st.just(" "), min_size=1))
@settings(max_examples=150, deadline=None)
def test_a_text_in_markdown_is_read_as_it_is(text: str) -> None:
    shown = visible(text.strip())
    read = READER.renderInline(f"x {escaped(shown)}")
    assert unescape(read).rstrip() == f"x {shown}".rstrip()


def test_markdown_without_escaping_would_be_seen() -> None:
    for attack in documents.HOSTILE[:2]:
        assert "html_inline" in {t.type for t in tokens(f"x {attack}")}
        assert "html_inline" not in {t.type for t in tokens(f"x {escaped(attack)}")}


@pytest.mark.parametrize("text", ["www.evil.test", "https://evil.test", "a@evil.test"])
def test_what_github_would_make_a_link_of_is_broken_up(text: str) -> None:
    assert text not in escaped(text)
    assert escaped("10.80.1.7:443/tcp") == "10.80.1.7:443/tcp"


def test_no_cell_is_taken_for_a_formula(document: RunDocument) -> None:
    for render in (render_endpoints_csv, render_findings_csv):
        for row in rows(render(document)):
            for cell in row.values():
                assert not cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-1+1", "@SUM(1)", "\t=1", " =1", "\uff1d1"]
)
def test_a_guarded_cell_can_still_be_read(text: str) -> None:
    assert guarded(text) == f"'{text}"
    assert guarded("ssh = yes") == "ssh = yes"
    assert guarded(-1.5) == -1.5


def test_every_endpoint_has_a_line_in_numeric_order(document: RunDocument) -> None:
    ordered = sorted(finding.verdict.endpoint for finding in document.findings)
    found = rows(render_endpoints_csv(document))
    assert [(row["address"], row["protocol"], int(row["port"])) for row in found] == [
        (str(e.address), e.protocol, e.port) for e in ordered
    ]


def test_the_findings_begin_with_the_severest_and_gather_artefacts() -> None:
    found = rows(render_findings_csv(judged(documents.small())))
    severities = [row["severity"] for row in found if row["severity"]]
    assert severities == ["high", "high", "low", "low", "low", "info"]
    assert not any(row["severity"] for row in found[len(severities) :])
    (crowd,) = [row for row in found if row["endpoints"] == "30"]
    assert (crowd["where"], crowd["ports"]) == ("10.80.3.40", "100-129/tcp")


def test_twenty_thousand_artefacts_are_one_finding_and_twenty_thousand_endpoints() -> None:
    run = documents.tarpit()
    assert len(rows(render_findings_csv(run))) == 2
    assert len(rows(render_endpoints_csv(run))) == 20_001
    assert len(render_markdown(run)) < 6_000


def test_a_cell_bears_64_kilobytes_of_noise() -> None:
    for table in tables(judged(documents.hostile(), ATTACKED)):
        texts = [cell for row in table.rows for cell in row if isinstance(cell, str)]
        assert max(map(len, texts)) <= CELL + 40
        assert any("more" in text or "(+" in text for text in texts) or table.name == "changes"


def test_a_run_that_was_cut_short_says_so_first() -> None:
    told = render_markdown(documents.cut_short())
    assert told.index("This run was cut short") < told.index("confirmed open")
    running = replace(documents.cut_short(), state=RunState.RUNNING)
    assert "This run had not ended" in render_markdown(running)


def test_an_empty_run_says_that_nothing_was_open() -> None:
    told = render_markdown(documents.EMPTY)
    assert "No open port was found among those that were asked." in told
    assert "No endpoint has a verdict." in told
    assert rows(render_findings_csv(documents.EMPTY)) == []
