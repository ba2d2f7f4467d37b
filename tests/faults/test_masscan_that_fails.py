"""What masscan leaves behind when it is cut off, lies, or writes what is not its own.

masscan does not reach loopback, so a fake plays it, in runs that were told that it does.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.addresses import AddressSet
from pipeline.cli.conduct import make_plan
from pipeline.engagement import load
from pipeline.ledger import Ledger
from pipeline.store.runs import Store
from pipeline.workspace import Workspace, new_run_id
from stages.authorise import batches
from tests.cli.conftest import Portproof
from tests.cli.ground import Said, Service, engage, the_report, the_run, verdicts
from tests.faults.fakes import Fake

FOUND = "hit(targets()[0], ports())"
CUT_OFF = {
    "interrupted": (f"{FOUND}\nPath('paused.conf').touch()", "masscan was interrupted before"),
    "half a record": (f"{FOUND}\nhit(targets()[0], 1, end='')", "masscan's output is cut off"),
    "killed": (f"{FOUND}\nos.kill(os.getpid(), 9)", "masscan was ended by signal 9"),
    "another file": ("output().write_text('<html>\\n404\\n')", "what masscan wrote cannot be read"),
}


def begin_with_masscan(path: Path) -> None:
    """File a run that sweeps loopback with masscan."""
    workspace, now = Workspace(path.parent), time.time()
    with Store(workspace.database) as store:
        plan = make_plan(load(path), store, now=now)
        plan = replace(plan, policy=replace(plan.policy, beyond_sweep=AddressSet()))
        run = store.create_run(plan, run_id=new_run_id(now), now=now)
        Ledger(store, run).add_batches(batches(plan, ()))


def sweep_with_masscan(portproof: Portproof, path: Path) -> Said:
    """File such a run and go on with it."""
    begin_with_masscan(path)
    return portproof("resume", "--workspace", path.parent)


def test_what_masscan_names_is_corroborated_by_nmap_and_a_handshake(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    fake("masscan", FOUND)
    path = engage(tmp_path / "w", [service.address], [service.port])
    assert sweep_with_masscan(portproof, path).code == 1
    report = the_report(path.parent)
    assert verdicts(report) == {service.endpoint: "confirmed"}
    asked = [evidence["method"] for evidence in report["endpoints"][0]["evidence"]]
    assert asked == ["masscan-syn", "nmap-syn", "nmap-connect", "handshake"]


def test_an_empty_file_of_masscan_is_a_complete_answer(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    fake("masscan", "output().touch()")
    path = engage(tmp_path / "w", [service.address], [service.port])
    assert sweep_with_masscan(portproof, path).code == 0
    report = the_report(path.parent)
    assert report["endpoints"] == []
    assert not any(gap["endpoints"] for gap in report["coverage"]["gaps"])


@pytest.mark.parametrize("fault", CUT_OFF)
def test_a_sweep_that_masscan_did_not_finish_is_no_answer_whatever_its_exit_code(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake, fault: str
) -> None:
    body, problem = CUT_OFF[fault]
    fake("masscan", body)
    path = engage(tmp_path / "w", [service.address], [service.port])
    said = sweep_with_masscan(portproof, path)
    assert said.code == 2
    folder = the_run(path.parent) / "tasks" / "000001-1-masscan-syn"
    assert f"{folder}: discovery failed everywhere: {problem}" in said.err
    report = the_report(path.parent)
    assert problem in report["coverage"]["gaps"][0]["why"]
    assert report["tasks"][0]["state"] == "failed"
    # What it did see is followed up all the same.
    assert verdicts(report) == ({service.endpoint: "confirmed"} if FOUND in body else {})


def test_what_masscan_reports_unasked_is_dropped_and_recorded(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    fake("masscan", f"{FOUND}\nhit('127.1.2.3', ports())\nhit(targets()[0], 1)")
    path = engage(tmp_path / "w", [service.address], [service.port])
    assert sweep_with_masscan(portproof, path).code == 1
    report = the_report(path.parent)
    assert verdicts(report) == {service.endpoint: "confirmed"}
    (foreign,) = [event["text"] for event in report["events"] if event["kind"] == "foreign"]
    assert foreign == (
        "task 1: masscan-syn reported 2 endpoint(s) that nobody asked about, dropped: "
        f"127.1.2.3:{service.port}/tcp, {service.address}:1/tcp"
    )
    asked = {address for task in report["tasks"] for address in task["addresses"]}
    assert asked == {service.address}


def test_a_run_that_needs_masscan_waits_until_it_is_back(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    fake("masscan", FOUND)
    path = engage(tmp_path / "w", [service.address], [service.port])
    begin_with_masscan(path)
    fake("masscan", FOUND, version="Masscan version 1.0.0")
    said = portproof("resume", "--workspace", path.parent)
    assert said.code == 2
    assert "portproof: masscan is needed to go on" in said.err
    fake("masscan", FOUND)
    assert portproof("resume", "--workspace", path.parent).code == 1
    assert verdicts(the_report(path.parent)) == {service.endpoint: "confirmed"}
