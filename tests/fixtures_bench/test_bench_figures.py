"""The benchmark's arithmetic: what counts as found, wrong and named, and how it is told."""

from __future__ import annotations

import io
import shutil
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from fixtures import bench, captures
from fixtures.benchmark import contest
from fixtures.lab import Lab, Parameters, make
from fixtures.lab.plan import truth as truth_of

ROOT = Path(bench.__file__).resolve().parents[1]


def endpoint(address: str, port: int, **other: Any) -> dict[str, Any]:
    given = {"state": "open", "class": "serving", "service": "http", "tunnel": None, **other}
    return {"address": address, "port": port, **given}


TRUTH: dict[str, Any] = {
    "endpoints": [
        endpoint("10.0.0.1", 80),
        endpoint("10.0.0.1", 443, tunnel="ssl"),
        endpoint("10.0.0.1", 9, service=None, **{"class": "silent"}),
        endpoint("10.0.0.1", 25, state="filtered", service=None),
        endpoint("10.0.0.9", 80, **{"class": "excluded"}),
    ]
}

ROW = bench.Row(
    contestant="one",
    loss_percent=0.0,
    seconds=100.0,
    packets=2000,
    most_in_a_second=300,
    most_to_a_host_in_a_second=20,
    to_excluded=0,
    score=bench.Score(open=3, found=3, wrong=0, services=2, named=2),
)
OTHER = replace(ROW, contestant="other", seconds=250.0, packets=500, problem="other exited with 1")


def test_everything_open_in_the_scope_can_be_found_and_what_has_a_service_can_be_named() -> None:
    found = {("10.0.0.1", 80): "http", ("10.0.0.1", 443): "ssl/http", ("10.0.0.1", 9): ""}
    expected = bench.Score(open=3, found=3, wrong=0, services=2, named=2)
    assert bench.score(TRUTH, found) == expected
    assert bench.score(TRUTH, {}) == replace(expected, found=0, named=0)


def test_what_is_filtered_unknown_or_excluded_is_wrong_when_it_is_called_open() -> None:
    found = {("10.0.0.1", 25): "", ("10.0.0.1", 26): "", ("10.0.0.9", 80): "http"}
    assert bench.score(TRUTH, found) == bench.Score(open=3, found=0, wrong=3, services=2, named=0)


def test_a_service_without_its_tunnel_is_not_named_right() -> None:
    assert bench.score(TRUTH, {("10.0.0.1", 443): "http"}).named == 0


def test_a_name_that_only_belongs_to_the_number_of_the_port_does_not_count() -> None:
    def said(method: str) -> dict[str, Any]:
        service = {"name": "http", "tunnel": "", "method": method}
        entry = {"address": "10.0.0.1", "port": 80, "service_details": service}
        return {"endpoints": [{**entry, "verdict": "confirmed"}]}

    assert bench.open_in_run(said("probed")) == {("10.0.0.1", 80): "http"}
    assert bench.open_in_run(said("table")) == {("10.0.0.1", 80): ""}
    hosts = contest.open_in_nmap(io.BytesIO(captures.contents("nmap-syn.xml")))
    assert {name for found in hosts.values() for name in found.values()} == {""}


def test_only_verdicts_that_mean_open_count_for_portproof() -> None:
    kinds = ("confirmed", "likely", "transient", "artefact", "refuted", "unresolved", "unknown")
    entries = [
        {"address": "10.0.0.1", "port": port, "verdict": kind, "service_details": None}
        for port, kind in enumerate(kinds)
    ]
    assert bench.open_in_run({"endpoints": entries}) == {("10.0.0.1", 0): "", ("10.0.0.1", 1): ""}


def test_nmap_s_open_ports_come_with_recognised_services() -> None:
    found = contest.open_in_nmap(io.BytesIO(captures.contents("nmap-version.xml")))
    assert found == {
        "10.84.0.7": {
            ("10.84.0.7", 22): "ssh",
            ("10.84.0.7", 2121): "ftp",
            ("10.84.0.7", 8080): "http",
            ("10.84.0.7", 8443): "ssl/http",
        }
    }


def test_of_an_interrupted_nmap_the_finished_hosts_count() -> None:
    hosts = contest.open_in_nmap(io.BytesIO(captures.contents("nmap-sigkill.xml")))
    assert set(hosts) == {"10.84.0.7", "10.84.0.8"}


def test_masscan_s_open_ports_count_and_its_closed_ones_do_not() -> None:
    hosts = contest.open_in_masscan(io.BytesIO(captures.contents("masscan-hits.ndjson")))
    assert hosts["10.84.0.7"] == {("10.84.0.7", 22): "", ("10.84.0.7", 8080): ""}
    assert ("10.84.0.8", 80) not in hosts["10.84.0.8"]


def arena(folder: Path, *, seconds: float = 0.0) -> contest.Arena:
    return contest.Arena(
        lab=Lab(Parameters(name="nowhere"), folder),
        folder=folder,
        seconds=seconds,
        until=0.0,
        called_off=threading.Event(),
    )


def test_hosts_that_nmap_did_not_come_to_keep_what_masscan_said(tmp_path: Path) -> None:
    shutil.copy(captures.HERE / "masscan-hits.ndjson", tmp_path / "hits.ndjson")
    shutil.copy(captures.HERE / "nmap-version.xml", tmp_path / "10.84.0.7.xml")
    found = contest.read_script(arena(tmp_path))
    assert found["10.84.0.7", 8443] == "ssl/http"
    assert found["10.84.0.8", 8080] == ""


def test_what_was_never_written_was_never_found(tmp_path: Path) -> None:
    (tmp_path / "nmap.xml").touch()
    assert contest.read_nmap(arena(tmp_path)) == {}
    assert contest.read_script(arena(tmp_path)) == {}


def test_a_contestant_that_is_out_of_time_starts_nothing_more(tmp_path: Path) -> None:
    assert arena(tmp_path, seconds=7.0).call(("true",)) == "stopped at the deadline of 7 s"


def test_all_are_asked_about_ipv4_only() -> None:
    truth = truth_of(make(Parameters(name="plan")))
    narrowed = contest.shared(truth)
    assert narrowed["include"] == truth["include"]
    assert not narrowed["include6"]
    assert {"10.80.8.120/29"} == set(narrowed["exclude"]) < set(truth["exclude"])
    assert 0 < len(narrowed["endpoints"]) < len(truth["endpoints"])
    assert not any(":" in e["address"] for e in narrowed["endpoints"] + narrowed["hosts"])


def test_each_loss_rate_is_compared_with_the_base_s_row_of_that_loss() -> None:
    base = replace(OTHER, contestant=bench.BASE)
    lossy = [replace(row, loss_percent=1.0, seconds=row.seconds * 2) for row in (base, ROW)]
    ratios = [(line[3], line[5]) for line in bench.cells([ROW, base, *lossy])]
    assert ratios == [("0.40", "4.00"), ("1.00", "1.00"), ("1.00", "1.00"), ("0.40", "4.00")]


def test_without_the_base_there_are_no_ratios() -> None:
    assert {(line[3], line[5]) for line in bench.cells([ROW, OTHER])} == {("-", "-")}


def test_the_base_is_one_of_the_contestants() -> None:
    assert [c.name for c in bench.CONTESTANTS].count(bench.BASE) == 1


def test_rows_are_told_by_loss_and_then_as_the_contestants_stand() -> None:
    names = [contestant.name for contestant in bench.CONTESTANTS]
    rows = [
        replace(ROW, contestant=name, loss_percent=loss)
        for name in reversed(names)
        for loss in (1.0, 0.0)
    ]
    ordered = bench.in_order(rows)
    assert [row.contestant for row in ordered] == names * 2
    assert [row.loss_percent for row in ordered] == [0.0] * len(names) + [1.0] * len(names)


def test_there_is_a_lab_for_everybody_who_scans_at_the_same_time() -> None:
    lanes = bench.lanes_of(7, (0.0, 1.0, 5.0))
    assert all(len(heat) <= len(lanes) for heat in bench.HEATS)
    labs = [parameters for lane in lanes for parameters in lane]
    assert len({parameters.name for parameters in labs}) == len(labs)
    for lane in lanes:
        assert [parameters.loss_percent for parameters in lane] == [0.0, 1.0, 5.0]
    # Whatever the lab is called, everybody meets the same hosts.
    assert len({str(make(parameters).share) for parameters in labs}) == 1


def test_what_was_scanned_is_told_in_numbers() -> None:
    truth = contest.shared(truth_of(make(Parameters(name="plan", preset=bench.PRESET))))
    said = bench.about(truth, 1, (0.0, 1.0))
    assert said == "lab bench, seed 1, 0 and 1 % loss each way: 19 hosts on 56 addresses, 100 ports"


def test_few_services_of_the_bench_never_speak_and_yet_some_do() -> None:
    for seed in range(20):
        plan = make(Parameters(name="plan", preset=bench.PRESET, seed=seed))
        silent = sum(endpoint.service == "silent" for endpoint in plan.open_endpoints)
        assert 0 < silent <= len(plan.open_endpoints) / 10


def test_there_is_no_ratio_to_nothing() -> None:
    assert bench.ratio(5, 0) == "-"


def measured(*rows: bench.Row) -> bench.Bench:
    return bench.Bench(conditions=(("machine", "2 cores"),), rows=rows)


def test_the_plain_table_tells_conditions_figures_and_problems() -> None:
    assert bench.plain(measured(ROW, OTHER)).splitlines() == [
        "machine: 2 cores",
        "",
        "loss %  contestant  seconds  time ratio  packets  packet ratio  most/s  most/s to a host"
        "  to excluded  open found  wrong  services named",
        "     0  one             100           -     2000             -     300                20"
        "            0      3 of 3      0          2 of 2",
        "     0  other *         250           -      500             -     300                20"
        "            0      3 of 3      0          2 of 2",
        "",
        "* other at 0 % loss: other exited with 1",
    ]


def test_without_problems_there_are_no_notes() -> None:
    assert "*" not in bench.plain(measured(ROW))
    assert "\\*" not in bench.markdown(measured(ROW))


def test_every_line_of_the_markdown_table_has_every_column() -> None:
    table = [line for line in bench.markdown(measured(ROW, OTHER)).splitlines() if line[:1] == "|"]
    assert len(table) == 4
    assert {line.count("|") for line in table} == {len(bench.HEAD) + 1}
    assert r"| other \* |" in table[3]


def test_the_raw_figures_hold_every_field_of_every_row() -> None:
    raw = asdict(measured(ROW, OTHER))
    assert raw["rows"][1]["problem"] == "other exited with 1"
    assert raw["rows"][0]["score"] == {
        "open": 3, "found": 3, "wrong": 0, "services": 2, "named": 2,
    }  # fmt: skip


@pytest.mark.parametrize("contestant", bench.CONTESTANTS, ids=lambda c: c.name)
def test_every_contestant_has_a_folder_of_its_own(contestant: bench.Contestant) -> None:
    assert [c.name for c in bench.CONTESTANTS if c.folder == contestant.folder] == [contestant.name]
    assert "/" not in contestant.folder
    assert " " not in contestant.folder
