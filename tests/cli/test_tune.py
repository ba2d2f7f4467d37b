"""``portproof tune``: what a stored history comes to."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import resources
from pipeline.engagement import load
from pipeline.learning import settings_now
from pipeline.ledger import Ledger
from pipeline.model import (
    Endpoint,
    Method,
    Observation,
    PortState,
    Purpose,
    RunState,
    StageName,
    Task,
    Verdict,
    VerdictKind,
)
from pipeline.plan import RunPlan
from pipeline.ports import PortSet
from pipeline.purging import burdens, purge
from pipeline.remembering import remember
from pipeline.store.runs import Store
from pipeline.workspace import Workspace
from tests.cli.conftest import Portproof
from tests.cli.past import DAY, past
from tests.decide.making import PLAN, START, batch, endpoints, seen, sweep, task, verdict

NAME = "weekly-perimeter"
ENGAGEMENT = """\
# Whose network it is.
client: Example Ltd
engagement: weekly-perimeter
authorisation:
  reference: EX-2026-17
  signatory: Head of IT
  valid_from: 2026-11-01
  valid_until: 2099-10-31
scope: {include: [192.0.2.0/28]} # the office
ports: 1-40
limits: {rate: 1000, rate_per_host: 100}   # as agreed
rescan:
  delays:
    - 30s   # a lost packet
    - 5m
profile: balanced
suppress:
  # Nobody remembers why.
  - {endpoint: "192.0.2.3:21", reason: test host, until: 2099-01-31}
"""


def engage(folder: Path, text: str = ENGAGEMENT) -> tuple[Path, RunPlan]:
    """The engagement, and a plan of a run with its settings."""
    path = folder / "engagement.yml"
    path.write_text(text)
    found = load(path)
    now = settings_now(found)
    policy = replace(
        PLAN.policy,
        ceilings=replace(PLAN.policy.ceilings, rate=now.rate, rate_per_host=now.rate_per_host),
        rescan_delays=now.delays,
        control_ports=PortSet.of(range(31001, 31001 + now.control_ports)),
        second_looks=now.second_looks,
        watch_looks=now.watch_looks,
        canary_waits=now.canary_waits,
        connect_timeout=now.connect_timeout,
        listen=now.listen,
    )
    return path, replace(PLAN, policy=policy, engagement=found.name)


FOUND = endpoints(*(f"192.0.2.{host}:{port}" for host in range(1, 6) for port in (20, 21, 22)))
"""Of each host the sweep hears the first two, and a second look the third."""


def answers(asked: Task, state: PortState, *ports: int) -> list[Observation]:
    """The same answer of these ports on every host."""
    return [
        seen(asked.method, state, where=each, purpose=asked.purpose, round_=asked.round)
        for each in FOUND
        if each.port in ports
    ]


def questions(*, doubts: bool, shaken: bool) -> Iterator[tuple[Task, list[Observation]]]:
    """What a run asked, and what it heard."""
    opened, silent = PortState.OPEN, PortState.FILTERED
    at = ["192.0.2.0/28"]
    swept = sweep(*at, ports="1-40")
    yield swept, answers(swept, opened, 20, 21)
    look = task(at=at, ports="22", purpose=Purpose.SECOND_LOOK, stage=StageName.DISCOVER, round_=1)
    yield look, answers(look, opened, 22)
    for round_ in (2, 3) if doubts else ():
        again = task(Method.HANDSHAKE, at=at, ports="20", stage=StageName.RESCAN, round_=round_)
        yield again, answers(again, silent, 20)
    if shaken:
        first = task(Method.HANDSHAKE, at=at, ports="21,22")
        yield first, answers(first, opened, 21) + answers(first, silent, 22)


def scanned(
    store: Store, number: int, plan: RunPlan, *, doubts: bool = True, shaken: bool = False
) -> None:
    """One run, in which a third of what is open was lost, and five doubts were never settled.

    If ``shaken``, half of the first handshakes with what is confirmed got no answer."""
    began = START + number * DAY
    run = store.create_run(plan, run_id=f"run-{number}", now=began)
    ledger = Ledger(store, run)
    ledger.add_batches([batch("192.0.2.0/28", ports="1-40")])
    asked = list(questions(doubts=doubts, shaken=shaken))
    ledger.file(each for each, _ in asked)
    for record, (_, heard) in zip(ledger.tasks(), asked, strict=True):
        attempt = ledger.start(record.number, argv=("nmap",), rate=500.0, evidence="", now=began)
        ended = began + 60 * record.task.round
        ledger.settle(record.number, attempt, observations=heard, now=ended)
    store.save_verdicts(run.number, map(judged, FOUND))
    store.save_comparison(run.number, max(1, run.number - 1), (), ())
    store.set_state(run.number, RunState.COMPLETE, now=began + 600)
    remember(store, plan.engagement)


def judged(where: Endpoint) -> Verdict:
    """What is on port 20 stays in doubt; the rest is confirmed."""
    doubtful = where.port == 20
    kind = VerdictKind.LIKELY if doubtful else VerdictKind.CONFIRMED
    reason = "one-method" if doubtful else "service-spoke"
    return verdict(kind, where, reason=reason)


@pytest.fixture(scope="module")
def _history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tuned")
    _, plan = engage(folder)
    with past(folder) as store:
        for number in range(6):
            scanned(store, number, plan)
        scanned(store, 6, replace(plan, engagement="another"))
    return folder


@pytest.fixture
def history(_history: Path, tmp_path: Path) -> Path:
    """A workspace of six runs and one of another engagement, for a test to spoil."""
    for name in ("engagement.yml", "portproof.db"):
        (tmp_path / name).write_bytes((_history / name).read_bytes())
    return tmp_path


def test_tune_proposes_by_what_was_lost_and_left_in_doubt(
    portproof: Portproof, history: Path
) -> None:
    said = portproof("tune", history / "engagement.yml", "--format", "json")
    assert said.code == 1
    proposals = {each["key"]: each for each in said.json["proposals"]}
    assert set(proposals) == {
        "limits.rate_per_host",
        "rescan.delays",
        "canaries",
        "suppress",
    }
    assert proposals["limits.rate_per_host"]["after"] == 20
    assert proposals["limits.rate_per_host"]["evidence"][0]["hits"] == 30
    assert proposals["rescan.delays"]["after"] == ["30s", "5m", "20m"]
    assert proposals["canaries"]["after"] == ["192.0.2.1:21"]
    assert proposals["suppress"]["before"] == "192.0.2.3/32 ports 21 (test host)"
    assert all(each["evidence"] for each in proposals.values())


def test_tune_tells_people_what_it_rests_on(portproof: Portproof, history: Path) -> None:
    said = portproof("tune", history / "engagement.yml")
    assert said.out.startswith(
        "weekly-perimeter: 6 runs counted; 1 run of other engagements beside them\n"
    )
    assert "30 of 90 (33.3%, 24.5-43.6%)" in said.out
    assert "limits.rate_per_host: 100 -> 20" in said.out
    assert "evidence: 30 of 90 open endpoints were lost by the sweep" in said.out
    assert "effect on a run: +" in said.out
    assert "what stays as it is" in said.out
    assert said.err == ""


def test_too_few_runs_are_said_to_be_too_few(portproof: Portproof, history: Path) -> None:
    said = portproof("tune", history / "engagement.yml", "--runs", "2", "--format", "json")
    assert said.json["runs"] == {
        "counted": 2,
        "older": 4,
        "purged": 0,
        "left_out": 0,
        "of_other_engagements": 1,
    }
    assert {each["key"] for each in said.json["proposals"]} == {"canaries", "suppress"}
    kept = {each["key"]: each["because"] for each in said.json["kept"]}
    assert kept["rescan.delays"] == "not enough evidence"


def test_of_purged_runs_only_the_history_counts(portproof: Portproof, history: Path) -> None:
    with past(history) as store:
        chosen = burdens(store, Workspace(history), before=START + 99 * DAY, engagement=NAME)
        purge(store, Workspace(history), chosen, now=START + 99 * DAY, seal=lambda *_: None)
    said = portproof("tune", history / "engagement.yml", "--format", "json")
    assert said.json["runs"]["purged"] == len(chosen) == 5
    assert said.json["runs"]["counted"] == 1
    # The spells still know for how long the canary was there.
    assert [each["key"] for each in said.json["proposals"]] == ["canaries"]


def test_nothing_to_propose_is_0_and_no_history_2(portproof: Portproof, tmp_path: Path) -> None:
    path, plan = engage(tmp_path)
    said = portproof("tune", path)
    assert said.code == 2
    assert "no portproof.db" in said.err
    with past(tmp_path) as store:
        scanned(store, 0, plan, doubts=False)
    said = portproof("tune", path)
    assert said.code == 0
    assert "nothing is proposed" in said.out


def test_apply_writes_what_was_proposed_and_keeps_every_other_byte(
    portproof: Portproof, history: Path
) -> None:
    path = history / "engagement.yml"
    path.chmod(0o640)
    patch = portproof("tune", path, "--format", "json").json["diff"]
    said = portproof("tune", path, "--apply")
    assert said.code == 0
    assert f"written: {path}" in said.out
    assert path.read_text() == (
        ENGAGEMENT.replace("rate_per_host: 100", "rate_per_host: 20")
        .replace("    - 5m\n", "    - 5m\n    - 20m\n")
        .replace("suppress:\n", "suppress: []\n")
        .replace('  - {endpoint: "192.0.2.3:21", reason: test host, until: 2099-01-31}\n', "")
        + 'canaries: ["192.0.2.1:21"]\n'
    )
    assert path.stat().st_mode & 0o777 == 0o640
    after = load(path)
    assert (after.limits.rate_per_host, after.rescan_delays) == (20, (30.0, 300.0, 1200.0))
    assert patch.startswith("--- a/engagement.yml\n+++ b/engagement.yml\n@@ ")
    assert "-limits: {rate: 1000, rate_per_host: 100}   # as agreed\n" in patch
    # What was proposed is done, and the runs before it do not speak for it any more.
    again = portproof("tune", path, "--format", "json")
    assert (again.code, again.json["proposals"], again.json["diff"]) == (0, [], "")


def test_the_patch_is_one_that_patch_and_git_take(portproof: Portproof, history: Path) -> None:
    path = history / "engagement.yml"
    (history / "it.diff").write_text(portproof("tune", path, "--format", "json").json["diff"])
    done = subprocess.run(
        ("git", "apply", "it.diff"), cwd=history, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    by_git = path.read_text()
    path.write_text(ENGAGEMENT)
    portproof("tune", path, "--apply")
    assert path.read_text() == by_git


def test_a_profile_of_ours_is_copied_before_it_is_changed(
    portproof: Portproof, tmp_path: Path
) -> None:
    path, plan = engage(tmp_path)
    with past(tmp_path) as store:
        for number in range(4):
            scanned(store, number, plan, shaken=True)
    said = portproof("tune", path, "--format", "json", "--apply")
    proposals = {each["key"]: each for each in said.json["proposals"]}
    assert proposals["profile.handshake_connect_timeout"]["after"] == "6s"
    assert proposals["profile.handshake_connect_timeout"]["lines"] == [
        "-handshake_connect_timeout: 3s",
        "+handshake_connect_timeout: 6s",
    ]
    made = tmp_path / "engagement-profile.yml"
    assert said.json["files"] == [str(made), str(path)]
    ours = resources.read_text("configs", "profiles/balanced.yml")
    assert made.read_text() == ours.replace("name: balanced\n", "name: balanced-tuned\n").replace(
        "handshake_connect_timeout: 3s", "handshake_connect_timeout: 6s"
    )
    after = load(path)
    assert after.profile.name == "balanced-tuned"
    assert after.profile.handshake_connect_timeout == 6.0


@pytest.mark.parametrize("broken", ["limits: &x {rate: 1000, rate_per_host: 100}\n", "nonsense"])
def test_an_engagement_with_mistakes_is_not_tuned(
    portproof: Portproof, history: Path, broken: str
) -> None:
    path = history / "engagement.yml"
    path.write_text(f"{ENGAGEMENT}{broken}")
    said = portproof("tune", path, "--apply")
    assert said.code == 2
    assert path.read_text() == f"{ENGAGEMENT}{broken}"
