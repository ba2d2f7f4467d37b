"""The desk half: classify, compare and deliver what is in the store, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import Error
from pipeline.ledger import Ledger
from pipeline.manifest import MANIFEST
from pipeline.model import (
    Aftermath,
    Answer,
    ChangeKind,
    Endpoint,
    Method,
    PortState,
    Purpose,
    RunState,
    Task,
    VerdictKind,
)
from pipeline.plan import RunPlan
from pipeline.process import Finished
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from pipeline.tools import nmap
from stages.classify import classify
from stages.compare import compare_with_previous
from stages.deliver import deliver
from stages.report import RENDERERS, report
from tests.decide.making import PLAN, POLICY, START, WHERE, batch, seen, shaken, sweep, task

SYN, CONNECT, HANDSHAKE = POLICY.methods
NAMED = "192.0.2.7:22"
WELL = Finished(
    exit_code=0,
    signal=None,
    timed_out=False,
    stopped=False,
    started=START,
    ended=START + 9,
    stderr_tail="",
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "portproof.db") as opened:
        yield opened


class Filing:
    """One run, and what its tasks are said to have answered."""

    def __init__(self, store: Store, name: str, plan: RunPlan = PLAN) -> None:
        self.store = store
        self.run: RunRecord = store.create_run(plan, run_id=name, now=START)
        self.ledger = Ledger(store, self.run)
        self.ledger.add_batches([batch("192.0.2.0/29", expected=[NAMED])])

    def file(self, asked: Task, answer: Answer) -> None:
        """A task, started and settled, or failed when its answer is not complete."""
        self.ledger.file([asked])
        number = self.ledger.tasks()[-1].number
        attempt = self.ledger.start(number, argv=(), rate=None, evidence="", now=START)
        assert self.ledger.settle(
            number,
            attempt,
            observations=answer.observations,
            holes=answer.holes,
            now=START,
            failed=not answer.complete,
        )

    def close(self, state: RunState = RunState.COMPLETE) -> dict[Endpoint, VerdictKind]:
        found = classify(self.store, self.run)
        self.store.set_state(self.run.number, state, now=START)
        return {endpoint: verdict.kind for endpoint, verdict in found.items()}


def open_before(store: Store, name: str = "before") -> Filing:
    """A run that confirmed 22/tcp."""
    run = Filing(store, name)
    run.file(sweep("192.0.2.7"), Answer(observations=(seen(Method.MASSCAN_SYN),)))
    for method in (SYN, CONNECT):
        run.file(task(method), Answer(observations=(seen(method),)))
    run.file(task(HANDSHAKE), Answer(observations=(shaken(Aftermath.DATA),)))
    return run


# --- 22/tcp was open before --------------------------------------------------------------------

HEAD = '<?xml version="1.0"?><nmaprun scanner="nmap">'
END = '<runstats><finished exit="success"/></runstats></nmaprun>'
UP = '<status state="up" reason="user-set"/><address addr="192.0.2.7" addrtype="ipv4"/>'
OPEN_80 = '<port protocol="tcp" portid="80"><state state="open" reason="syn-ack"/></port>'
NOT_ASKED = f"{HEAD}<host>{UP}<ports>{OPEN_80}</ports></host>{END}"
COLLAPSED = (
    f'{HEAD}<host>{UP}<ports><extraports state="closed" count="1"><extrareasons reason="reset" '
    f'count="1" proto="tcp" ports="22"/></extraports>{OPEN_80}</ports></host>{END}'
)
TIMED_OUT = f'{HEAD}<host timedout="true">{UP}</host>{END}'
MISSING = f"{HEAD}{END}"
CLOSED = (
    f'{HEAD}<host>{UP}<ports><port protocol="tcp" portid="22"><state state="closed" '
    f'reason="reset"/></port>{OPEN_80}</ports></host>{END}'
)
CUT_OFF = f"{HEAD}<host>{UP}<ports>"
DROPPED = CLOSED.replace('"closed"', '"filtered"').replace('"reset"', '"no-response"')


@pytest.mark.parametrize("swept", [True, False], ids=["swept over", "not swept"])
@pytest.mark.parametrize(
    ("ports", "xml", "kind"),
    [
        ("80", NOT_ASKED, ChangeKind.NOT_COVERED),
        ("22,80", COLLAPSED, ChangeKind.CLOSED),
        ("22,80", TIMED_OUT, ChangeKind.NOT_COVERED),
        ("22,80", MISSING, ChangeKind.NOT_COVERED),
        ("22,80", CLOSED, ChangeKind.CLOSED),
        ("22,80", CUT_OFF, ChangeKind.NOT_COVERED),
        ("22,80", DROPPED, ChangeKind.UNREACHABLE),
    ],
    ids=["not asked", "collapsed", "timed out", "missing", "closed", "cut off", "dropped"],
)
def test_a_port_that_was_open_before_is_closed_only_where_it_was_asked_and_refused(
    store: Store, tmp_path: Path, swept: bool, ports: str, xml: str, kind: ChangeKind
) -> None:
    open_before(store).close()
    after = Filing(store, "after")
    if swept:
        after.file(sweep("192.0.2.0/29"), Answer())
    asked = task(SYN, ports=ports)
    (tmp_path / nmap.OUTPUT).write_text(xml)
    after.file(asked, nmap.answer(asked, tmp_path, WELL))
    after.close()
    changes = compare_with_previous(store, after.run)
    assert changes is not None
    assert [(change.endpoint, change.kind) for change in changes] == [(WHERE, kind)]
    filed = store.comparison(after.run.number)
    assert filed is not None
    # Why nothing is known is in the coverage, and not filed again.
    assert filed.changes == tuple(replace(change, note="") for change in changes)
    assert filed.against == "before"


def test_there_is_nothing_to_compare_with_before_the_second_complete_run(store: Store) -> None:
    first = open_before(store)
    first.close(RunState.INCOMPLETE)
    assert compare_with_previous(store, first.run) is None
    other = Filing(store, "another", replace(PLAN, engagement="another"))
    other.close()
    second = open_before(store, "second")
    second.close()
    assert compare_with_previous(store, second.run) is None
    third = open_before(store, "third")
    third.close()
    assert compare_with_previous(store, third.run) == ()


def test_what_comes_back_after_a_while_has_reappeared(store: Store) -> None:
    open_before(store).close()
    gone = Filing(store, "gone")
    gone.file(task(SYN), Answer(observations=(seen(SYN, PortState.CLOSED),)))
    gone.close()
    back = open_before(store, "back")
    back.close()
    changes = compare_with_previous(store, back.run)
    assert [change.kind for change in changes or ()] == [ChangeKind.REAPPEARED]


def test_classifying_again_replaces_the_verdicts(store: Store) -> None:
    run = open_before(store)
    assert run.close() == {WHERE: VerdictKind.CONFIRMED}
    late = replace(task(SYN), round=2)
    run.file(late, Answer(observations=(seen(SYN, PortState.CLOSED, after=60, round_=2),)))
    assert run.close() == {WHERE: VerdictKind.TRANSIENT}
    (found,) = store.verdicts(run.run.number).values()
    assert found.kind is VerdictKind.TRANSIENT
    assert len(found.observations) == 5
    heard = run.ledger.everything().observations[WHERE]
    assert {o.number for o in heard} == set(found.observations)
    assert {o.purpose for o in heard} == {Purpose.SWEEP, Purpose.NAMED}


# --- deliver -----------------------------------------------------------------------------------


def test_what_is_delivered_is_in_the_manifest_with_its_hash(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "one"
    evidence = folder / "tasks" / "000001-1-nmap-syn" / "nmap.xml"
    evidence.parent.mkdir(parents=True)
    evidence.write_text("<nmaprun/>")
    (folder / "link").symlink_to("/etc/hostname")
    written = deliver(folder, {"report.json": "{}\n", "report.html": "<p>\u00e9"}, run_id="one")
    assert [path.name for path in written] == ["report.html", "report.json", MANIFEST]
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["run"] == "one"
    assert [entry["path"] for entry in manifest["files"]] == [
        "report.html",
        "report.json",
        "tasks/000001-1-nmap-syn/nmap.xml",
    ]
    for entry in manifest["files"]:
        content = (folder / entry["path"]).read_bytes()
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        if entry["path"].startswith("report"):
            assert (folder / entry["path"]).stat().st_mode & 0o777 == 0o600


def test_delivering_the_same_again_writes_the_same_bytes(tmp_path: Path) -> None:
    files = {"report.json": "{}\n"}
    deliver(tmp_path / "one", files, run_id="one")
    before = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    deliver(tmp_path / "one", files, run_id="one")
    assert {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()} == before


def test_where_a_report_cannot_be_written_the_old_one_stays_and_nothing_half_is_left(
    tmp_path: Path,
) -> None:
    (tmp_path / "report.json").mkdir()
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(Error, match="cannot write"):
        deliver(tmp_path, {"report.json": "{}"}, run_id="one")
    assert (tmp_path / "report.html").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "report.json"}


def test_every_output_has_its_own_file_and_an_unknown_one_is_an_error() -> None:
    names = [name for name, _ in RENDERERS.values()]
    assert len(names) == len(set(names))
    with pytest.raises(KeyError):
        report(None, ("odt",))  # type: ignore[arg-type]  # it is not looked at
