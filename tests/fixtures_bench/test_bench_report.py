"""The benchmark of the report: its run, its plain table, what it says of its targets, its page."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures import bench_report
from fixtures.bench_report import HEAD, Result, Row, targets, told
from fixtures.benchmark.report.making import PORTS, RUN, file_run, plain_page
from fixtures.benchmark.tables import BEGIN, END
from fixtures.demo import ROOT
from pipeline.assembly import assemble
from pipeline.model import VerdictKind
from pipeline.render.document import RunDocument
from pipeline.store.runs import Store
from pipeline.workspace import Workspace

GOOD = Row(
    what="report",
    size=3 << 20,
    assembling=9.0,
    rendering=4.0,
    peak=380e6,
    opening=0.8,
    filters=(0.02, 0.01, 0.04),
)


@pytest.fixture(scope="module")
def filed(tmp_path_factory: pytest.TempPathFactory) -> RunDocument:
    folder = tmp_path_factory.mktemp("bench")
    file_run(folder, 12, seed=1)
    with Store(Workspace(folder).database) as store:
        return assemble(store, store.run(RUN))


def test_the_run_has_every_endpoint_with_its_evidence(filed: RunDocument) -> None:
    assert len(filed.findings) == 12 * len(PORTS)
    kinds = [found.verdict.kind for found in filed.findings]
    assert kinds.count(VerdictKind.CONFIRMED) > 40
    assert {len(found.observations) for found in filed.findings} == {3, 5}
    assert any(found.risks for found in filed.findings)


def test_the_plain_table_has_the_same_rows(filed: RunDocument) -> None:
    page = plain_page(filed)
    assert page.count("<tr>") == 1 + 12 * len(PORTS)
    assert "<td>10.0.0.11</td>" in page
    assert page.count("<th>") == page.count("<td>") / (12 * len(PORTS))


def test_a_target_that_is_missed_is_told_as_plainly_as_one_that_is_reached() -> None:
    assert all(target.reached for target in targets(GOOD))
    bad = replace(GOOD, size=7 << 20, opening=1.2, filters=(0.06,), rendering=21.0, peak=5e8)
    assert not any(target.reached for target in targets(bad))
    text = told(Result(conditions=(("date", "today"),), rows=(bad, GOOD)), markdown=True)
    assert text.count("| NO |") == 5
    assert "| worst filter, ms | ≤ 50 | 60.00 | NO |" in text


def test_a_filter_is_told_by_its_middle_and_its_worst() -> None:
    line = next(
        line
        for line in told(Result(conditions=(), rows=(GOOD,)), markdown=False).split("\n")
        if line.startswith("report")
    )
    assert line.split()[-2:] == ["20", "40"]


def test_the_page_shows_what_the_generator_tells_and_every_option() -> None:
    page = bench_report.PAGE.read_text(encoding="utf-8")
    figures = page.partition(BEGIN)[2].partition(END)[0]
    head = next(line for line in figures.splitlines() if line.startswith("|"))
    assert tuple(cell.strip() for cell in head.strip("|").split("|")) == HEAD
    explained = re.findall(r"^\| `(--[a-z-]+)", page, flags=re.MULTILINE)
    known = {o for action in bench_report.parser()._actions for o in action.option_strings}
    assert sorted(explained) == sorted(known - {"-h", "--help"})
    assert Path(bench_report.PAGE).name in (ROOT / "README.md").read_text()
