"""What the lines of a record say about a run, its tasks and its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pipeline.audit.trail import TASK_ENDED, TASK_STARTED, Trail
from pipeline.decide.permits import Permits
from pipeline.decide.third_parties import ThirdParties
from pipeline.model import Change, TaskRecord, TaskState, Verdict
from pipeline.plan import RunPlan

Facts = dict[str, Any]


def plan_of(run: str, plan: RunPlan, plan_sha256: str) -> Facts:
    """What a run is bound to: who allowed what, and how it is asked."""
    policy = plan.policy
    return {
        "run": run,
        "plan_sha256": plan_sha256,
        "engagement": plan.engagement,
        "engagement_sha256": plan.engagement_sha256,
        "client": plan.client,
        "scope": {
            "included": list(plan.included.networks()),
            "excluded": list(plan.excluded.networks()),
            "addresses": plan.scope.admitted.size,
        },
        "names": {name: list(addresses) for name, addresses in plan.names},
        "ports": plan.ports,
        "profile": plan.profile,
        "vantage": policy.vantage,
        "rate": policy.ceilings.rate,
        "rate_per_host": policy.ceilings.rate_per_host,
        "rate_per_network": policy.ceilings.rate_per_network,
        "methods": [policy.sweep, *policy.methods],
        "evidence": plan.privacy.evidence,
        "signing": bool(plan.signing_key),
        "previous_run": plan.previous_run,
        "notes": list(plan.notes),
        **_assets_of(plan),
        **tools_of(plan.portproof_version, plan.tools),
    }


def _assets_of(plan: RunPlan) -> Facts:
    """Where assets were listed, with the hash of each source and that of what was read."""
    if not plan.assets:
        return {}
    return {
        "assets": [
            {"name": s.name, "kind": s.kind, "sha256": s.sha256, "entries": s.entries}
            for s in plan.assets
        ],
        "inventory_sha256": plan.inventory_sha256,
    }


def tools_of(portproof: str, tools: Iterable[tuple[str, str]]) -> Facts:
    """The versions of what works."""
    return {"portproof": portproof, "tools": dict(tools)}


def authorisation_of(plan: RunPlan) -> Facts:
    """What was checked before anything was sent."""
    return {
        "authorisation": {name: value for name, value in plan.authorisation if value},
        "from": _iso(plan.authorised_from),
        "until": _iso(plan.authorised_until),
        "permits": _permits(plan.permits),
        "third_parties": _third_parties(plan.third_parties),
    }


def _permits(permits: Permits) -> Facts:
    """The bounds of the authorisation; ``null`` where it has none."""
    techniques, targets = permits.techniques, permits.targets
    return {
        "methods": None if techniques is None else sorted(techniques),
        "tcp": None if permits.tcp is None else str(permits.tcp),
        "udp": None if permits.udp is None else str(permits.udp),
        "rate": permits.rate,
        "rate_per_host": permits.rate_per_host,
        "targets": None if targets is None else list(targets.networks()),
    }


def _third_parties(found: ThirdParties) -> Facts:
    """Whose addresses were refused, which policies were acknowledged, and by which files."""
    return {
        "files": [
            {"name": file.name, "sha256": file.sha256, "dated": _iso(file.dated)}
            for file in found.files
        ],
        "refused": [
            {
                "addresses": list(each.addresses.texts()),
                "provider": each.provider,
                "file": each.file,
                "names": list(each.names),
                "why": each.why,
            }
            for each in found.refused
        ],
        "acknowledged": [
            {
                "addresses": list(each.addresses.texts()),
                "provider": each.provider,
                "policy": each.policy,
                "acknowledged_on": each.since,
                "approval": each.approval,
            }
            for each in found.cleared
        ],
    }


def started(record: TaskRecord, packets: int | None = None) -> Facts:
    """A task that is about to be sent. ``packets`` is what it may send at most."""
    task = record.task
    return {
        "task": record.number,
        "attempt": record.attempt,
        "batch": task.batch,
        "stage": task.stage,
        "method": task.method,
        "purpose": task.purpose,
        "round": task.round,
        "protocol": task.protocol,
        "targets": list(task.targets.addresses.texts()),
        "ports": str(task.ports),
        "argv": list(record.argv),
        "rate": record.rate,
        "packets_at_most": packets,
        "folder": record.evidence,
    }


def ended(record: TaskRecord, **counts: int) -> Facts:
    """A task whose answer is filed, or that was given up; ``counts`` of what came back."""
    return {
        "task": record.number,
        "attempt": record.attempt,
        "state": record.state,
        "outcome": record.outcome,
        "folder": record.evidence,
        "evidence_sha256": record.evidence_sha256,
        **counts,
    }


def decided(verdicts: Iterable[Verdict], changes: Iterable[Change] = ()) -> Facts:
    """How many endpoints got which verdict, and how many changed in which way."""
    return {
        "verdicts": dict(Counter(verdict.kind.value for verdict in verdicts)),
        "changes": dict(Counter(change.kind.value for change in changes)),
    }


def tell_again(trail: Trail, records: Iterable[TaskRecord]) -> None:
    """Tell from the ledger what a crash kept out of the record; such lines say ``retold``."""
    for record in records:
        if record.attempt and not trail.knows(TASK_STARTED, record.number, record.attempt):
            trail.add(TASK_STARTED, {**started(record), "retold": True})
        over = record.state in (TaskState.SETTLED, TaskState.FAILED)
        if over and not trail.knows(TASK_ENDED, record.number, record.attempt):
            trail.add(TASK_ENDED, {**ended(record), "retold": True})


def event(kind: str, text: str) -> Facts:
    """An event of the run: a refusal, a pause, a retry, …"""
    return {"event": kind, "text": text}


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")
