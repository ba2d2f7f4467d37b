"""Conduct a run from the first check to the last file: what `run` and `resume` have in common."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.assembly import assemble, needs_action
from pipeline.audit import telling
from pipeline.audit.sealing import try_key
from pipeline.audit.trail import Trail
from pipeline.budget import Budget, manners_of
from pipeline.cli.console import Console
from pipeline.cli.delivering import deliver_after, destinations_of
from pipeline.cli.forms import tell_of_templates
from pipeline.cli.measuring import measured
from pipeline.cli.narrowing import Current
from pipeline.cli.noticing import Teller
from pipeline.cli.recording import recording, seal_again, seal_run
from pipeline.cli.renewing import (
    openings_in,
    permitted_by,
    require_as_planned,
    require_window,
    resolver,
)
from pipeline.cli.resuming import how_to_resume
from pipeline.correlating import EVENT, file_scans_of_engagement
from pipeline.engagement import Engagement, load
from pipeline.engagement.inventorying import gathered, require_few
from pipeline.engine import HANDSHAKE_TASKS_AT_ONCE, Engine, Progress
from pipeline.errors import (
    Error,
    Incomplete,
    NotAdmitted,
    ToolError,
    UsageError,
)
from pipeline.evidence import keep_all
from pipeline.executor import HANDSHAKES_AT_ONCE, Executor
from pipeline.files import make_private_folder
from pipeline.ledger import Ledger
from pipeline.model import Endpoint, Protocol, Purpose, RunState, TaskState, VerdictKind
from pipeline.netbox.reading import listed_by
from pipeline.netbox.settings import NetboxSettings
from pipeline.orders import excluded, exclusions, require_not_stopped
from pipeline.pinning import require_pinned
from pipeline.plan import RunPlan
from pipeline.redact import Redactor
from pipeline.render.document import RunDocument
from pipeline.render.text import visible
from pipeline.store.inventories import file_inventory
from pipeline.store.outbox import filing
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from pipeline.vantage import raise_open_files, survey
from pipeline.workspace import Workspace, new_run_id
from stages import NETWORK_STAGES
from stages.authorise import authorise, batches
from stages.classify import classify, classify_others
from stages.compare import compare_with_previous
from stages.deliver import deliver
from stages.report import report

EXPECTED_AGAIN = frozenset(
    {
        VerdictKind.CONFIRMED,
        VerdictKind.LIKELY,
        VerdictKind.TRANSIENT,
        VerdictKind.UNRESOLVED,
        VerdictKind.UNKNOWN,  # somebody named it, and the run could not decide
    }
)
"""Kinds of verdicts whose endpoints are asked about again by the next run."""
_LOOK_EVERY = 0.25  # seconds between two looks at orders, while a run waits after its notice
FILES_OF_A_RUN = 64  # the database, the lock, the streams, what the libraries open
FILES_OF_A_COMMAND = 8  # the logs and pipes of a tool and its guard


def make_plan(
    engagement: Engagement,
    store: Store | None,
    *,
    now: float,
    workspace: Workspace | None = None,
) -> RunPlan:
    """Authorise a new run: what it may ask, and how. Nothing is sent to a target.

    What `portproof exclude` left alone in the workspace stays out.
    """
    if visible(str(engagement.path)) != str(engagement.path):
        # The run keeps the path as text, and the report and the terminal show it.
        raise UsageError(
            "the path of the engagement holds characters that are no text",
            where=str(engagement.path),
            hint="rename the file or its folder",
        )
    left_alone = exclusions(workspace) if workspace else ()
    exclude = engagement.exclude | excluded(left_alone)
    if not engagement.include_names and not engagement.include - exclude:
        raise NotAdmitted(
            "nothing is left to ask: everything is excluded", where=str(engagement.path)
        )
    previous = store.previous_complete(engagement.name) if store else None
    plan = authorise(
        replace(engagement, exclude=exclude),
        survey(),
        now=now,
        resolver=resolver,
        seed=int(now) & 0x7FFFFFFF,
        previous_run=previous.number if previous else None,
    )
    notes = tuple(f"excluded by `portproof exclude`: {one}" for one in left_alone)
    return replace(plan, notes=plan.notes + notes)


def with_netbox(engagement: Engagement) -> Engagement:
    """The engagement with what each NetBox of it lists now."""
    asked = [each for each in engagement.assets if isinstance(each, NetboxSettings)]
    if not asked:
        return engagement
    sources = [
        listed_by(each, clock=time.monotonic) if isinstance(each, NetboxSettings) else each
        for each in engagement.assets
    ]
    try:
        require_few(sources)
    except ValueError as problem:
        raise Error(f"the inventories {problem}", where=str(engagement.path)) from None
    return replace(engagement, inventory=gathered(sources))


def start(
    engagement: Engagement,
    workspace: Workspace,
    store: Store,
    *,
    now: float,
    waits: bool = False,
    notes: Sequence[str] = (),
) -> RunRecord:
    """File a new run with its batches; nothing is sent yet. ``notes`` go into plan and report.

    Raises :class:`OutsideWindow` outside of every window, unless the run ``waits`` for one.
    """
    require_not_stopped(workspace)
    engagement = with_netbox(engagement)
    plan = make_plan(engagement, store, now=now, workspace=workspace)
    unread = [f"{s.name} {s.note}" for s in plan.assets if not s.entries]
    plan = replace(plan, notes=(*plan.notes, *notes, *unread))
    require_pinned(workspace, plan)
    if not waits:
        lead = engagement.notices.lead_before if engagement.notices else 0.0
        require_window(plan, now=now + lead)
    if engagement.signing_key is not None:
        try_key(engagement.signing_key)
    if engagement.against_baseline:
        plan = measured(plan, store)
    plan = replace(plan, inventory_sha256=file_inventory(store, engagement.inventory))
    run = store.create_run(plan, run_id=new_run_id(now), now=now)
    _file_batches(run, store, engagement.canaries)
    return run


def _file_batches(run: RunRecord, store: Store, canaries: Sequence[Endpoint]) -> None:
    plan = run.plan
    admitted = plan.scope.admitted
    asked = {Protocol.TCP: plan.policy.ports, Protocol.UDP: plan.policy.udp_ports}
    known = set(plan.expected.required(admitted)) if plan.expected is not None else set()
    for earlier in (plan.previous_run, plan.baseline_run):
        verdicts = store.verdicts(earlier) if earlier is not None else {}
        known |= {endpoint for endpoint, found in verdicts.items() if found.kind in EXPECTED_AGAIN}
    again = [e for e in known if e.address in admitted and e.port in asked[e.protocol]]
    Ledger(store, run).add_batches(batches(plan, [*canaries, *again]))


def begin_again(run: RunRecord, store: Store) -> None:
    """File the batches of a run that was killed before they were; without any it asks nothing."""
    if not Ledger(store, run).batches():
        path = Path(run.plan.engagement_file)
        _file_batches(run, store, load(path).canaries if path.exists() else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A run that came to its end, and the files that were written."""

    run: RunRecord
    document: RunDocument
    files: tuple[Path, ...]


def conduct(
    run: RunRecord,
    workspace: Workspace,
    store: Store,
    console: Console,
    *,
    lock: int,
    waits: bool = False,
) -> Outcome:
    """Ask until nothing is left to ask, then decide, compare, report and deliver.

    ``waits``: for the next window, whenever one closes. Raises :class:`Incomplete` when it was
    interrupted or does not wait, and what made it impossible to go on; what
    was finished is then on file, reported as far as it goes, and the run can be resumed.
    """
    folder = workspace.run_folder(run.id)
    trail: Trail | None = None
    teller = Teller(run, workspace, store, console)
    with contextlib.ExitStack() as closing:
        try:
            make_private_folder(folder / "tasks")
            trail = closing.enter_context(recording(run, store, folder))
            begins = teller.before(openings_in(run.plan))
            finished = asyncio.run(
                _network_half(
                    *(run, workspace, store, console, trail, teller),
                    lock=lock,
                    waits=waits,
                    begins=begins,
                )
            )
            failure = _nothing_asked(run, store, folder) if finished else None
            if finished and failure is None:
                _put_beside(run, store, trail, console)
                outcome = _close(run, store, folder, trail)
                told = teller.finished(outcome.document, act=needs_action(outcome.document))
                sent = deliver_after(run, outcome.document, workspace, store, console)
                if told or sent:
                    seal_again(run, store, folder, trail)
                return outcome
        except Error as error:
            teller.failed(error.what)
            _leave(run, store, folder, trail, because=error.what)
            when = "then" if isinstance(error, Incomplete) else "once this is put right"
            console.event("stopped", f"{how_to_resume(run, workspace)} {when}")
            raise
        because = failure.what if failure else "interrupted"
        teller.failed(because)
        _leave(run, store, folder, trail, because=because)
    if failure is not None:
        raise failure
    raise Incomplete(
        f"run {run.id} was interrupted; what was finished is kept",
        hint=how_to_resume(run, workspace),
    )


def _nothing_asked(run: RunRecord, store: Store, folder: Path) -> ToolError | None:
    """What to say when no sweep came to an end: such a run knows nothing.

    To call it complete would be to say that nothing is open, and the next one would be compared
    with it.
    """
    sweeps = [r for r in Ledger(store, run).tasks() if r.task.purpose is Purpose.SWEEP]
    if any(record.state is not TaskState.FAILED for record in sweeps):
        return None
    last = sweeps[-1]
    return ToolError(
        f"discovery failed everywhere: {last.outcome}",
        where=str(folder / "tasks" / last.evidence),
        hint="what the tool said is in that folder, and `portproof doctor` looks at this machine; "
        "put it right and start a new run",
    )


def _put_beside(run: RunRecord, store: Store, trail: Trail, console: Console) -> None:
    """What other scanners wrote, as the engagement names it."""

    def tell(text: str) -> None:
        store.add_event(run.number, EVENT, text, now=time.time())
        console.event(EVENT, text)

    file_scans_of_engagement(store, run, trail, tell=tell)


def _close(run: RunRecord, store: Store, folder: Path, trail: Trail) -> Outcome:
    """Report a run that has nothing left to ask; it is complete once the report is delivered."""
    now = time.time()
    complete = replace(run, state=RunState.COMPLETE, ended=now, stopped_because="")
    outcome = desk_half(complete, store, folder, trail, end={"state": RunState.COMPLETE})
    names = [destination.name for destination in destinations_of(run)]
    store.set_state(
        run.number, RunState.COMPLETE, now=now, along=filing(run.number, names, now=now)
    )
    return outcome


def desk_half(
    run: RunRecord,
    store: Store,
    folder: Path,
    trail: Trail | None = None,
    *,
    end: Mapping[str, str] | None = None,
    compare: bool = True,
    forms: tuple[str, ...] = (),
) -> Outcome:
    """Classify, compare, report, deliver: from the store alone. The run stays as it is.

    The record hears of it, and of the ``end`` of a run that ends here; then the run is sealed.
    ``forms`` are written beside what the engagement wants.
    """
    verdicts = classify(store, run)
    if compare:
        compare_with_previous(store, run)
    if trail is not None:
        comparison = store.comparison(run.number)
        changes = comparison.changes if comparison else ()
        trail.add("decided", telling.decided(verdicts.values(), changes))
        if end is not None:
            trail.add("ended", end)
            trail.sync()
            store.print_head(run.number)
    document = assemble(store, run)
    contents = report(document, tuple(dict.fromkeys((*run.plan.outputs, *forms))))
    tell_of_templates(document)
    files = deliver(folder, contents, run_id=run.id, trail=trail)
    if trail is not None:
        seal_run(run, store, folder, trail)
    return Outcome(run=run, document=document, files=files)


def decide_import(run: RunRecord, store: Store) -> Mapping[VerdictKind, int]:
    """Decide and compare a run that was imported; it is complete from then on.

    Returns how many verdicts there are of each kind.
    """
    found = classify_others(store, run)
    compare_with_previous(store, replace(run, state=RunState.COMPLETE, stopped_because=""))
    store.set_state(run.number, RunState.COMPLETE, now=run.ended)
    return found


def _leave(
    run: RunRecord, store: Store, folder: Path, trail: Trail | None, *, because: str
) -> None:
    """Note why a run stops here, and report what there is; that must not hide the cause."""
    with contextlib.suppress(Error):
        store.set_state(run.number, RunState.INCOMPLETE, now=time.time(), because=because)
        store.add_event(run.number, "stopped", because, now=time.time())
        end = {"state": RunState.INCOMPLETE, "because": because}
        desk_half(store.run(run.id), store, folder, trail, end=end, compare=False)


async def _network_half(
    run: RunRecord,
    workspace: Workspace,
    store: Store,
    console: Console,
    trail: Trail,
    teller: Teller,
    *,
    lock: int,
    waits: bool,
    begins: float,
) -> bool:
    plan = run.plan
    trail.add("authorised", telling.authorisation_of(plan))
    ledger = Ledger(store, run, trail=trail)
    earlier = store.events(run.number)
    again = ledger.recover()
    ended = (TaskState.SETTLED, TaskState.FAILED)
    settled = [record for record in ledger.tasks() if record.state in ended]
    redactor = Redactor.of(plan.privacy.redact)
    tasks = workspace.run_folder(run.id) / "tasks"
    keep_all(tasks, (r.evidence for r in settled), redactor, plan.privacy.evidence)
    if again:
        console.event("recovered", f"{again} task(s) were cut off and will be asked again")

    def on_event(kind: str, text: str) -> None:
        if kind != "task":
            store.add_event(run.number, kind, text, now=time.time())
        console.event(kind, text)
        teller.event(kind, text)

    def on_progress(progress: Progress) -> None:
        console.progress(progress)
        teller.hear()

    current = Current(
        plan, workspace, tell=lambda text: on_event("engagement", text), clock=time.time
    )
    engine = Engine(
        ledger=ledger,
        executor=Executor(
            policy=plan.policy,
            scope=current.scope,
            permits=current.permits,
            programs=_programs(plan),
            excluded=plan.left_out,
            seed=plan.seed,
            keep_open=(lock,),
            order=workspace.stop_file,
            at_once=handshakes_at_once(plan.policy.concurrency),
            redactor=redactor,
            evidence=plan.privacy.evidence,
        ),
        policy=plan.policy,
        stages=NETWORK_STAGES,
        folder=tasks,
        budget=Budget(plan.policy.ceilings, time.monotonic, manners_of(plan.policy)),
        clock=time.time,
        permitted=permitted_by(plan, workspace),
        openings=current.openings,
        reopened=lambda: require_as_planned(plan),
        waits=waits,
        blocks_told=max((e.time for e in earlier if e.kind == "blocked"), default=float("-inf")),
        on_event=on_event,
        on_progress=on_progress,
    )
    with console.live(f"run {run.id}", tasks_before=len(settled)):
        _on_interrupt(engine, console)
        permitted = permitted_by(plan, workspace)
        waited = time.time() < begins
        while time.time() < begins and not engine.draining:
            permitted(time.time())
            await asyncio.sleep(min(_LOOK_EVERY, max(0.0, begins - time.time())))
        if waited and not engine.draining:
            require_as_planned(plan)
        return await engine.work()


def _programs(plan: RunPlan) -> dict[str, Path]:
    """The tools as they are now. Raises :class:`ToolError` when the run needs more than that."""
    found = survey()
    nmap = found.tool("nmap")
    if nmap is None:
        raise next((e for e in found.missing if "nmap" in e.what), ToolError("nmap is missing"))
    if plan.policy.privileged and not nmap.raw:
        # Every task would fail, one after the other, and count as asked.
        raise ToolError(
            "the run was begun with the privilege to send raw packets, which is missing now",
            hint="resume it as who began it (root?), or start a new run",
        )
    return found.programs


def handshakes_at_once(commands: int) -> int:
    """How many sockets each task of handshakes may have, so that none ever fails for want of one.

    Raises :class:`ToolError` when this machine's limit leaves nothing to scan with.
    """
    others = FILES_OF_A_RUN + commands * FILES_OF_A_COMMAND
    allowed = raise_open_files(others + HANDSHAKE_TASKS_AT_ONCE * HANDSHAKES_AT_ONCE)
    each = (allowed - others) // HANDSHAKE_TASKS_AT_ONCE
    if each < 1:
        raise ToolError(
            f"{allowed} open files and sockets are the limit for this process, and "
            f"{others + HANDSHAKE_TASKS_AT_ONCE} are needed",
            hint="raise the hard limit (ulimit -n, LimitNOFILE in systemd), or lower "
            "limits.concurrency",
        )
    return min(HANDSHAKES_AT_ONCE, each)


def _on_interrupt(engine: Engine, console: Console) -> None:
    """Ctrl-C once: end what is running. Twice: stop it."""
    asked = 0

    def interrupted() -> None:
        nonlocal asked
        asked += 1
        if asked == 1 and engine.running:
            console.event(
                "interrupted",
                f"finishing {engine.running} running task(s); Ctrl-C again stops at once",
            )
            engine.drain()
        else:
            console.event("interrupted", "stopping at once")
            engine.stop_now()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
