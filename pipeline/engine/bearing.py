"""How the network bears the run: what its answers tell, and how fast it may go from then on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from pipeline.addresses import AddressSet
from pipeline.budget import Budget
from pipeline.decide.standing import as_of, standings
from pipeline.decide.throttle import Senses, Sign
from pipeline.model import Answer, Evidence, Purpose, Task
from pipeline.render.text import shortened

BORNE_AFTER: Final = 10.0
"""Seconds that a sweep has to last to show that its rate is borne: a burst may pass."""


class Bearing:
    """Slows a run down after a bad sign, and tells of networks that turn it away.

    What turned us away up to ``blocks_told``, in epoch seconds, was told by an earlier process.
    """

    def __init__(
        self, budget: Budget, on_event: Callable[[str, str], None], blocks_told: float
    ) -> None:
        self._budget = budget
        self._on_event = on_event
        self._blocks_told = blocks_told
        self._senses = Senses()
        self._borne = not budget.starting
        self._shy = AddressSet()

    def look_at(self, evidence: Evidence) -> None:
        """Heed what the canaries of a batch tell."""
        if (sign := self._senses.of_canaries(standings(evidence))) is not Sign.GOOD:
            self._heed(sign)
        self._tell_of_blocks(evidence)

    def listen_to(self, task: Task, answer: Answer, seconds: float) -> None:
        """Heed what the answer of a task tells that took so long."""
        sign = self._senses.of_answer(task, answer)
        self._heed(sign, age=seconds)
        if sign is not Sign.GOOD:
            self._borne = False
        elif task.purpose is Purpose.SWEEP and seconds >= BORNE_AFTER:
            self._borne = True

    def must_wait(self, task: Task, running: Iterable[Task]) -> bool:
        """True while a sweep runs of which the answer decides how fast this one may go.

        In the slow start that is any, and one of the same hosts until such a sweep was borne.
        """
        if task.purpose is not Purpose.SWEEP:
            return False
        sweeps = [other for other in running if other.purpose is Purpose.SWEEP]
        if self._budget.starting:
            return bool(sweeps)
        hosts = task.targets.addresses
        return not self._borne and any(other.targets.addresses & hosts for other in sweeps)

    def _heed(self, sign: Sign, *, age: float = 0.0) -> None:
        """Slow down after a bad sign, and go faster where all is well; both are put on record."""
        if self._budget.heed(sign, age=age):
            self._on_event("throttle", f"{sign}: {self._budget.share:.0%} of the rate from now on")

    def _tell_of_blocks(self, evidence: Evidence) -> None:
        """Say once of each network that it turns us away, or deceives us."""
        new = standings(evidence).shy - self._shy
        if new and self._blocks_told > float("-inf"):
            before = standings(as_of(evidence, self._blocks_told)).shy
            self._shy |= before
            new -= before
        if new:
            self._shy |= new
            text = f"canaries fell silent, or something answers for them, in {_some(new)}"
            self._on_event("blocked", f"{text}: it is waited for, and then asked gently")


def _some(networks: AddressSet) -> str:
    """The first three networks of a set."""
    return shortened(networks.networks(), 3)
