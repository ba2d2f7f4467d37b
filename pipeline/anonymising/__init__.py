"""A copy of a run without what tells whose network it is, for those who may see the rest.

It is made of the document, so that every form can be one. :mod:`.decisions` says of each field what
becomes of it, :mod:`.harmless` which words may stay, and :mod:`.pseudonyms` makes the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from pipeline.addresses import AddressSet, number_of
from pipeline.anonymising.decisions import DECISIONS
from pipeline.anonymising.pseudonyms import Pseudonyms, pseudonyms_in
from pipeline.anonymising.treatments import Shipped, Treatment, nothing
from pipeline.decide.facts import HostRecord, NetworkRecord
from pipeline.decide.risk import Risk
from pipeline.decide.risk_rules import References
from pipeline.decide.suppression import Suppressed, Suppression
from pipeline.decide.vulnerabilities import Known
from pipeline.model import Change, Endpoint, Hole, Refusals, Verdict
from pipeline.ports import PortSet
from pipeline.render.document import Event, Finding, RunDocument
from pipeline.scope import Scope, Targets

__all__ = ["Pseudonyms", "Shipped", "anonymised", "pseudonyms_in"]

RULE: Final = "A rule of the engagement's own"
NOTE: Final = (
    "An anonymised copy: addresses and names are pseudonyms, and what others said is left out."
)
WHY: Final = "What it says is left out of this copy."
_TREATMENTS: Final[dict[type, tuple[tuple[str, Treatment], ...]]] = {}
_PLAIN: Final = frozenset({type(None), bool, int, float, PortSet})


def anonymised(document: RunDocument, pseudonyms: Pseudonyms, shipped: Shipped) -> RunDocument:
    """The document under pseudonyms, in the order of its new addresses.

    Raises :class:`~pipeline.errors.Error` for more networks than there are pseudonyms.
    """
    included = AddressSet.parse(document.scope_included)
    # What is excluded elsewhere was never going to be asked, and may be half of the internet.
    excluded = AddressSet.parse(document.scope_excluded) & included
    veiled: RunDocument = _Veil(pseudonyms=pseudonyms, shipped=shipped).value(
        replace(document, scope_excluded=excluded.networks())
    )
    return replace(
        veiled,
        engagement=f"{veiled.engagement}, anonymised",
        events=(Event(time=document.started, kind="note", text=NOTE), *veiled.events),
        findings=_renumbered(veiled.findings),
    )


def _renumbered(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Tools answer in the order of addresses, so that the numbers would tell it."""
    told, last = [], 0
    for finding in findings:
        numbers = {o.number: last + place for place, o in enumerate(finding.observations, 1)}
        last += len(finding.observations)
        verdict, seen = finding.verdict, finding.observations
        behind = tuple(numbers[n] for n in verdict.observations if n in numbers)
        told.append(
            replace(
                finding,
                verdict=replace(verdict, observations=behind),
                observations=tuple(replace(o, number=numbers[o.number]) for o in seen),
            )
        )
    return tuple(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Veil:
    """Goes through a value, and does what was decided."""

    pseudonyms: Pseudonyms
    shipped: Shipped

    def value(self, value: Any) -> Any:
        """A value under pseudonyms; a text of which nobody said what it is, is dropped."""
        if type(value) in _PLAIN:
            return value
        match value:
            case Enum():
                return value
            case IPv4Address() | IPv6Address():
                return self.pseudonyms.address(value)
            case AddressSet():
                return self.pseudonyms.addresses(value)
            case Targets():
                only = self.pseudonyms.addresses(value.addresses)
                return Scope(included=only, record_only=True).recall(only)
            case tuple():
                return _in_order(tuple(map(self.value, value)))
            case frozenset():
                return frozenset(map(self.value, value))
            case Mapping():
                veiled = [(self.value(key), self.value(each)) for key, each in value.items()]
                return dict(sorted(veiled, key=lambda pair: _place(pair[0]) or ()))
            case _ if is_dataclass(value):
                return self._finished(value, self._fields(value))
            case _:
                return nothing(self, value)

    def _fields(self, whole: Any) -> Any:
        return type(whole)(
            **{
                name: treatment(self, getattr(whole, name))
                for name, treatment in _treatments(type(whole))
            }
        )

    def _finished(self, old: Any, new: Any) -> Any:
        """What is decided by a value as a whole."""
        match new:
            case Risk():
                return self._risk(old, new)
            case Known():
                about = ", ".join(new.cves) or f"a finding of {new.scanners[0]}"
                return replace(new, title=about)
            case Suppression():
                return replace(new, until_text=f"{datetime.fromtimestamp(new.until, UTC):%Y-%m-%d}")
            case Change():
                return replace(new, before=_alone(new.before), after=_alone(new.after))
            case _:
                return new

    def _risk(self, old: Risk, new: Risk) -> Risk:
        """By a rule of ours, word for word: as it is. Others are somebody's own."""
        ours = self.shipped.policy.rules
        words = (old.rule, old.title, old.why, old.remediation, old.references)
        for rule in ours:
            if words == (rule.id, rule.title, rule.why, rule.remediation, rule.references):
                return replace(
                    new,
                    rule=rule.id,
                    title=rule.title,
                    why=rule.why,
                    remediation=rule.remediation,
                    references=rule.references,
                )
        return replace(new, title=RULE, why=WHY, references=References())


def _treatments(kind: type) -> tuple[tuple[str, Treatment], ...]:
    known = _TREATMENTS.get(kind)
    if known is None:
        decided = DECISIONS.get(kind.__name__, {})
        known = tuple((f.name, decided.get(f.name, nothing)) for f in fields(kind) if f.init)
        _TREATMENTS[kind] = known
    return known


def _alone(verdict: Verdict | None) -> Verdict | None:
    """A verdict of another run, whose observations are not here."""
    return None if verdict is None else replace(verdict, observations=())


def _in_order(some: tuple[Any, ...]) -> tuple[Any, ...]:
    """By the new addresses, where the old ones gave the order."""
    places = [_place(each) for each in some]
    if any(place is None for place in places):
        return some
    return tuple(each for _, _, each in sorted(zip(places, range(len(some)), some, strict=True)))


def _place(value: Any) -> tuple[Any, ...] | None:
    match value:
        case IPv4Address() | IPv6Address():
            return (number_of(value),)
        case Endpoint():
            return value.sort_key
        case Finding():
            return value.verdict.endpoint.sort_key
        case Suppressed():
            return value.change.endpoint.sort_key
        case HostRecord():
            return value.protocol, number_of(value.address)
        case NetworkRecord():
            return value.protocol, value.network.ranges
        case (int() as task, Hole() | Refusals() as about):
            return task, number_of(about.address)
        case (IPv4Address() | IPv6Address() as address, tuple()):
            return (number_of(address),)
        case _ if is_dataclass(value):
            return _place(getattr(value, "endpoint", getattr(value, "address", None)))
        case _:
            return None
