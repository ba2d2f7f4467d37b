"""The benchmark of XML: its files, its contestants, what it says of its targets, its page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures import bench_xml
from fixtures.bench_xml import COMMAND, FLOOR, OURS, READERS, Result, Row
from fixtures.benchmark.tables import BEGIN, END
from fixtures.benchmark.xml import contestants
from fixtures.benchmark.xml.making import LISTED, Made
from fixtures.benchmark.xml.measuring import Measured, measure, python

ONE = Made(hosts=120)


def made(folder: Path, what: Made, name: str = "file.xml") -> Path:
    path = folder / name
    what.write(path)
    return path


def test_the_same_seed_makes_the_same_file_and_another_seed_another(tmp_path: Path) -> None:
    texts = [made(tmp_path, what).read_bytes() for what in (ONE, ONE, replace(ONE, seed=2))]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("name", list(contestants.READERS))
@pytest.mark.parametrize("unlike", [False, True])
def test_every_reader_finds_all_that_is_in_a_file(name: str, unlike: bool, tmp_path: Path) -> None:
    path = made(tmp_path, replace(ONE, unlike=unlike))
    assert contestants.READERS[name](path) == (120, 120 * LISTED)


@pytest.mark.parametrize("name", list(contestants.DIFFERS))
def test_everybody_who_compares_finds_the_share_that_was_changed(name: str, tmp_path: Path) -> None:
    changed = replace(ONE, changed=0.05)
    before, after = made(tmp_path, ONE, "a.xml"), made(tmp_path, changed, "b.xml")
    hosts, ports = contestants.DIFFERS[name](before, after)
    assert 30 <= ports <= 90
    assert hosts <= ports
    assert (hosts, ports) == contestants.DIFFERS[OURS](before, after)


def test_a_contestant_is_measured_in_a_process_of_its_own(tmp_path: Path) -> None:
    measured = measure(python(OURS, made(tmp_path, ONE)), cores=1)
    assert measured.found == (120, 120 * LISTED)
    assert 0 < measured.cpu < 30
    assert 10 < measured.peak < 64


def test_a_contestant_that_fails_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 1"):
        measure(python(OURS, tmp_path / "missing.xml"), cores=1)


def rows(ours: float, ndiff: float) -> list[Row]:
    seconds = {FLOOR: 1.0, "libnmap": 40.0, "python-nmap": 12.0}
    read = [(name, seconds.get(name, ours)) for name in READERS]
    compared = [(OURS, 5.0), (COMMAND, 6.0), ("ndiff", ndiff), ("libnmap", 90.0)]
    return [
        Row(
            what=what,
            hosts=1000,
            contestant=name,
            measured=Measured(seconds=cpu, cpu=cpu, peak=30.0, found=None),
            rows=10_000,
            ratio=cpu,
        )
        for what, each in (("read", read), ("compare", compared))
        for name, cpu in each
    ]


def test_a_target_that_is_not_reached_is_told_as_plainly_as_one_that_is() -> None:
    good, bad = bench_xml.targets(rows(2.0, 30.0)), bench_xml.targets(rows(6.0, 20.0))
    assert all(target.reached for target in good)
    missed = [target.what for target in bad if not target.reached]
    assert missed == [
        "reading, times as fast as libnmap",
        "reading on one core, times as long as xmllint",
        "reading on two cores, times as long as xmllint",
        "finding what differs, times as fast as ndiff",
        "all of `portproof diff`, times as fast as ndiff",
    ]
    result = Result(conditions=(), rows=tuple(rows(6.0, 20.0)), targets=bad)
    assert bench_xml.markdown(result).count("**no**") == 5
    assert bench_xml.plain(result).count("NO\n") == 5


def test_the_page_shows_what_the_generator_tells() -> None:
    page = bench_xml.PAGE.read_text()
    figures = page.partition(BEGIN)[2].partition(END)[0]
    lines = [line.strip("|").split("|") for line in figures.splitlines() if line.startswith("|")]
    table = [tuple(cell.strip() for cell in line) for line in lines]
    assert table[0] == bench_xml.HEAD
    shown = [line[2] for line in table if line[0] == "read"]
    assert shown == list(READERS) * len(bench_xml.SIZES)
    assert [line[2] for line in table if line[0] == "compare"] == list(bench_xml.DIFFERS)
    for name in ("date", "tools", "machine", "files", "compared", "readers"):
        assert f"- {name}: " in figures
