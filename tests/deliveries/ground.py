"""Stored runs with destinations, and a clock that tests turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.decide.risk_rules import Severity
from pipeline.deliveries.items import Draft, Item
from pipeline.deliveries.settings import Destination, Trust, Web
from pipeline.delivering import Outside
from pipeline.store.outbox import deliveries, filing
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from tests.cli.past import file_run, found
from tests.decide.making import PLAN
from tests.deliveries.conftest import LOOPBACK

NOW = 1_793_800_000.0


@dataclass
class Clock:
    """The time of day, in a test's hand."""

    now: float = NOW
    pauses: Sequence[float] = (0.0, 0.0)
    around: Outside = field(init=False)

    def __post_init__(self) -> None:
        self.around = Outside(wall=lambda: self.now, host="scanner.example.com", pauses=self.pauses)


def an_item(number: int, text: str = '{"x": 1}') -> Item:
    return Item(id=f"run portproof {number}", time=NOW, severity=Severity.HIGH, text=text)


def a_draft(number: int, text: str = '{"x": 1}') -> Draft:
    item = an_item(number, text)
    return Draft(id=item.id, time=item.time, severity=item.severity, write=lambda: item.text)


def written(drafts: Iterable[Draft]) -> tuple[Item, ...]:
    return tuple(draft.item() for draft in drafts)


def at(port: int, *, tls: bool = False, path: str = "", ca: Path | None = None) -> Web:
    return Web(host=LOOPBACK, port=port, tls=tls, path=path, trust=Trust(ca=ca))


def a_run(store: Store, *, id_: str = "r1", engagement_text: str = "") -> RunRecord:
    """Two open ports, so three events. Without a text, the engagement knows no destination."""
    plan = replace(PLAN, engagement_text=engagement_text)
    return file_run(store, id_, [found(f"192.0.2.1:{port}") for port in (22, 80)], plan=plan)


def in_the_outbox(
    store: Store, run: RunRecord, *destinations: Destination, now: float = NOW
) -> Callable[[RunRecord], tuple[Destination, ...]]:
    """File deliveries of a run; returns what answers for the engagement."""
    with store.transaction() as connection:
        for statement in filing(run.number, [one.name for one in destinations], now=now):
            connection.execute(statement)
    return lambda _: destinations


def states(store: Store) -> dict[str, str]:
    """Destination and run to state."""
    return {f"{one.destination} {one.run_id}": str(one.state) for one in deliveries(store)}
