"""Runs of portproof come back as they were: verdicts, evidence, coverage."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from pipeline.decide.compare import compare
from pipeline.errors import UsageError
from pipeline.importing.occasion import Occasion, read_occasion
from pipeline.model import Endpoint, Observation, Verdict
from pipeline.parse import ParseError
from pipeline.parse.portproof_json import DocumentRun, read_document
from pipeline.render.document_json import render_json
from pipeline.render.nmap_xml import render_nmap_xml
from tests.render.documents import small

NOW = 1_900_000_000.0
DOCUMENT = small()


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.json"
    path.write_text(render_json(DOCUMENT))
    return path


def read(path: Path) -> Occasion:
    return read_occasion([path], now=NOW)


def same(ours: Verdict, theirs: Verdict) -> bool:
    return (ours.endpoint, ours.kind, ours.reason, round(ours.confidence, 4), ours.service) == (
        theirs.endpoint,
        theirs.kind,
        theirs.reason,
        theirs.confidence,
        theirs.service,
    )


def test_our_own_report_gives_back_the_same_verdicts(report: Path) -> None:
    found = read(report).verdicts
    wanted = {f.verdict.endpoint: f.verdict for f in DOCUMENT.findings}
    assert list(found) == sorted(wanted)
    assert all(same(wanted[endpoint], found[endpoint]) for endpoint in wanted)


def test_our_own_xml_gives_back_the_same_verdicts(tmp_path: Path, report: Path) -> None:
    path = tmp_path / "run.xml"
    path.write_text(render_nmap_xml(DOCUMENT))
    occasion = read(path)
    assert occasion.files[0].format == "portproof XML"
    wanted = {f.verdict.endpoint: f.verdict for f in DOCUMENT.findings}
    assert all(same(wanted[e], occasion.verdicts[e]) for e in wanted)
    assert compare(occasion.side(), read(report).side()) == ()


def test_the_evidence_behind_a_verdict_comes_along(report: Path) -> None:
    occasion = read(report)
    for finding in DOCUMENT.findings:
        heard = occasion.evidence.observations.get(finding.verdict.endpoint, ())
        asked = {(o.task, o.method, o.purpose, o.round) for o in finding.observations}
        assert len(heard) == len(asked)
        numbers = {observation.number for observation in heard}
        assert set(occasion.verdicts[finding.verdict.endpoint].observations) <= numbers


def test_its_coverage_comes_along_less_the_holes(report: Path) -> None:
    side = read(report).side()
    assert side.covers(Endpoint.parse("10.80.3.200:999"))
    assert not side.covers(Endpoint.parse("10.80.3.200:1001"))
    assert not side.covers(Endpoint.parse("10.99.0.1:80"))


def test_a_run_of_ours_is_read_alone(report: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.list"
    other.write_text("#masscan\n# end\n")
    with pytest.raises(UsageError, match="occasion of its own"):
        read_occasion([report, other], now=NOW)


def taken(content: bytes) -> tuple[DocumentRun, list[Verdict]]:
    found: list[Verdict] = []

    def take(verdict: Verdict, evidence: tuple[Observation, ...]) -> None:
        found.append(verdict)

    return read_document(io.BytesIO(content), take), found


def test_cut_off_at_any_byte_a_report_gives_every_endpoint_that_was_complete(report: Path) -> None:
    content = report.read_bytes()
    _, whole = taken(content)
    last = 0
    for place in range(1, len(content) - 2, 97):
        run, found = taken(content[:place])
        assert run.truncated
        assert found == whole[: len(found)]
        assert len(found) >= last
        last = len(found)


def test_a_report_that_was_laid_out_anew_says_the_same(report: Path) -> None:
    content = report.read_bytes()
    _, whole = taken(content)
    run, found = taken(json.dumps(json.loads(content), indent=2).encode())
    assert (found, run.truncated) == (whole, False)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("port", 0),
        ("port", 65536),
        ("port", True),
        ("port", "22"),
        ("address", "10.0.0.300"),
        ("address", None),
        ("protocol", "sctp"),
        ("verdict", "open"),
        ("confidence", "high"),
        ("evidence", [{}]),
        ("evidence", None),
        ("service_details", []),
        ("service_details", {"cpes": 7}),
    ],
)
def test_an_endpoint_that_makes_no_sense_is_left_out(report: Path, key: str, value: object) -> None:
    document = json.loads(report.read_bytes())
    document["endpoints"][0][key] = value
    run, found = taken(json.dumps(document).encode())
    assert len(found) == len(document["endpoints"]) - 1
    assert run.oddities == 1


def test_a_later_format_is_refused(report: Path) -> None:
    content = report.read_bytes().replace(b'"format":1', b'"format":2')
    with pytest.raises(ParseError, match="has format 2"):
        taken(content)


def test_half_of_a_surrogate_pair_can_be_stored(report: Path) -> None:
    document = json.loads(report.read_bytes())
    document["endpoints"][0]["evidence"][0]["banner"] = "\ud800"
    document["endpoints"][0]["reason"] = "\udfff"
    _, found = taken(json.dumps(document).encode())
    assert found[0].reason == "?"


def test_hostile_reports_are_refused() -> None:
    with pytest.raises(ParseError, match="inside one another"):
        taken(b'{"format":1,"run":{},"endpoints":' + b"[" * 100_000)
