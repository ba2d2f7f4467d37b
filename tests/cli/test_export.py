"""A stored run, written for other programs."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest
from lxml import etree

from pipeline.cli.forms import known_forms
from pipeline.model import Verdict
from pipeline.parse.own_xml import read_own_xml
from tests.cli.conftest import Portproof
from tests.cli.ground import the_run


def test_a_run_is_exported_to_stdout_as_nmap_xml(portproof: Portproof, finished: Path) -> None:
    said = portproof("export", "last", "--workspace", finished)
    assert (said.code, said.err) == (0, "")
    found: list[Verdict] = []
    run = read_own_xml(io.BytesIO(said.out.encode()), found.append)
    assert run.facts["run"] == the_run(finished).name
    assert [verdict.kind for verdict in found] == ["confirmed"]
    assert len(run.asked) > 1
    assert etree.DTD("/usr/share/nmap/nmap.dtd").validate(etree.fromstring(said.out.encode()))


def test_a_run_is_exported_into_a_file(portproof: Portproof, finished: Path) -> None:
    file = finished / "run.xml"
    said = portproof("export", "--workspace", finished, "--output", file)
    assert (said.code, said.out) == (0, f"{file}\n")
    assert file.read_text() == portproof("export", "--workspace", finished).out
    assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0


BINARY = ("docx", "docx-template", "pdf", "xlsx")


@pytest.mark.parametrize("name", sorted(set(known_forms()) - {*BINARY}))
def test_every_format_can_be_exported(portproof: Portproof, finished: Path, name: str) -> None:
    said = portproof("export", "last", "--format", name, "--workspace", finished)
    assert said.code == 0
    named = name in ("nmap-xml-plain", "csv", "csv-findings", "defectdojo")
    assert the_run(finished).name in said.out or named
    if name == "json":
        assert said.json == json.loads((the_run(finished) / "report.json").read_text())


def test_a_format_that_nobody_knows_is_refused_with_those_that_there_are(
    portproof: Portproof, finished: Path
) -> None:
    said = portproof("export", "last", "--format", "nmap", "--workspace", finished)
    assert said.code == 2
    assert "--format: 'nmap' is no format" in said.err
    assert "nmap-xml" in said.err


def test_a_report_is_written_in_several_formats_into_a_folder(
    portproof: Portproof, finished: Path
) -> None:
    place = finished / "for-the-client"
    said = portproof(
        *("report", "last", "--workspace", finished),
        *("--format", "html,markdown,csv,csv-findings", "--output", place),
    )
    assert said.code == 0
    names = ["report.html", "report.md", "endpoints.csv", "findings.csv"]
    assert said.out.splitlines() == [str(place / name) for name in names]
    assert all((place / name).stat().st_size for name in names)


def test_one_format_is_written_into_the_file_that_is_named(
    portproof: Portproof, finished: Path
) -> None:
    file = finished / "mine.md"
    said = portproof("report", "--workspace", finished, "--format", "markdown", "--output", file)
    assert (said.code, said.out) == (0, f"{file}\n")
    assert (
        file.read_text() == portproof("export", "--workspace", finished, "--format", "markdown").out
    )


def test_without_a_place_the_formats_go_beside_what_the_engagement_wants(
    portproof: Portproof, finished: Path
) -> None:
    said = portproof("report", "--workspace", finished, "--format", "csv")
    names = [Path(line).name for line in said.out.splitlines()]
    assert names == ["endpoints.csv", "report.html", "report.json", "manifest.json"]


def test_a_format_of_a_report_that_nobody_knows_is_refused_before_anything_is_done(
    portproof: Portproof, finished: Path
) -> None:
    before = (the_run(finished) / "report.html").stat().st_mtime_ns
    said = portproof("report", "--workspace", finished, "--format", "html,markdwon")
    assert said.code == 2
    assert "--format: 'markdwon' is no format" in said.err
    assert (the_run(finished) / "report.html").stat().st_mtime_ns == before


def test_a_format_for_others_does_not_go_into_the_folder_of_a_run(
    portproof: Portproof, finished: Path
) -> None:
    common = ("report", "--workspace", finished, "--format", "nmap-xml-plain")
    assert portproof(*common).code == 2
    assert portproof(*common, "--output", finished / "plain.xml").code == 0


def test_several_formats_are_not_exported_at_once(portproof: Portproof, finished: Path) -> None:
    said = portproof("export", "--workspace", finished, "--format", "csv,json")
    assert said.code == 2
    assert "`portproof report` writes several" in said.err


def test_a_client_gets_paper_a_workbook_and_a_document(
    portproof: Portproof, finished: Path
) -> None:
    place = finished / "for-the-client"
    said = portproof(
        *("report", "--workspace", finished, "--format", "pdf,xlsx,docx", "--output", place)
    )
    assert said.code == 0
    begin = {path.suffix: path.read_bytes()[:4] for path in place.iterdir()}
    assert begin == {".pdf": b"%PDF", ".xlsx": b"PK\x03\x04", ".docx": b"PK\x03\x04"}


def test_the_template_that_is_exported_can_be_filled(portproof: Portproof, finished: Path) -> None:
    template, file = finished / "house.docx", finished / "mine.docx"
    common = ("export", "last", "--workspace", finished, "--format")
    assert portproof(*common, "docx-template", "--output", template).code == 0
    said = portproof(*common, "docx", "--template", template, "--output", file)
    assert (said.code, said.out) == (0, f"{file}\n")
    template.write_bytes(b"not any more")
    said = portproof(*common, "docx", "--template", template, "--output", file)
    assert said.code == 2
    assert f"{template}: the template is no DOCX" in said.err


def test_a_template_without_a_document_to_fill_it_is_refused(
    portproof: Portproof, finished: Path
) -> None:
    said = portproof("report", "--workspace", finished, "--template", "house.docx")
    assert said.code == 2
    assert "add --format docx --output FILE" in said.err
