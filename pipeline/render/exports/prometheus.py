"""A run as metrics for the textfile collector of Prometheus' node_exporter (text format 0.0.4).

The numbers of an engagement have the same labels in every run, so that a graph goes on from run to
run; which run it was is told by ``portproof_run_info`` alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.model import ChangeKind, RunState, VerdictKind
from pipeline.render.document import RunDocument
from pipeline.render.risks import risk_counts
from pipeline.render.text import visible


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """One metric; ``samples`` are (labels, value) pairs."""

    name: str
    meaning: str
    samples: tuple[tuple[Mapping[str, str], str], ...]


def gauges_text(gauges: Iterable[Gauge]) -> str:
    """The metrics one after the other; no label can end its text or its line."""
    lines = []
    for gauge in gauges:
        lines += [f"# HELP {gauge.name} {gauge.meaning}", f"# TYPE {gauge.name} gauge"]
        for labels, value in gauge.samples:
            told = ",".join(f'{name}="{_label(text)}"' for name, text in labels.items())
            lines.append(f"{gauge.name}{{{told}}} {value}")
    return "\n".join(lines) + "\n"


def render_prometheus(document: RunDocument) -> str:
    """The numbers of the run; what is not known is left out."""
    return gauges_text(_gauges(document))


def _gauges(document: RunDocument) -> Iterator[Gauge]:
    of = {"engagement": document.engagement}
    info = {**of, "run": document.run, "version": document.portproof_version}
    yield _one("info", "Which run it was, and by which version.", info, 1)
    yield _one("complete", "Whether it is complete.", of, int(document.state is RunState.COMPLETE))
    yield _one("start_seconds", "When it began, as epoch seconds.", of, round(document.started))
    if document.ended is not None:
        yield _one("end_seconds", "When it ended, as epoch seconds.", of, round(document.ended))
    verdicts = Counter(str(finding.verdict.kind) for finding in document.findings)
    yield _many("endpoints", "Endpoints by verdict.", of, "verdict", VerdictKind, verdicts)
    risks = {str(count.severity): count.endpoints for count in risk_counts(document.findings)}
    yield _many("risks", "Endpoints by their severest risk.", of, "severity", risks, risks)
    gaps = sum(gap.endpoints for gap in document.gaps)
    yield _one("not_covered_endpoints", "Endpoints that were not covered.", of, gaps)
    if document.comparison is not None:
        changes = Counter(str(change.kind) for change in document.comparison.changes)
        meaning = "Changes since the run that it is compared with."
        yield _many("changes", meaning, of, "kind", ChangeKind, changes)
    if document.packets is not None:
        yield _one("packets", "Packets sent, where the tools tell it.", of, document.packets)


def _one(name: str, meaning: str, labels: Mapping[str, str], value: int) -> Gauge:
    return Gauge(name=f"portproof_run_{name}", meaning=meaning, samples=((labels, str(value)),))


def _many(
    name: str,
    meaning: str,
    labels: Mapping[str, str],
    by: str,
    kinds: Iterable[str],
    counts: Mapping[str, int],
) -> Gauge:
    """One sample for each kind, also where there is none of it: a graph has no holes."""
    samples = tuple(({**labels, by: str(kind)}, str(counts.get(str(kind), 0))) for kind in kinds)
    return Gauge(name=f"portproof_run_{name}", meaning=meaning, samples=samples)


def _label(text: str) -> str:
    shown = visible(text, newlines=True)
    return shown.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
