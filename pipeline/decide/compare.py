"""What became of each endpoint between two runs, and whether the two can be compared.

Not asked, no answer and closed are three different things. An endpoint without a verdict in the
new run is never *closed*: either nobody asked, or nobody answered. Where a tool gave up there is a
verdict, ``unknown``, and no evidence: that counts as not asked, whoever else swept over it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from pipeline.addresses import Address
from pipeline.decide import reasons
from pipeline.decide.services import service_differences
from pipeline.model import Change, ChangeKind, Endpoint, Verdict, VerdictKind
from pipeline.plan import RunPlan

OPEN: Final = frozenset({VerdictKind.CONFIRMED, VerdictKind.LIKELY})
GONE: Final = frozenset({VerdictKind.REFUTED, VerdictKind.FILTERED, VerdictKind.UNKNOWN})
_THERE: Final = OPEN | {VerdictKind.TRANSIENT}
QUIET: Final = frozenset({VerdictKind.FILTERED, VerdictKind.UNKNOWN})
"""Verdicts of endpoints that did not answer, unless something answered for them by ICMP."""
COUNTED: Final = "counted among the closed ports, not listed"

_DISAPPEARED: Final = frozenset(
    {ChangeKind.CLOSED, ChangeKind.NOW_FILTERED, ChangeKind.UNREACHABLE}
)
_APPEARED: Final = frozenset({ChangeKind.OPENED, ChangeKind.REAPPEARED, ChangeKind.FLAPPING})
_SHIFTED: Final = frozenset({ChangeKind.VERDICT_CHANGED, ChangeKind.FLAPPING})
MIRRORED: Final[Mapping[ChangeKind, frozenset[ChangeKind]]] = MappingProxyType(
    {
        ChangeKind.OPENED: _DISAPPEARED,
        ChangeKind.REAPPEARED: _DISAPPEARED,
        ChangeKind.SERVICE_CHANGED: frozenset({ChangeKind.SERVICE_CHANGED}),
        ChangeKind.VERDICT_CHANGED: _SHIFTED,
        ChangeKind.FLAPPING: _SHIFTED | _DISAPPEARED,
        ChangeKind.CLOSED: _APPEARED,
        ChangeKind.NOW_FILTERED: _APPEARED,
        ChangeKind.UNREACHABLE: _APPEARED,
        ChangeKind.NOT_COVERED: frozenset({ChangeKind.NEWLY_COVERED}),
        ChangeKind.NEWLY_COVERED: frozenset({ChangeKind.NOT_COVERED}),
    }
)
"""What each kind may be when the two runs are exchanged: the same endpoints, told backwards."""


def _not_asked(_: Endpoint) -> tuple[str, str]:
    return reasons.NOT_ASKED, ""


def never(_: Endpoint) -> bool:
    """Nothing of the kind is known of any endpoint."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two runs: its verdicts, and whether it asked about an endpoint.

    ``refused`` tells of endpoints without a verdict whether they refused, ``counted`` of those with
    one whether a file only counts them among the closed, and ``why`` of those that were not asked
    why not: a reason code, and words.
    """

    verdicts: Mapping[Endpoint, Verdict]
    asked: Callable[[Endpoint], bool]
    refused: Callable[[Endpoint], bool] = never
    counted: Callable[[Endpoint], bool] = never
    why: Callable[[Endpoint], tuple[str, str]] = _not_asked

    def covers(self, endpoint: Endpoint) -> bool:
        """True when this run can say anything about the endpoint."""
        verdict = self.verdicts.get(endpoint)
        return self.asked(endpoint) if verdict is None else verdict.kind is not VerdictKind.UNKNOWN


def compare(
    before: Side, after: Side, *, seen_open_earlier: Collection[Endpoint] = ()
) -> tuple[Change, ...]:
    """The changes, in the order of endpoints. Comparing a run with itself gives none."""
    silent = silent_hosts(before, after)
    return changes_of(before, after, silent=silent, seen_open_earlier=seen_open_earlier)


def changes_of(
    before: Side,
    after: Side,
    *,
    silent: Collection[Address],
    seen_open_earlier: Collection[Endpoint] = (),
) -> tuple[Change, ...]:
    """Like :func:`compare`, for sides that lack what is the same in both.

    ``silent`` are the hosts on which nothing answers any more: only whole sides can tell.
    """
    endpoints = sorted(set(before.verdicts) | set(after.verdicts), key=lambda e: e.sort_key)
    changes = []
    for endpoint in endpoints:
        old, new = before.verdicts.get(endpoint), after.verdicts.get(endpoint)
        found = _change(endpoint, old, new, before, after, silent, seen_open_earlier)
        if found is not None:
            kind, reason = found
            changes.append(
                Change(
                    endpoint=endpoint,
                    kind=kind,
                    reason=reason,
                    confidence=_confidence(old, new),
                    before=old,
                    after=new,
                    note=_note(endpoint, kind, before, after),
                )
            )
    return tuple(changes)


def _note(endpoint: Endpoint, kind: ChangeKind, before: Side, after: Side) -> str:
    if kind is ChangeKind.CLOSED:
        return COUNTED if endpoint in after.verdicts and after.counted(endpoint) else ""
    if kind is ChangeKind.NOT_COVERED:
        return after.why(endpoint)[1]
    return before.why(endpoint)[1] if kind is ChangeKind.NEWLY_COVERED else ""


def _change(
    endpoint: Endpoint,
    old: Verdict | None,
    new: Verdict | None,
    before: Side,
    after: Side,
    silent: Collection[Address],
    seen_open_earlier: Collection[Endpoint],
) -> tuple[ChangeKind, str] | None:
    if new is None or new.kind is VerdictKind.UNKNOWN:
        return _without_answer(endpoint, old, new, after, silent)
    if old is None or old.kind in GONE:
        return _appeared(endpoint, old, new, before, seen_open_earlier)
    if new.kind in GONE:
        return _disappeared(endpoint, old, new, silent)
    if old.kind is not new.kind:
        kind = (
            ChangeKind.FLAPPING if new.kind is VerdictKind.TRANSIENT else ChangeKind.VERDICT_CHANGED
        )
        return kind, new.reason
    if new.kind in OPEN and service_differences(old.service, new.service):
        return ChangeKind.SERVICE_CHANGED, new.reason
    return None


def _without_answer(
    endpoint: Endpoint,
    old: Verdict | None,
    new: Verdict | None,
    after: Side,
    silent: Collection[Address],
) -> tuple[ChangeKind, str] | None:
    if old is None or old.kind in GONE:
        return None
    if not after.covers(endpoint):
        reason = after.why(endpoint)[0] if new is None else new.reason
        return ChangeKind.NOT_COVERED, reason
    if after.refused(endpoint):
        kind = ChangeKind.CLOSED if old.kind in _THERE else ChangeKind.VERDICT_CHANGED
        return kind, reasons.REFUSED
    if old.kind in OPEN:
        kind = ChangeKind.UNREACHABLE if endpoint.address in silent else ChangeKind.NOW_FILTERED
        return kind, reasons.NO_ANSWER
    return ChangeKind.VERDICT_CHANGED, reasons.NO_ANSWER


def _appeared(
    endpoint: Endpoint,
    old: Verdict | None,
    new: Verdict,
    before: Side,
    seen_open_earlier: Collection[Endpoint],
) -> tuple[ChangeKind, str] | None:
    if new.kind in GONE:
        return None
    if not before.covers(endpoint):
        return ChangeKind.NEWLY_COVERED, new.reason
    if new.kind is VerdictKind.TRANSIENT:
        return ChangeKind.FLAPPING, new.reason
    if new.kind not in OPEN:
        return ChangeKind.VERDICT_CHANGED, new.reason
    if endpoint in seen_open_earlier:
        return ChangeKind.REAPPEARED, new.reason
    return ChangeKind.OPENED, new.reason


def _disappeared(
    endpoint: Endpoint, old: Verdict, new: Verdict, silent: Collection[Address]
) -> tuple[ChangeKind, str]:
    if old.kind not in _THERE:
        return ChangeKind.VERDICT_CHANGED, new.reason
    if new.kind is VerdictKind.REFUTED:
        return ChangeKind.CLOSED, new.reason
    if endpoint.address in silent:
        return ChangeKind.UNREACHABLE, new.reason
    return ChangeKind.NOW_FILTERED, new.reason


def silent_hosts(before: Side, after: Side) -> frozenset[Address]:
    """Hosts with something open before, on which nothing at all answers now."""
    had = {e.address for e, verdict in before.verdicts.items() if verdict.kind in OPEN}
    answered = {
        e.address
        for e, verdict in after.verdicts.items()
        if verdict.kind not in QUIET or verdict.reason == reasons.ICMP_REFUSED
    }
    refused = {e.address for e in before.verdicts if e not in after.verdicts and after.refused(e)}
    return frozenset(had - answered - refused)


def _confidence(old: Verdict | None, new: Verdict | None) -> float:
    sides = [verdict.confidence for verdict in (old, new) if verdict is not None]
    confidence = 1.0
    for side in sides:
        confidence *= side
    return round(confidence, 4)


def differences(before: RunPlan, after: RunPlan) -> tuple[str, ...]:
    """What about the two runs was not the same, as sentences; empty when they are comparable."""
    return tuple(_differences(before, after))


def _differences(before: RunPlan, after: RunPlan) -> Iterator[str]:
    old, new = before.scope.admitted, after.scope.admitted
    if old != new:
        more, less = (new - old).size, (old - new).size
        yield f"the scope differs: {more} addresses more and {less} less than before"
    pairs_of_ports = (
        (before.policy.ports, after.policy.ports),
        (before.policy.udp_ports, after.policy.udp_ports),
    )
    if any(then_asked != now_asked for then_asked, now_asked in pairs_of_ports):
        # The same words can mean other ports: top:1000 depends on nmap's table.
        more = sum(len(now_asked - then_asked) for then_asked, now_asked in pairs_of_ports)
        less = sum(len(then_asked - now_asked) for then_asked, now_asked in pairs_of_ports)
        yield (
            f"the ports differ: {before.ports} before, {after.ports} now; "
            f"{more} more and {less} less than before"
        )
    if before.policy.version_probe and not after.policy.version_probe:
        yield "versions were asked for before and not now: nobody knows which services changed"
    if after.policy.version_probe and not before.policy.version_probe:
        yield "versions are asked for now and were not before: nobody knows which services changed"
    pairs = (
        ("the methods differ", _methods(before), _methods(after)),
        ("the vantage differs", before.policy.vantage, after.policy.vantage),
        ("the profile differs", before.profile, after.profile),
        ("the rate differs", _rate(before), _rate(after)),
        ("the tools differ", _tools(before), _tools(after)),
    )
    for what, then, now in pairs:
        if then != now:
            yield f"{what}: {then or 'not known'} before, {now or 'not known'} now"


def _rate(plan: RunPlan) -> str:
    return str(plan.policy.ceilings.rate or "")


def _methods(plan: RunPlan) -> str:
    return ", ".join((plan.policy.sweep, *plan.policy.methods))


def _tools(plan: RunPlan) -> str:
    return ", ".join(f"{name} {version}".strip() for name, version in plan.tools)
