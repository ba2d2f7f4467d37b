"""Commands about the risk policy: risk explain, risk check, risk list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import Format, Here, OutputFormat, existing_database

if TYPE_CHECKING:
    from pipeline.assessing import Judgement
    from pipeline.decide.risk import Match, Risk
    from pipeline.decide.risk_rules import Concern, Facts, RiskPolicy, Rule
    from pipeline.model import Verdict
    from pipeline.plan import RunPlan
    from pipeline.store.records import RunRecord
    from pipeline.store.runs import Store

risk = typer.Typer(
    name="risk",
    help="Look at the rules by which risks are judged.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@risk.command()
def explain(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="ADDRESS:PORT.")],
    run: Annotated[
        str, typer.Argument(metavar="[RUN]", help="A run's id, `last`, or `last~2`.")
    ] = "last",
    workspace: Here = Path(),
    output: OutputFormat = Format.TEXT,
) -> int:
    """Tell which risk rules match an endpoint of a run, and which of them decide."""
    import json

    from pipeline.assembly import assets_of
    from pipeline.assessing import facts_of, judgement
    from pipeline.cli.edge import complain
    from pipeline.decide.risk import assess, matches
    from pipeline.store.runs import Store

    with Store(existing_database(workspace)) as store:
        record = store.run(run)
        verdict = _verdict_of(endpoint, record, store)
        assets = assets_of(store, record.plan)
    judged_by = judgement(record.plan)
    if judged_by.note:
        complain(judged_by.note)
    asset = assets.of(verdict.endpoint.address) if assets else None
    now = record.ended or record.started
    facts = facts_of(verdict, judged_by.zones, now=now, asset=asset)
    found = matches(judged_by.policy, facts)
    risks = assess(judged_by.policy, facts)
    if output is Format.JSON:
        print(json.dumps(_explained(judged_by, facts, found, risks), indent=1))
    else:
        print("\n".join(_lines(judged_by, facts, found, risks)))
    return 0


def _verdict_of(text: str, record: RunRecord, store: Store) -> Verdict:
    """Raises ``UsageError`` when the run has no verdict on it."""
    from pipeline.cli.endpoints import read_endpoint
    from pipeline.errors import UsageError

    plan: RunPlan = record.plan
    endpoint = read_endpoint(text, dict(plan.names))
    verdict = store.verdicts(record.number).get(endpoint)
    if verdict is None:
        raise UsageError(
            f"run {record.id} has no verdict on {endpoint}",
            hint=f"`portproof show {record.id} {text}` says whether it was asked",
        )
    return verdict


def _lines(
    judged_by: Judgement,
    facts: Facts,
    found: dict[Concern, tuple[Match, ...]],
    risks: Sequence[Risk],
) -> Iterator[str]:
    from pipeline.render.text import counted, visible

    policy = judged_by.policy
    yield f"{facts.endpoint}: {facts.verdict}"
    for name, value in _facts(facts).items():
        yield f"  {name.replace('_', ' ')}: {visible(str(value), 200)}"
    yield f"risk policy {visible(policy.version, 120)}: {counted(len(policy.rules), 'rule')}"
    decides = "decides" if risks else "would decide"  # nothing is open there
    for concern, fits in found.items():
        looked = sum(rule.concern is concern for rule in policy.rules)
        yield f"about the {concern}: {counted(looked, 'rule')} looked at, {len(fits)} matched"
        for fit in fits:
            mark = decides if fit is fits[0] else "gives way"
            whose = ", of the engagement" if fit.rule.own else ""
            because = visible("; ".join(fit.because), 300)
            yield f"  {mark}: {fit.rule.id} ({visible(fit.rule.where, 200)}{whose})"
            yield f"    because {because}"
    yield from _outcome(facts, risks)


def _outcome(facts: Facts, risks: Sequence[Risk]) -> Iterator[str]:
    from pipeline.decide.risk import proof
    from pipeline.render.text import visible

    if proof(facts.verdict) is None:
        yield f"=> no risk: the verdict is {facts.verdict}, and nothing is open there"
        return
    for each in risks:
        yield f"=> {each.severity}: {visible(each.title, 200)}"
        for remark in each.remarks:
            yield f"   {visible(remark, 300)}"
        for number, step in enumerate(each.remediation, 1):
            yield f"   {number}. {visible(step, 1500)}"


def _facts(facts: Facts) -> dict[str, Any]:
    """What was known, without what is not."""
    place = facts.position
    service = facts.service
    known = {
        "service": facts.identified or "not identified",
        "product": service.product if service else "",
        "version": service.version if service else "",
        "title": facts.title,
        "encrypted": "yes" if facts.tls else "no",
        "certificate": ", ".join(sorted(facts.flaws)),
        "zone": f"{place.zone}{' (assumed by its address)' if place.assumed else ''}",
        "criticality": str(place.criticality),
    }
    return {name: value for name, value in known.items() if value}


def _explained(
    judged_by: Judgement,
    facts: Facts,
    found: dict[Concern, tuple[Match, ...]],
    risks: Sequence[Risk],
) -> dict[str, Any]:
    policy = judged_by.policy
    return {
        "endpoint": str(facts.endpoint),
        "verdict": facts.verdict,
        "facts": _facts(facts),
        "policy": policy.version,
        "concerns": [
            {
                "concern": concern,
                "looked_at": sum(rule.concern is concern for rule in policy.rules),
                "matched": [
                    {"rule": fit.rule.id, "where": fit.rule.where, "because": fit.because}
                    for fit in fits
                ],
            }
            for concern, fits in found.items()
        ],
        "risks": [
            {
                "rule": each.rule,
                "severity": each.severity,
                "base_severity": each.base,
                "title": each.title,
                "why": each.why,
                "remediation": each.remediation,
                "open": each.proof,
                "by_port_alone": each.guessed,
                "remarks": each.remarks,
            }
            for each in risks
        ],
    }


@risk.command()
def check(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="A file of your own rules; else portproof's."),
    ] = None,
    output: OutputFormat = Format.TEXT,
) -> int:
    """Validate risk rules: form, rules that can never decide, and every example."""
    import json

    from pipeline.engagement import check_policy
    from pipeline.render.text import counted

    policy, rules = check_policy(file)
    examples = sum(len(rule.examples) for rule in rules)
    if output is Format.JSON:
        print(json.dumps({"policy": policy.version, "rules": len(rules), "examples": examples}))
    else:
        told = f"{counted(len(rules), 'rule')} and {counted(examples, 'example')}"
        print(f"{file or 'the policy of portproof'}: {told} are sound")
        print(f"risk policy {policy.version}")
    return 0


@risk.command("list")
def list_(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="A file of your own rules, to go before the others."),
    ] = None,
    output: OutputFormat = Format.TEXT,
) -> int:
    """List the risk rules, in the order in which they stand."""
    import json

    from pipeline.cli.edge import printing
    from pipeline.cli.looking import print_columns
    from pipeline.engagement import check_policy, our_policy

    policy = our_policy() if file is None else check_policy(file)[0]
    with printing():
        if output is Format.JSON:
            print(json.dumps(_listed(policy), indent=1))
        else:
            print_columns([_HEADINGS, *map(_row, policy.rules)])
    return 0


_HEADINGS = ("rule", "internet", "dmz", "internal", "about", "title")


def _row(rule: Rule) -> tuple[str, ...]:
    from pipeline.decide.risk_rules import Zone

    by_zone = (rule.severity[zone].value for zone in Zone)
    return (rule.id, *by_zone, rule.concern.value, rule.title)


def _listed(policy: RiskPolicy) -> dict[str, Any]:
    return {
        "policy": policy.version,
        "rules": [
            {
                "id": rule.id,
                "title": rule.title,
                "concern": rule.concern,
                "severity": dict(rule.severity),
                "why": rule.why,
                "remediation": rule.remediation,
                "references": {
                    "cis": rule.references.cis,
                    "nist": rule.references.nist,
                    "cwe": rule.references.cwe,
                },
                "own": rule.own,
                "where": rule.where,
            }
            for rule in policy.rules
        ],
    }
