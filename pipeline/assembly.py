"""Put one run together as a document for the renderers: from the store, and from nothing else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.addresses import Address, AddressSet, parse_address
from pipeline.assessing import judgement, with_risks
from pipeline.decide.assets import Assets, disagreements
from pipeline.decide.baseline import acted_on
from pipeline.decide.compare import Side
from pipeline.decide.coverage import Coverage
from pipeline.decide.deviations import deviations
from pipeline.decide.facts import Doubt, Neighbourhoods
from pipeline.decide.history import OPEN, first_open, until
from pipeline.decide.neighbourhoods import neighbourhoods
from pipeline.decide.pace import Ceilings
from pipeline.decide.questions import by_protocol
from pipeline.decide.refusals import contradicting
from pipeline.decide.sampling import passes, sampled
from pipeline.decide.standing import standings
from pipeline.decide.suppression import Sifted, sift
from pipeline.decide.trends import Trends, trends
from pipeline.decide.vulnerabilities import Correlation, correlate
from pipeline.engagement import branding_now
from pipeline.ledger import Ledger
from pipeline.model import (
    Change,
    Endpoint,
    Evidence,
    Observation,
    Protocol,
    Purpose,
    RunState,
    Task,
    TaskState,
    Verdict,
    VerdictKind,
)
from pipeline.plan import RunPlan
from pipeline.ports import PortSet
from pipeline.render.branding import Branding
from pipeline.render.document import (
    AssetsTold,
    AuditHead,
    Comparison,
    Completeness,
    Conduct,
    Deviations,
    Event,
    Finding,
    Gap,
    RunDocument,
)
from pipeline.store.inventories import inventory_of
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from pipeline.store.scans import assessed, reported, scan_files
from pipeline.store.spells import histories, occasions


def assemble(store: Store, run: RunRecord) -> RunDocument:
    """The document of a run, finished or not."""
    plan = run.plan
    evidence = Ledger(store, run).everything()
    known = neighbourhoods(evidence)
    filed = store.comparison(run.number)
    comparison = _told(filed, run) if filed else None
    told, opened = _history(store, run)
    changes = {c.endpoint: c for c in filed.changes} if filed else {}
    assets = assets_of(store, plan)
    verdicts = store.verdicts(run.number)
    side = _side(verdicts, evidence, known)
    others = _others(store, run, side)
    found = tuple(
        replace(
            finding,
            first_seen=_first_seen(finding.verdict, run, opened),
            asset=assets.of(finding.verdict.endpoint.address) if assets else None,
            known=others.known.get(finding.verdict.endpoint, ()) if others else (),
        )
        for finding in _findings(verdicts, evidence, changes, plan)
    )
    judged_by = judgement(plan)
    branding = branding_now(Path(plan.engagement_file), plan.engagement)
    return RunDocument(
        run=run.id,
        client=branding.client or plan.client,
        branding=branding,
        engagement=plan.engagement,
        state=run.state,
        started=run.started,
        ended=run.ended,
        portproof_version=plan.portproof_version,
        authorisation=plan.authorisation,
        scope_included=plan.included.networks(),
        scope_excluded=plan.excluded.networks(),
        addresses=plan.scope.admitted.size,
        ports=plan.ports,
        port_count=len(plan.policy.ports),
        udp_port_count=len(plan.policy.udp_ports),
        vantage=plan.policy.vantage,
        profile=plan.profile,
        limits=_limits(plan),
        rescan_delays=plan.policy.rescan_delays,
        tools=plan.tools,
        findings=with_risks(found, judged_by, now=run.ended or run.started),
        gaps=tuple(_gaps(store, run, evidence)),
        holes=evidence.holes,
        tasks=evidence.tasks,
        events=(
            *(
                Event(time=run.started, kind="note", text=note)
                for note in (*plan.notes, *_noted(branding))
            ),
            *store.events(run.number),
        ),
        comparison=comparison,
        imported=plan.imported,
        neighbourhoods=known,
        refusals=evidence.refusals,
        risk_policy=judged_by.policy.version,
        risk_note=judged_by.note,
        deviations=_deviations(run, side),
        assets=_assets_told(run, assets, side),
        others=others,
        third_parties=plan.third_parties,
        act_on=plan.act_on,
        against_baseline=plan.against_baseline,
        baseline_run=plan.against_baseline and plan.baseline_run is not None,
        completeness=_completeness(run, evidence),
        audit=_audit(store, run),
        trends=told,
        conduct=_conduct(plan),
    )


def _noted(branding: Branding) -> tuple[str, ...]:
    return (branding.note,) if branding.note else ()


def _history(store: Store, run: RunRecord) -> tuple[Trends | None, dict[Endpoint, float]]:
    """The trends up to this run, and since when each endpoint is known to have been open.

    Later runs do not count, so that a report stays as it was when it is rendered again.
    """
    known = occasions(store, run.plan.engagement)
    mine = (run.started, run.number)
    so_far = [each for each in known if (each.started, each.number) <= mine]
    order = [each.number for each in known]
    places = {each.number: place for place, each in enumerate(so_far)}
    past = {e: until(spells, order, places) for e, spells in histories(store, known)}
    opened = {
        endpoint: so_far[places[first]].started
        for endpoint, spells in past.items()
        if (first := first_open(spells)) is not None
    }
    return trends(past.values(), so_far) if run.number in places else None, opened


def _first_seen(verdict: Verdict, run: RunRecord, opened: Mapping[Endpoint, float]) -> float | None:
    """From the history; what is open in a run that is no part of it yet, is open since that run."""
    return opened.get(verdict.endpoint, run.started if verdict.kind in OPEN else None)


def _audit(store: Store, run: RunRecord) -> AuditHead | None:
    known = store.audit(run.number)
    if known is None or known.printed is None:
        return None
    head = known.printed
    return AuditHead(lines=head.lines, sha256=head.sha256, signed=bool(run.plan.signing_key))


def _completeness(run: RunRecord, evidence: Evidence) -> Completeness | None:
    """Of TCP: nobody draws a sample by UDP."""
    if run.state is not RunState.COMPLETE:
        return None
    for part in by_protocol(evidence):
        if part.batch.protocol is Protocol.TCP:
            return Completeness(sample=sampled(part), passes=passes(part))
    return None


def _side(verdicts: Mapping[Endpoint, Verdict], evidence: Evidence, known: Neighbourhoods) -> Side:
    """The run as something to hold against a list of what should be."""
    coverage = Coverage(evidence.tasks, evidence.holes, evidence.refusals)
    turned = {r.address for r in known.hosts if Doubt.TURNED_US_AWAY in r.doubts}
    return Side(
        verdicts=verdicts,
        asked=coverage.asked,
        # A host that turned us away refused more than what is closed.
        refused=lambda e: e.address not in turned and coverage.refused(e),
        why=coverage.why,
    )


def _deviations(run: RunRecord, side: Side) -> Deviations | None:
    expected = run.plan.expected
    if expected is None or run.state is not RunState.COMPLETE:
        return None
    sifted = _sifted(deviations(expected, side, within=run.plan.scope.admitted), run)
    return Deviations(
        file=expected.file,
        sha256=expected.sha256,
        changes=sifted.told,
        suppressed=sifted.suppressed,
        expired=sifted.expired,
    )


def _told(filed: Comparison, run: RunRecord) -> Comparison:
    """Without the changes that the engagement suppresses: these are told apart."""
    sifted = _sifted(filed.changes, run)
    return replace(filed, changes=sifted.told, suppressed=sifted.suppressed, expired=sifted.expired)


def _sifted(changes: Iterable[Change], run: RunRecord) -> Sifted:
    return sift(changes, run.plan.suppressions, now=run.ended or run.started)


def assets_of(store: Store, plan: RunPlan) -> Assets | None:
    """The inventory of a run, to be asked by address; ``None`` where it has none."""
    inventory = inventory_of(store, plan)
    if inventory is None:
        return None
    names = {name: tuple(map(parse_address, found)) for name, found in plan.names}
    return Assets(inventory, names)


def _assets_told(run: RunRecord, assets: Assets | None, side: Side) -> AssetsTold | None:
    if assets is None:
        return None
    complete = run.state is RunState.COMPLETE
    within = run.plan.scope.admitted
    return AssetsTold(
        sources=run.plan.assets,
        sha256=run.plan.inventory_sha256,
        disagreements=disagreements(assets, side, within=within) if complete else None,
    )


def _conduct(plan: RunPlan) -> Conduct | None:
    if plan.imported:
        return None
    policy = plan.policy
    return Conduct(
        authorised_from=plan.authorised_from,
        authorised_until=plan.authorised_until,
        openings=plan.openings,
        rate=policy.ceilings.rate,
        rate_per_host=policy.ceilings.rate_per_host,
        methods=(policy.sweep, *policy.methods),
        control_ports=policy.control_ports,
        fragile_ports=policy.fragile_ports,
        speaks=policy.speaks,
        scripts=policy.scripts,
        evidence=plan.privacy.evidence,
        raw_expires=plan.privacy.keep_raw is not None,
        redactions=len(plan.privacy.redact),
        engagement_sha256=plan.engagement_sha256,
    )


def _others(store: Store, run: RunRecord, side: Side) -> Correlation | None:
    files = scan_files(store, run.number)
    if not files:
        return None
    return correlate(files, reported(store, run), assessed(store, run.number), side)


def _limits(plan: RunPlan) -> tuple[tuple[str, str], ...]:
    if plan.imported:
        return ()
    policy = plan.policy
    return (
        ("packets per second", str(policy.ceilings.rate)),
        ("packets per second and host", str(policy.ceilings.rate_per_host)),
        *_of_a_network(policy.ceilings),
        ("commands at once", str(policy.concurrency)),
        *((("windows", "; ".join(plan.windows)),) if plan.windows else ()),
    )


def _of_a_network(ceilings: Ceilings) -> Iterator[tuple[str, str]]:
    if ceilings.rate_per_network is not None:
        v4, v6 = ceilings.network
        what = f"packets per second and network (/{v4}, /{v6} of IPv6)"
        yield what, str(ceilings.rate_per_network)


def _findings(
    verdicts: Mapping[Endpoint, Verdict],
    evidence: Evidence,
    changes: Mapping[Endpoint, Change],
    plan: RunPlan,
) -> Iterator[Finding]:
    names: dict[str, list[str]] = defaultdict(list)
    for name, addresses in plan.names:
        for address in addresses:
            names[address].append(name)
    transient = [e for e, v in verdicts.items() if v.kind is VerdictKind.TRANSIENT]
    refused = contradicting(evidence, standings(evidence), transient) if transient else {}
    for endpoint, verdict in verdicts.items():
        heard = (*evidence.observations.get(endpoint, ()), *refused.get(endpoint, ()))
        yield Finding(
            verdict=verdict,
            observations=tuple(sorted(heard, key=_in_time)),
            change=changes.get(endpoint),
            names=tuple(names[str(endpoint.address)]),
        )


def _in_time(observation: Observation) -> tuple[float, int]:
    return observation.time, observation.number


def _gaps(store: Store, run: RunRecord, evidence: Evidence) -> Iterator[Gap]:
    yield from _refused(run.plan)
    yield from _failed_sweeps(evidence)
    yield from _unfinished(store, run, evidence)
    yield from _given_up(evidence)
    if not run.plan.policy.version_probe and not run.plan.imported:
        yield Gap(what="service versions", why="version probes are switched off", endpoints=0)


def _refused(plan: RunPlan) -> Iterator[Gap]:
    """What belongs to others, and was never asked."""
    ports = len(plan.policy.ports) + len(plan.policy.udp_ports)
    for each in plan.third_parties.refused:
        names = f" ({', '.join(each.names)})" if each.names else ""
        yield Gap(
            what=f"refused: {_some(each.addresses)}{names}, all ports",
            why=f"belongs to {each.provider} by {each.file}: {each.why}",
            endpoints=each.addresses.size * ports,
        )


def _failed_sweeps(evidence: Evidence) -> Iterator[Gap]:
    for record in evidence.tasks:
        task = record.task
        if record.state is TaskState.FAILED and task.purpose is Purpose.SWEEP:
            yield Gap(what=_area(task), why=record.outcome, endpoints=task.endpoints)


def _unfinished(store: Store, run: RunRecord, evidence: Evidence) -> Iterator[Gap]:
    """What no sweep has gone over, in a run that was cut short: whole batches, and single sweeps
    of the batches that were begun."""
    why = "the run stopped before these were swept"
    begun: set[int] = set()
    for record in evidence.tasks:
        task = record.task
        if task.purpose is Purpose.SWEEP:
            begun.add(task.batch)
            if record.state in (TaskState.PLANNED, TaskState.RUNNING):
                yield Gap(what=_area(task), why=why, endpoints=task.endpoints)
    never: AddressSet = AddressSet()
    ports = PortSet()
    for batch in Ledger(store, run).batches(unfinished_only=True):
        if batch.number not in begun:
            never |= batch.targets.addresses
            ports = batch.ports
    if never:
        yield Gap(
            what=f"{_some(never)}, {_ports(ports)}", why=why, endpoints=never.size * len(ports)
        )


def _given_up(evidence: Evidence) -> Iterator[Gap]:
    """Holes of the questions about named endpoints, by method and reason."""
    tasks = {record.number: record.task for record in evidence.tasks}
    missing: dict[tuple[str, str], dict[Address, PortSet]] = defaultdict(dict)
    for number, hole in evidence.holes:
        task = tasks[number]
        if task.purpose is Purpose.CONTROL:
            continue
        hosts = missing[task.method.value, hole.reason]
        ports = task.ports if hole.ports is None else hole.ports
        # Asked in two rounds and missing in both, an endpoint is one endpoint all the same.
        hosts[hole.address] = hosts.get(hole.address, PortSet()) | ports
    for (method, reason), hosts in sorted(missing.items()):
        yield Gap(
            what=f"{_some(AddressSet.from_addresses(hosts))}, asked by {method}",
            why=reason,
            endpoints=sum(map(len, hosts.values())),
        )


def _area(task: Task) -> str:
    return f"{_some(task.targets.addresses)}, {_ports(task.ports)}"


def _ports(ports: PortSet) -> str:
    text = str(ports)
    return f"ports {text}" if len(text) <= 60 else f"{len(ports)} ports"


def _some(addresses: AddressSet) -> str:
    texts = addresses.texts()
    shown = ", ".join(texts[:3])
    return shown if len(texts) <= 3 else f"{shown} and {len(texts) - 3} more ranges"


def needs_action(document: RunDocument) -> bool:
    """True when somebody should look at this run.

    Always when a sweep failed: what it did not see may be open. With an earlier run to compare
    with: when anything changed that the engagement acts on. Without one: when anything is open, or
    might be. A run against its baseline is measured by that alone.
    """
    if any(r.state is TaskState.FAILED and r.task.purpose is Purpose.SWEEP for r in document.tasks):
        return True
    if document.against_baseline:
        changes = document.deviations.changes if document.deviations else ()
        if document.baseline_run and document.comparison is not None:
            changes += document.comparison.changes
        return acted_on(changes, document.act_on)
    if document.comparison is not None:
        return acted_on(document.comparison.changes, document.act_on)
    calm = (VerdictKind.REFUTED, VerdictKind.FILTERED)
    return any(finding.verdict.kind not in calm for finding in document.findings)
