"""A small measurement to test with: two classes, two loss rates, as many contestants as wanted."""

from __future__ import annotations

from dataclasses import replace

from fixtures.benchmark.figures import Figures
from fixtures.benchmark.judged import Judged
from fixtures.benchmark.measured import Measured, Run
from fixtures.benchmark.targets import BASE, HELD

GOOD = Figures(open=100, found=100, proven=100, spoken_of=100, packets=1000)
FLAPPING = Figures(unsteady=10, transient=9, spoken_of=10, packets=500)

ENDPOINT = Judged(
    contestant=HELD,
    loss_percent=0.0,
    address="10.0.0.1",
    port=80,
    class_name="flapping",
    state="open",
    allowed=("transient",),
    knowable=True,
    steady=False,
    period=30.0,
    verdict="transient",
    reason="open-then-closed",
    confidence=0.9,
)


def run(contestant: str, loss: float = 0.0, **classes: Figures) -> Run:
    """A run over the class ``mixed`` and ``flapping``, unless told otherwise."""
    told = {"mixed": GOOD, "flapping": FLAPPING} | classes
    return Run(
        contestant=contestant,
        loss_percent=loss,
        seconds=12.3,
        problem="",
        classes=tuple(told.items()),
    )


def measurement(*runs: Run, endpoints: tuple[Judged, ...] = ()) -> Measured:
    """Of these runs."""
    return Measured(
        conditions=(("date", "2026-11-22 12:00 UTC"), ("scanned", "lab difficult, seed 7")),
        rescan_seconds=170.0,
        runs=runs,
        endpoints=endpoints,
    )


def good(loss: float = 0.0) -> Measured:
    """One that reaches every target."""
    flapping = tuple(
        replace(ENDPOINT, port=port, loss_percent=loss, verdict="transient" if port else "likely")
        for port in range(10)
    )
    return measurement(run(HELD, loss), run(BASE, loss), endpoints=flapping)
