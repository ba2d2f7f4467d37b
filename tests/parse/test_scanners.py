"""Files of vulnerability scanners: what is read, what is left out, and what is refused."""

from __future__ import annotations

import tracemalloc
from io import BytesIO
from pathlib import Path

import pytest

from fixtures.bench_vulnerabilities import MAKERS
from pipeline.decide.risk_rules import Severity
from pipeline.decide.vulnerabilities import Scanner
from pipeline.parse import ParseError
from pipeline.parse.scanners import Found, ScanRead, Sink, Spot, moment
from pipeline.parse.scanners.nessus import read_nessus
from pipeline.parse.scanners.nuclei import read_nuclei
from pipeline.parse.scanners.reading import read_scan

SCANS = Path(__file__).parents[2] / "fixtures" / "scans"


def read(path: Path) -> tuple[ScanRead, list[Found], list[Spot]]:
    found: list[Found] = []
    spots: list[Spot] = []
    return read_scan(path, Sink(found=found.append, assessed=spots.append)), found, spots


def told(found: list[Found]) -> list[tuple[str, int, str, str, float | None, tuple[str, ...]]]:
    return [
        (str(f.spot.address or f.spot.host), f.spot.port, f.ident, f.severity, f.cvss, f.cves)
        for f in found
    ]


def test_nessus_is_read_with_scores_and_dates_and_severity_0_is_no_finding() -> None:
    scan, found, spots = read(SCANS / "shop.nessus")
    assert (scan.scanner, scan.problem) == (Scanner.NESSUS, "")
    assert told(found) == [
        ("192.0.2.10", 22, "178910", "critical", 9.8, ("CVE-2023-38408",)),
        ("192.0.2.10", 443, "51192", "medium", 6.5, ()),
        ("192.0.2.10", 3389, "125313", "critical", 9.8, ("CVE-2019-0708",)),
        ("203.0.113.5", 80, "1", "high", None, ()),
    ]
    assert found[0].seen == moment("2026-11-20T04:12:00Z") == scan.ended
    assert found[0].published == moment("2023-07-19")
    assert {spot.port for spot in spots if str(spot.address) == "192.0.2.10"} == {0, 22, 443, 3389}


def test_openvas_is_read_wrapped_or_not(tmp_path: Path) -> None:
    scan, found, spots = read(SCANS / "shop-openvas.xml")
    assert (scan.scanner, scan.problem) == (Scanner.OPENVAS, "")
    assert told(found) == [
        ("192.0.2.10", 22, "1.3.6.1.4.1.25623.1.0.1", "critical", 9.8, ("CVE-2023-38408",)),
        ("192.0.2.10", 0, "1.3.6.1.4.1.25623.1.0.2", "medium", 5.3, ()),
    ]
    assert {(str(s.address), s.port) for s in spots} == {
        *(("192.0.2.10", port) for port in (0, 22, 8443)),
        ("192.0.2.11", 0),
    }
    whole = (SCANS / "shop-openvas.xml").read_text()
    inner = whole[whole.index("<report id") : whole.rindex("</get_reports")]
    plain = inner.replace('<report id="a"><report id="a">', '<report id="a">').replace(
        "</report></report>", "</report>"
    )
    for text in (inner, plain):
        path = tmp_path / "report.xml"
        path.write_text(text)
        assert read(path)[1:] == (found, spots)


def test_nuclei_is_read_by_line_and_as_a_list_and_what_did_not_match_is_left_out(
    tmp_path: Path,
) -> None:
    scan, found, spots = read(SCANS / "shop-nuclei.jsonl")
    assert (scan.scanner, scan.oddities) == (Scanner.NUCLEI, 0)
    assert told(found) == [
        ("192.0.2.10", 8443, "CVE-2021-41773", "high", 7.5, ("CVE-2021-41773",)),
        ("shop.example.com", 443, "default-login", "critical", None, ()),
    ]
    assert [(s.host, s.port) for s in spots][1:] == [("shop.example.com", 443)] * 2
    lines = (SCANS / "shop-nuclei.jsonl").read_text().splitlines()
    (tmp_path / "list.json").write_text(f"[{','.join(lines)}]")
    assert read(tmp_path / "list.json")[1] == found


def test_vulners_is_read_out_of_nmaps_xml_and_exploits_without_a_cve_are_not() -> None:
    scan, found, spots = read(SCANS / "shop-vulners.xml")
    assert (scan.scanner, scan.version, scan.problem) == (Scanner.VULNERS, "7.93", "")
    assert told(found) == [
        ("192.0.2.10", 22, "CVE-2023-38408", "critical", 9.8, ("CVE-2023-38408",)),
        ("192.0.2.10", 22, "CVE-2023-51767", "high", 7.0, ("CVE-2023-51767",)),
    ]
    assert {spot.port for spot in spots} == {0, 22, 443}


@pytest.mark.parametrize("name", ["shop.nessus", "shop-openvas.xml", "shop-vulners.xml"])
def test_a_file_that_is_cut_off_gives_what_was_complete_and_says_so(
    name: str, tmp_path: Path
) -> None:
    whole = (SCANS / name).read_bytes()
    everything = told(read(SCANS / name)[1])
    for share in (0.5, 0.75, 0.95):
        (tmp_path / name).write_bytes(whole[: int(len(whole) * share)])
        scan, found, _ = read(tmp_path / name)
        assert scan.problem
        assert told(found) == everything[: len(found)]


@pytest.mark.parametrize("root", ["NessusClientData_v2", "report", "get_reports_response"])
def test_a_document_with_entities_is_refused(root: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.xml"
    path.write_text(f'<!DOCTYPE {root} [<!ENTITY a "b">]><{root}>&a;</{root}>')
    with pytest.raises(ParseError, match="no scanner writes this"):
        read(path)


@pytest.mark.parametrize(
    "text", ["", "hello", "<html></html>", '{"template-id": 1}\n', '{"ip": "192.0.2.1"}\n', "[]"]
)
def test_what_is_no_scanners_file_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(ParseError):
        read(path)


def test_values_that_make_no_sense_are_left_out() -> None:
    found: list[Found] = []
    sink = Sink(found=found.append, assessed=lambda _: None)
    item = '<ReportItem port="{}" protocol="{}" severity="4" pluginID="1">{}</ReportItem>'
    items = [
        item.format("99999", "tcp", ""),
        item.format("-1", "tcp", ""),
        item.format("80", "icmp", ""),
        item.format("80", "tcp", "<cve>CVE-1</cve><cve>CVE-2020-12345</cve><cve>x</cve>"),
        item.format("80", "tcp", "<cvss3_base_score>NaN</cvss3_base_score>"),
    ]
    host = f'<ReportHost name="192.0.2.1">{"".join(items)}</ReportHost>'
    text = f"<NessusClientData_v2><Report>{host}</Report></NessusClientData_v2>"
    scan = read_nessus(BytesIO(text.encode()), sink)
    assert scan.oddities == 1
    assert [(f.spot.port, f.cvss, f.cves) for f in found] == [
        (0, None, ()),
        (0, None, ()),
        (80, None, ("CVE-2020-12345",)),
        (80, None, ()),
    ]
    record = '{"template-id":"a","info":{"severity":"high"},"host":"192.0.2.1:1e9"}\n'
    sound = '{"template-id":"a","info":{"severity":"high"},"host":"192.0.2.1"}\n'
    nonsense = "not json\n" + record + '{"template-id":"a","info":[],"host":"x"}\n' + sound
    scan = read_nuclei(BytesIO(nonsense.encode()), sink)
    assert (scan.oddities, found[-1].spot.port) == (3, 0)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    for megabytes in (2, 3):
        path = tmp_path / "scan"
        MAKERS["Nessus"](path, megabytes)
        count = 0

        def counted(_: Found) -> None:
            nonlocal count
            count += 1

        tracemalloc.start()
        read_scan(path, Sink(found=counted, assessed=lambda _: None))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count > 1000
    assert peaks[1] < peaks[0] + 500_000


def test_severities_are_ours() -> None:
    assert {f.severity for f in read(SCANS / "shop.nessus")[1]} <= set(Severity)
