"""A stored run, written for other programs."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest
from lxml import etree

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


@pytest.mark.parametrize("name", ["html", "json", "nmap-xml", "nmap-xml-plain"])
def test_every_format_can_be_exported(portproof: Portproof, finished: Path, name: str) -> None:
    said = portproof("export", "last", "--format", name, "--workspace", finished)
    assert said.code == 0
    assert the_run(finished).name in said.out or name == "nmap-xml-plain"
    if name == "json":
        assert said.json == json.loads((the_run(finished) / "report.json").read_text())


def test_a_format_that_nobody_knows_is_refused_with_those_that_there_are(
    portproof: Portproof, finished: Path
) -> None:
    said = portproof("export", "last", "--format", "nmap", "--workspace", finished)
    assert said.code == 2
    assert "--format: 'nmap' is no format" in said.err
    assert "nmap-xml" in said.err
