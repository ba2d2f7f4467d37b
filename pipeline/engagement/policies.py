"""Risk policies: from files of rules to rules, or to every mistake in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from pipeline import resources
from pipeline.decide.risk import assess, combined, matches, shadowed
from pipeline.decide.risk_rules import (
    Concern,
    Condition,
    Example,
    Facts,
    Ports,
    Position,
    References,
    RiskPolicy,
    Rule,
    Severity,
    Zone,
)
from pipeline.engagement.nodes import Path as Keys
from pipeline.engagement.ruling import (
    ConditionDocument,
    ExampleDocument,
    PolicyDocument,
    RuleDocument,
    SeverityDocument,
)
from pipeline.engagement.source import LARGEST_YAML, Door, Reported, Source, read_limited
from pipeline.engagement.values import OwnRules
from pipeline.engagement.wording import printable, shown
from pipeline.errors import EngagementError, Error, UsageError
from pipeline.model import Endpoint, Protocol, Service
from pipeline.ports import ProtocolPorts

_SOMEWHERE: Final = "192.0.2.1"
_NEEDED: Final = ("title", "severity", "why", "remediation")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """A rule as it stands in a file, and where."""

    document: RuleDocument
    source: Source
    at: Keys

    def complain(self, what: str, *, key: str = "id") -> None:
        self.source.complain((*self.at, key), what)

    @property
    def where(self) -> str:
        place = self.source.place((*self.at, "id"))
        return f"{printable(str(self.source.path))}:{place.line}"


# --- whole policies ----------------------------------------------------------------------------


@cache
def our_policy() -> RiskPolicy:
    """The policy that comes with portproof."""
    return read_policy(resources.folder("configs") / "risk.yml")


def read_policy(path: Path) -> RiskPolicy:
    """Read a whole policy. Raises :class:`EngagementError` with every mistake in its form."""
    door = Door(folder=path.parent)
    try:
        version, written = _read(path, door)
        rules = _rules(written, door, known={}, own=False)
    except Reported:
        raise EngagementError(tuple(door.mistakes)) from None
    except ValueError as problem:
        raise Error(str(problem), hint="reinstall portproof") from None
    return RiskPolicy(version=version, rules=rules)


def read_own(name: str, door: Door) -> OwnRules:
    """Read rules of one's own from a file beside the engagement.

    Raises ``ValueError`` with a sentence, or :class:`Reported` for mistakes inside the file.
    """
    before = len(door.files)
    _, written = _read(door.folder / name, door)
    files = "".join(file.sha256 for file in door.files[before:])
    rules = _own(written, door)
    return OwnRules(rules=rules, digest=hashlib.sha256(files.encode()).hexdigest())


def inline_rules(documents: Sequence[RuleDocument], source: Source, at: Keys) -> OwnRules:
    """Rules that stand in the engagement itself. Raises :class:`Reported`."""
    written = _placed(documents, source, at)
    said = json.dumps(source.root.find(at)[0].plain(), sort_keys=True)
    rules = _own(written, source.door)
    return OwnRules(rules=rules, digest=hashlib.sha256(said.encode()).hexdigest())


def with_own(own: OwnRules) -> RiskPolicy:
    """Our policy with the rules of an engagement before it."""
    return combined(our_policy(), own.rules, own.digest)


def check_policy(path: Path | None) -> tuple[RiskPolicy, tuple[Rule, ...]]:
    """The policy with the rules of a file before it, and those rules; without a file ours.

    Raises :class:`Error` with all mistakes. Of ours it tries every example, which a run does not.
    """
    if path is None:
        found = our_policy()
        problems = [*_unreachable(found), *_failing(found, found.rules)]
        if problems:
            raise Error("\n".join(f"{rule.where}: {rule.id}: {what}" for rule, what in problems))
        return found, found.rules
    door = Door(folder=path.parent)
    try:
        own = read_own(path.name, door)
    except Reported:
        raise EngagementError(tuple(door.mistakes)) from None
    except ValueError as problem:
        raise UsageError(str(problem), hint="docs/risk.md tells how to write rules") from None
    return with_own(own), own.rules


# --- files -------------------------------------------------------------------------------------


def _read(path: Path, door: Door) -> tuple[str, list[_Written]]:
    """The rules of a file and of those that it includes, in their order."""
    document, source = _document(path, door)
    written = _placed(document.rules, source, ("rules",))
    for place, name in enumerate(document.include):
        try:
            inner, inner_source = _document(path.parent / name, door)
        except Reported:
            continue
        except ValueError as problem:
            source.complain(("include", place), str(problem))
            continue
        if inner.include:
            inner_source.complain(("include",), "is not read here: this file is included itself")
        written += _placed(inner.rules, inner_source, ("rules",))
    if door.mistakes:
        raise Reported
    if not written:
        source.complain(("rules",), "there is no rule in this file")
        raise Reported
    return document.version or "", written


def _document(path: Path, door: Door) -> tuple[PolicyDocument, Source]:
    source = Source(door=door, path=path)
    return source.validate(PolicyDocument, read_limited(path, LARGEST_YAML)), source


def _placed(documents: Sequence[RuleDocument], source: Source, at: Keys) -> list[_Written]:
    return [
        _Written(document=document, source=source, at=(*at, place))
        for place, document in enumerate(documents)
    ]


# --- rules -------------------------------------------------------------------------------------


def _own(written: Sequence[_Written], door: Door) -> tuple[Rule, ...]:
    known = {rule.id: rule for rule in our_policy().rules}
    rules = _rules(written, door, known=known, own=True)
    places = {each.document.id: each for each in written}
    whole = combined(our_policy(), rules, "")
    found = [*_unreachable(replace(whole, rules=rules)), *_failing(whole, rules)]
    for rule, what in found:
        places[rule.id].complain(what)
    if found:
        raise Reported
    return rules


def _rules(
    written: Sequence[_Written], door: Door, *, known: Mapping[str, Rule], own: bool
) -> tuple[Rule, ...]:
    """Raises :class:`Reported` when one of them is not whole, or two have the same id."""
    before = len(door.mistakes)
    first: dict[str, _Written] = {}
    rules: list[Rule] = []
    for each in written:
        document = each.document
        if document.id in first:
            each.complain(f"is here twice; the first is {first[document.id].where}")
            continue
        first[document.id] = each
        base = known.get(document.id)
        if base is None:
            _complain_of_missing(each)
        if len(door.mistakes) == before:
            rules.append(_rule(each, base, own=own))
    if len(door.mistakes) > before:
        raise Reported
    return tuple(rules)


def _complain_of_missing(each: _Written) -> None:
    document = each.document
    for name in _NEEDED:
        if getattr(document, name) is None:
            each.complain(
                f"has no {name}; only what has the id of one of portproof's rules may leave it out "
                f"(got {shown(document.id)})"
            )
    if document.when is None and document.by_port is None:
        each.complain("matches nothing: it has neither when nor by_port")


def _rule(each: _Written, base: Rule | None, *, own: bool) -> Rule:
    """The rule; what it leaves out is that of ``base``."""
    document = each.document
    old = base or _BLANK
    references = document.references
    return Rule(
        id=document.id,
        title=document.title or old.title,
        concern=document.concern or old.concern,
        conditions=tuple(_conditions(document)) or old.conditions,
        severity=old.severity if document.severity is None else _severity(document.severity),
        why=document.why or old.why,
        remediation=tuple(document.remediation or old.remediation),
        references=References(
            cis=tuple(references.cis), nist=tuple(references.nist), cwe=tuple(references.cwe)
        )
        if references
        else old.references,
        examples=tuple(map(_example, document.examples or ())),
        where=each.where,
        own=own,
    )


_BLANK: Final = Rule(
    id="",
    title="",
    concern=Concern.SERVICE,
    conditions=(),
    severity=dict.fromkeys(Zone, Severity.INFO),
    why="",
    remediation=(),
    references=References(),
)


def _severity(document: Severity | SeverityDocument) -> Mapping[Zone, Severity]:
    if isinstance(document, Severity):
        return dict.fromkeys(Zone, document)
    return {
        Zone.INTERNET: document.internet,
        Zone.DMZ: document.dmz,
        Zone.INTERNAL: document.internal,
    }


def _conditions(document: RuleDocument) -> Iterator[Condition]:
    when = document.when or ()
    for each in (when,) if isinstance(when, ConditionDocument) else when:
        yield _condition(each)
    if document.by_port is not None:
        yield Condition(ports=_ports(document.by_port), unidentified=True)


def _condition(document: ConditionDocument) -> Condition:
    return Condition(
        version=document.version,
        products=tuple(document.product or ()),
        titles=tuple(document.title or ()),
        certificate=frozenset(document.certificate or ()),
        services=frozenset(document.service or ()),
        ports=_ports(document.port) if document.port else Ports(),
        tls=document.tls,
        zones=frozenset(document.zone or ()),
        criticalities=frozenset(document.criticality or ()),
        verdicts=frozenset(document.verdict or ()),
    )


def _ports(ports: ProtocolPorts) -> Ports:
    return Ports(tcp=ports.tcp.explicit, udp=ports.udp.explicit)


def _example(document: ExampleDocument) -> Example:
    ports = document.port
    protocol = Protocol.TCP if ports.tcp else Protocol.UDP
    number = next(iter((ports.tcp if ports.tcp else ports.udp).explicit))
    where = Endpoint.parse(f"{_SOMEWHERE}:{number}/{protocol}")
    service = Service(
        name=document.service or "",
        product=document.product or "",
        version=document.version or "",
        method="probed" if document.service else "",
    )
    place = Position(zone=document.zone, criticality=document.criticality, assumed=False)
    facts = Facts(
        endpoint=where,
        verdict=document.verdict,
        service=service,
        title=document.title or "",
        flaws=frozenset(document.certificate or ()),
        tls=document.tls,
        position=place,
    )
    return Example(facts=facts, severity=document.severity)


# --- what a whole policy does ------------------------------------------------------------------


def _unreachable(policy: RiskPolicy) -> Iterator[tuple[Rule, str]]:
    for rule, above in shadowed(policy):
        yield rule, f"never decides: {above.id} ({above.where}) always goes before it"


def _failing(policy: RiskPolicy, rules: Sequence[Rule]) -> Iterator[tuple[Rule, str]]:
    """Rules that do not decide about an example of their own, or otherwise than it says."""
    for rule in rules:
        for number, example in enumerate(rule.examples, 1):
            found = matches(policy, example.facts)[rule.concern]
            if not found or found[0].rule.id != rule.id:
                other = f"; {found[0].rule.id} does" if found else ""
                yield rule, f"does not decide about its example {number}{other}"
                continue
            come = {risk.rule: risk.severity for risk in assess(policy, example.facts)}
            severity = come.get(rule.id)
            if example.severity is not None and severity is not example.severity:
                yield rule, f"makes {severity or 'no risk'} of its example {number}"
