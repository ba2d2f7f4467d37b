"""Vulnerability scans of others beside a run: filed, told, and told again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Portproof
from tests.cli.ground import Service, ask, engage, the_run
from tests.cli.past import file_run, found, past

SCANS = Path(__file__).parents[2] / "fixtures" / "scans"
HOSTILE = "Old \u202ebanner\x1b[31m &lt;script&gt;alert(1)&lt;/script&gt;"


@pytest.fixture
def confirmed(finished: Path) -> tuple[str, int]:
    ((packed, port),) = ask(finished, "SELECT address, port FROM verdicts")
    return ".".join(map(str, packed)), port


def as_of(host: tuple[str, int], name: str, folder: Path) -> Path:
    """A scan of the fixtures, of the host that the run found, with its open port for 22."""
    text = (SCANS / name).read_text().replace("192.0.2.10", host[0])
    for before, after in (('port="22"', f'port="{host[1]}"'), ("22/tcp", f"{host[1]}/tcp")):
        text = text.replace(before, after)
    path = folder / name
    path.write_text(text.replace("OpenSSH &lt; 9.3p2 Vulnerability", HOSTILE.replace("\x1b", "?")))
    return path


def test_two_scanners_that_know_the_same_are_told_once_and_survive_their_files(
    portproof: Portproof, finished: Path, confirmed: tuple[str, int], tmp_path: Path
) -> None:
    here = ("--workspace", finished)
    files = [as_of(confirmed, name, tmp_path) for name in ("shop.nessus", "shop-openvas.xml")]
    ran = portproof("correlate", "last", *files, *here)
    assert ran.code == 0
    assert "shop.nessus (Nessus, ended 2026-11-20 04:12 UTC): 3 findings; 1 about hosts" in ran.out
    assert "1 endpoint with known vulnerabilities" in ran.out
    for file in files:
        file.unlink()
    assert portproof("report", *here).code == 0
    report = json.loads((the_run(finished) / "report.json").read_text())
    (endpoint,) = report["endpoints"]
    (line,) = endpoint["known"]
    assert (line["cves"], line["cvss"]) == (["CVE-2023-38408"], 9.8)
    assert line["scanners"] == ["Nessus", "OpenVAS"]
    assert line["first_seen"] == "2026-11-20T04:12:00.000Z"
    assert len(report["vulnerabilities"]["files"]) == 2
    page = (the_run(finished) / "report.html").read_text()
    assert "CVE-2023-38408" in page
    assert "\u202e" not in page
    assert "<script>alert(1)" not in page
    shown = portproof("show", "last", f"{confirmed[0]}:{confirmed[1]}", *here).out
    assert "known: critical, CVSS 9.8" in shown
    assert "\u202e" not in shown
    assert portproof("audit", "verify", "last", *here).code == 0


def test_the_same_file_again_takes_the_place_of_itself(
    portproof: Portproof, finished: Path, confirmed: tuple[str, int], tmp_path: Path
) -> None:
    file = as_of(confirmed, "shop-nuclei.jsonl", tmp_path)
    for _ in range(2):
        said = portproof("correlate", "last", file, "--workspace", finished, "--format", "json")
    (filed,) = said.json["files"]
    assert (filed["scanner"], filed["findings"], filed["by_unknown_name"]) == ("Nuclei", 1, 1)
    assert said.json["blind_spots"] == said.json["hosts_not_covered"] == []


def test_what_is_no_scan_is_refused_and_nothing_of_it_is_filed(
    portproof: Portproof, finished: Path, tmp_path: Path
) -> None:
    path = tmp_path / "scan.xml"
    path.write_text('<!DOCTYPE report [<!ENTITY a "b">]><report>&a;</report>')
    said = portproof("correlate", "last", path, "--workspace", finished)
    assert said.code == 2
    assert "no scanner writes this" in said.err
    assert ask(finished, "SELECT * FROM scans") == []
    assert portproof("correlate", "last", tmp_path / "none", "--workspace", finished).code == 2


def test_what_the_engagement_names_is_put_beside_each_run_and_costs_none(
    portproof: Portproof, service: Service, tmp_path: Path
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    path.write_text(f'{path.read_text()}\nvulnerabilities: ["scans/**/*", none/*.nessus]\n')
    (path.parent / "scans" / "deep").mkdir(parents=True)
    as_of((service.address, service.port), "shop.nessus", path.parent / "scans" / "deep")
    (path.parent / "scans" / "notes.txt").write_text("call Jane")
    checked = portproof("check", path).out
    assert "scans       scans/**/*: 2 files now" in checked
    assert "scans       none/*.nessus: 0 files now" in checked
    ran = portproof("run", path)
    assert ran.code in (0, 1), ran.err
    assert "shop.nessus of Nessus: 3 findings about this run" in ran.err
    report = json.loads((the_run(path.parent) / "report.json").read_text())
    assert [file["name"] for file in report["vulnerabilities"]["files"]] == ["shop.nessus"]
    assert report["endpoints"][0]["known"]
    told = [event["text"] for event in report["events"] if event["kind"] == "scans"]
    assert "no file matches none/*.nessus" in told
    assert any(text.startswith("notes.txt is left out: ") for text in told)
    assert portproof("audit", "verify", "last", "--workspace", path.parent).code == 0


def test_a_workspace_that_a_run_is_using_is_left_to_it(
    portproof: Portproof, other_run: Path, tmp_path: Path
) -> None:
    with past(other_run) as store:
        file_run(store, "one", [found("192.0.2.7:443")])
    said = portproof("correlate", "last", SCANS / "shop.nessus", "--workspace", other_run)
    assert said.code == 3
    assert "another run is using this workspace" in said.err
