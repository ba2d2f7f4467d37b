"""Which re-scans were asked in doubt, and which only to hear the same twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline.decide.questions import facts_by_host
from pipeline.decide.standing import Standings
from pipeline.decide.verdict import HostFacts, decide
from pipeline.model import Endpoint, Evidence, Observation, Purpose, VerdictKind

FIRST_RESCAN: Final = 2
_IN_DOUBT: Final = frozenset({VerdictKind.LIKELY, VerdictKind.UNRESOLVED, VerdictKind.UNKNOWN})

Heard = Sequence[Observation]


def rescans(heard: Heard) -> list[int]:
    """The rounds in which an endpoint was asked again."""
    found = {o.round for o in heard if o.purpose is Purpose.NAMED and o.round >= FIRST_RESCAN}
    return sorted(found)


class Doubts:
    """Whether an endpoint was in doubt before a round, by what is known of its host in the end.

    What pretends, or was refused once, is asked again only to be heard twice: that is no doubt
    which a delay could settle.
    """

    def __init__(self, evidence: Evidence, known: Standings) -> None:
        self._facts = facts_by_host(evidence, known)
        self._known = known

    def before(self, endpoint: Endpoint, heard: Heard, number: int) -> bool:
        """True when what was heard before this round decided nothing."""
        asked = [o.time for o in heard if o.purpose is Purpose.NAMED and o.round == number]
        before = [
            o
            for o in heard
            if o.time < min(asked) and o.purpose is not Purpose.CONTROL and self._known.trusts(o)
        ]
        facts = self._facts.get(endpoint.address, HostFacts())
        return decide(endpoint, before, facts).kind in _IN_DOUBT
