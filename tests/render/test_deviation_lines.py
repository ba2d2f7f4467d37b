"""Deviations from the list of expected ports, for people: in lines, and in the report."""

from __future__ import annotations

from dataclasses import replace

from pipeline.model import ChangeKind
from pipeline.render.deviations import DEVIATIONS, deviation_lines
from pipeline.render.document import Deviations, RunDocument
from pipeline.render.html import render_html
from tests.render import documents


def deviating(*kinds: ChangeKind, file: str = "expected.yml") -> RunDocument:
    """A run that deviates in these ways, on port 1, 2, 3 and so on."""
    changes = []
    for port, kind in enumerate(kinds, 1):
        verdict = documents.likely(f"10.80.1.9:{port}").verdict
        changes.append(documents.changed(kind, None, verdict, "one-method"))
    found = Deviations(file=file, sha256="ab" * 32, changes=tuple(changes))
    return replace(documents.small(), deviations=found)


def test_a_run_without_deviations_needs_no_line() -> None:
    assert [*deviation_lines(documents.small())] == []
    assert [*deviation_lines(deviating())] == []


def test_deviations_are_counted_and_told_with_the_most_pressing_first() -> None:
    document = deviating(ChangeKind.NOT_COVERED, ChangeKind.CLOSED, ChangeKind.OPENED)
    assert [*deviation_lines(document)] == [
        "expected.yml: 1 opened, 1 closed, 1 not-covered",
        "10.80.1.9:3/tcp opened: open, and not expected",
        "10.80.1.9:2/tcp closed: expected; refused",
        "10.80.1.9:1/tcp not-covered: expected; this run did not ask: nobody knows",
    ]


def test_only_twenty_deviations_are_told_one_by_one() -> None:
    lines = [*deviation_lines(deviating(*[ChangeKind.OPENED] * 25))]
    assert lines[0] == "expected.yml: 25 opened"
    assert len(lines) == 22
    assert lines[-1] == "and 5 more in the report"


def test_the_report_has_a_section_on_expected_ports_only_where_there_is_a_list() -> None:
    assert 'id="expected"' not in render_html(documents.small())
    page = render_html(deviating(*DEVIATIONS))
    assert '<a href="#expected">' in page
    for meaning in DEVIATIONS.values():
        assert f"<td>{meaning}</td>" in page
    assert "Everything is as expected." in render_html(deviating())


def test_the_name_of_a_list_is_harmless_in_the_report_and_on_a_terminal() -> None:
    document = deviating(ChangeKind.OPENED, file="<script>\x1b[2J.yml")
    assert "<script>\x1b" not in render_html(document)
    assert "&lt;script&gt;\\x1b[2J.yml" in render_html(document)
    assert next(iter(deviation_lines(document))) == "<script>\\x1b[2J.yml: 1 opened"
