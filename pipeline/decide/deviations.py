"""How a run deviates from the list of expected ports, in the words of a comparison.

The list stands for an earlier run that had asked everything, and had found open what is expected:
an open port that is not on it is *opened*, and one that is missing is *closed*, *now-filtered* or
*unreachable* where the run asked, and *not-covered* where it did not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Final

from pipeline.addresses import AddressSet
from pipeline.decide.baseline import ExpectedPorts
from pipeline.decide.compare import Side, compare
from pipeline.model import Change, Endpoint, Protocol, Verdict, VerdictKind

EXPECTED: Final = "expected"
"""The reason code of what a list says."""

_OPEN: Final = (VerdictKind.CONFIRMED, VerdictKind.LIKELY)
_GONE: Final = (VerdictKind.REFUTED, VerdictKind.FILTERED, VerdictKind.UNKNOWN)


def deviations(expected: ExpectedPorts, after: Side, *, within: AddressSet) -> tuple[Change, ...]:
    """The deviations on the addresses of the scope, in the order of endpoints."""

    @cache
    def allowed(protocol: Protocol, port: int) -> AddressSet:
        return expected.allowed(protocol, port)

    return deviating(
        expected.required(within),
        lambda e: e.address in allowed(e.protocol, e.port),
        after,
    )


def deviating(
    required: Iterable[Endpoint], allowed: Callable[[Endpoint], bool], after: Side
) -> tuple[Change, ...]:
    """The deviations from what must be open, and from what may be."""
    there = set(required)
    there |= {
        endpoint
        for endpoint, verdict in after.verdicts.items()
        if verdict.kind not in _GONE and allowed(endpoint)
    }
    before = {endpoint: _open(endpoint, after.verdicts.get(endpoint)) for endpoint in there}
    return compare(Side(verdicts=before, asked=lambda _: True), after)


def _open(endpoint: Endpoint, now: Verdict | None) -> Verdict:
    """Open, and as sure as it is now: how sure it is, is no deviation."""
    kind = now.kind if now is not None and now.kind in _OPEN else VerdictKind.CONFIRMED
    return Verdict(endpoint=endpoint, kind=kind, reason=EXPECTED, confidence=1.0)
