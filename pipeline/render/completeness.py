"""How much was missed, in sentences: a number with its interval and assumptions, or why none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.decide.completeness import LEAST_OVERLAP, Bound, Estimate, NoEstimate, Why
from pipeline.model import RunState
from pipeline.render.coverage import percentage
from pipeline.render.document import RunDocument
from pipeline.render.language import Phrases, figure, fraction, say
from pipeline.render.text import counted

_FEW: Final = Phrases({0: "none was", 1: "one was"})


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
        if unfinished:
            why = say("There is no estimate of what was missed: the run is not finished.")
        else:
            why = say("There is no estimate of what was missed: no TCP port was asked.")
        return (Told(name="Estimate", sentence=why),)
    return _of_passes(known.passes), _of_sample(known.sample)


def completeness_sentence(document: RunDocument) -> str:
    """What a reader in a hurry should know: the numbers that there are, or why there is none."""
    told = completeness_told(document)
    numbers = [each.sentence for each in told if each.is_number]
    if numbers:
        return " ".join((*numbers, say("Their assumptions are in the report, under its method.")))
    if len(told) == 1:
        return told[0].sentence
    none = say("There is no estimate of what was missed.")
    return " ".join((none, *(each.sentence for each in told)))


def _why(none: NoEstimate) -> str:
    if none.why is Why.OVERLAP_TOO_SMALL:
        return say(
            "Both passes found {both} of the same endpoints; below {least} any number would be a "
            "guess.",
            both=none.both,
            least=LEAST_OVERLAP,
        )
    return say(none.sentence)


def _of_passes(estimate: Estimate | NoEstimate) -> Told:
    name = "Two passes"
    if isinstance(estimate, NoEstimate):
        return Told(name=name, sentence=say("From two passes: {why}", why=_why(estimate)))
    return Told(
        name=name,
        sentence=say(
            "On hosts that answered, two passes found {found}, {both} of them both; by that there "
            "are about {total} ({level}: {low} to {high}).",
            found=counted(estimate.found, "open endpoint"),
            both=estimate.both,
            total=figure(estimate.total),
            level=_level(estimate.level),
            low=estimate.low,
            high=estimate.high,
        ),
        assumptions=tuple(map(say, estimate.assumptions)),
    )


def _of_sample(bound: Bound | NoEstimate) -> Told:
    name = "A random sample"
    if isinstance(bound, NoEstimate):
        return Told(name=name, sentence=say("From a random sample: {why}", why=_why(bound)))
    found = say("{n} were", n=bound.found) if bound.found > 1 else _FEW[bound.found]
    return Told(
        name=name,
        sentence=say(
            "Of {negatives} that nobody called open, {sampled} were drawn at random and asked "
            "again, and {found} open: at {level} confidence no more than {missed} are ({share}).",
            negatives=counted(bound.negatives, "endpoint"),
            sampled=bound.sampled,
            found=found,
            level=_level(bound.level),
            missed=bound.missed,
            share=percentage(bound.missed, bound.negatives),
        ),
        assumptions=tuple(map(say, bound.assumptions)),
    )


def _level(level: float) -> str:
    return fraction(f"{100 * level:g} %")
