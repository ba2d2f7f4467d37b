"""The page on confidences has the numbers that the code has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pipeline.decide.completeness import A_SAMPLE_ASSUMES, LEAST_OVERLAP, TWO_PASSES_ASSUME
from pipeline.decide.confidence import CEILING, SILENCE_BOUND, percent_text, posterior
from pipeline.decide.likelihoods import (
    CONTROLS,
    PRIOR,
    TABLE,
    TTL_NEARER,
    UNLIKE_CONTROLS,
    Heard,
    Hypothesis,
    Row,
)
from pipeline.model import Aftermath, Method, PortState
from tests.decide.making import PROBED, seen, shaken

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "confidence.md").read_text("utf-8") if (DOCS / "confidence.md").exists() else ""


def table_lines() -> Mapping[str, tuple[str, ...]]:
    """The rows of every table of likelihoods, as the page has to print them."""
    tables = {method.value: _rows(TABLE[method]) for method in Method}
    tables["controls"] = _rows(CONTROLS)
    tables["ttl"] = (_row("nearer", TTL_NEARER),)
    tables["unlike"] = (_row("acknowledges alone", UNLIKE_CONTROLS),)
    tables["prior"] = (_row("before any answer", PRIOR),)
    return tables


def _rows(rows: Mapping[Heard, Row]) -> tuple[str, ...]:
    return tuple(_row(f"`{heard}`", row) for heard, row in rows.items())


def _row(name: str, row: Row) -> str:
    numbers = " | ".join(f"{chance:g}" for chance in row.chances.values())
    return f"| {name} | {numbers} | {row.source} |"


def examples() -> Iterator[tuple[str, Mapping[Hypothesis, float], Hypothesis]]:
    swept = seen(Method.MASSCAN_SYN)
    scans = (swept, seen(Method.NMAP_SYN), seen(Method.NMAP_CONNECT))
    later = (Method.NMAP_SYN, Method.NMAP_CONNECT, Method.HANDSHAKE)
    service, nothing, pretender, unsteady = Hypothesis
    refused = [seen(method, PortState.CLOSED) for method in later]
    silent = [seen(method, PortState.FILTERED) for method in later]
    spoken = shaken(Aftermath.DATA)
    yield "masscan alone, open", posterior([swept]), service
    yield "three scans, open", posterior(scans), service
    yield (
        "three scans, and data after the handshake; control ports refuse",
        posterior([*scans, spoken], controls_refused=2),
        service,
    )
    yield (
        "three scans, and an acknowledged newline; control ports refuse",
        posterior([*scans, shaken(Aftermath.ACKNOWLEDGED)], controls_refused=2),
        service,
    )
    yield (
        "the same; control ports answer",
        posterior([*scans, shaken(Aftermath.ACKNOWLEDGED)], controls_open=2),
        pretender,
    )
    yield (
        "three scans, data and an identified service; control ports answer",
        posterior([*scans, spoken, seen(Method.NMAP_VERSION, service=PROBED)], controls_open=2),
        service,
    )
    yield (
        "three scans, and a reset after the handshake; control ports refuse",
        posterior([*scans, shaken(Aftermath.RESET)], controls_refused=2),
        pretender,
    )
    yield "masscan open, then refused three times", posterior([swept, *refused]), nothing
    yield "expected, and refused three times", posterior(refused), nothing
    yield "expected, and no answer three times", posterior(silent), nothing
    yield (
        "SYN scan open, and refused in the next round",
        posterior([scans[1], seen(Method.NMAP_SYN, PortState.CLOSED, round_=2)]),
        unsteady,
    )


@pytest.mark.parametrize("lines", table_lines().values(), ids=table_lines())
def test_the_page_has_every_number_and_its_source(lines: tuple[str, ...]) -> None:
    for line in lines:
        assert line in PAGE


def test_the_page_has_no_row_that_the_tables_do_not_have() -> None:
    known = {line for lines in table_lines().values() for line in lines}
    printed = re.findall(r"^\| [^|]+(?: \| [\d.e-]+){6} \| .+ \|$", PAGE, flags=re.MULTILINE)
    assert set(printed) == known


@pytest.mark.parametrize(("words", "found", "claimed"), list(examples()))
def test_the_examples_of_the_page_come_out_as_printed(
    words: str, found: Mapping[Hypothesis, float], claimed: Hypothesis
) -> None:
    assert f"| {words} | {claimed} | {percent_text(found[claimed])} |" in PAGE


def test_the_page_has_the_bounds() -> None:
    assert f"{CEILING}" in PAGE
    assert f"{SILENCE_BOUND:.2f}" in PAGE


def test_the_page_on_completeness_prints_every_assumption() -> None:
    page = " ".join((DOCS / "completeness.md").read_text("utf-8").split())
    for sentence in (*TWO_PASSES_ASSUME, *A_SAMPLE_ASSUMES):
        assert f"- {sentence}" in page
    assert f"fewer than {LEAST_OVERLAP}" in page
