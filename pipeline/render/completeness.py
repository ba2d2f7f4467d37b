"""How much was missed, in sentences: a number with its interval and assumptions, or why none."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.decide.completeness import Bound, Estimate, NoEstimate
from pipeline.model import RunState
from pipeline.render.coverage import percentage
from pipeline.render.document import RunDocument
from pipeline.render.text import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One way to estimate: its ``sentence``; ``assumptions`` is empty where there is no number."""

    name: str
    sentence: str
    assumptions: tuple[str, ...] = ()

    @property
    def is_number(self) -> bool:
        """False where the sentence says why there is no estimate."""
        return bool(self.assumptions)


def completeness_told(document: RunDocument) -> tuple[Told, ...]:
    """Both estimates; one sentence why there are none when the run cannot have any."""
    known = document.completeness
    if known is None:
        unfinished = document.state is not RunState.COMPLETE
        why = "the run is not finished" if unfinished else "no TCP port was asked"
        return (Told(name="Estimate", sentence=f"There is no estimate of what was missed: {why}."),)
    return _of_passes(known.passes), _of_sample(known.sample)


def completeness_sentence(document: RunDocument) -> str:
    """What a reader in a hurry should know: the numbers that there are, or why there is none."""
    told = completeness_told(document)
    numbers = [each.sentence for each in told if each.is_number]
    if numbers:
        return " ".join((*numbers, "Their assumptions are in the report, under its method."))
    if len(told) == 1:
        return told[0].sentence
    return "There is no estimate of what was missed. " + " ".join(each.sentence for each in told)


def _of_passes(estimate: Estimate | NoEstimate) -> Told:
    name = "Two passes"
    if isinstance(estimate, NoEstimate):
        return Told(name=name, sentence=f"From two passes: {estimate.sentence}")
    return Told(
        name=name,
        sentence=(
            f"On hosts that answered, two passes found {counted(estimate.found, 'open endpoint')}, "
            f"{estimate.both:,} of them both; by that there are about {estimate.total:,.0f} "
            f"({_level(estimate.level)}: {estimate.low:,} to {estimate.high:,})."
        ),
        assumptions=estimate.assumptions,
    )


def _of_sample(bound: Bound | NoEstimate) -> Told:
    name = "A random sample"
    if isinstance(bound, NoEstimate):
        return Told(name=name, sentence=f"From a random sample: {bound.sentence}")
    found = {0: "none was", 1: "one was"}.get(bound.found, f"{bound.found:,} were")
    return Told(
        name=name,
        sentence=(
            f"Of {counted(bound.negatives, 'endpoint')} that nobody called open, "
            f"{bound.sampled:,} were drawn at random and asked again, and {found} open: at "
            f"{_level(bound.level)} confidence no more than {bound.missed:,} are "
            f"({percentage(bound.missed, bound.negatives)})."
        ),
        assumptions=bound.assumptions,
    )


def _level(level: float) -> str:
    return f"{100 * level:g} %"
