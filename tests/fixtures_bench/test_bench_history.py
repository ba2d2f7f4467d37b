"""What the benchmark of the history writes is what the pipeline would have written."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from fixtures.bench_history import (
    ENGAGEMENT,
    Size,
    add_run,
    changes,
    endpoint_of,
    main,
    service_of,
    simulate,
    verdicts_of,
    write,
)
from pipeline.decide.history import Look
from pipeline.model import Endpoint, Verdict, VerdictKind
from pipeline.store.records import Memory
from pipeline.store.runs import Store
from pipeline.store.spells import file_run, histories, occasions

SMALL = Size(hosts=30, ports=4, runs=8, change=0.1)


def kept(store: Store) -> dict[Endpoint, object]:
    return dict(histories(store, occasions(store, ENGAGEMENT)))


def refuted(number: int) -> Verdict:
    where = endpoint_of(number)
    return Verdict(endpoint=where, kind=VerdictKind.REFUTED, reason="refused", confidence=1.0)


def test_the_simulated_spells_are_those_of_the_pipeline(tmp_path: Path) -> None:
    with Store(tmp_path / "simulated.db") as store:
        write(store, simulate(SMALL, Random(7)))
        simulated = kept(store)
    looks: dict[int, Look] = {}
    with Store(tmp_path / "real.db") as store:
        for run, (gone, _new, alive) in enumerate(changes(SMALL, Random(7)), 1):
            add_run(store, run, Memory.NOTHING)
            found = {**verdicts_of(alive), **{endpoint_of(n): refuted(n) for n in gone}}
            looks[run] = Look(run=run, verdicts=found, asked=lambda _: True)
            file_run(store, run, ENGAGEMENT, looks.get, found)
        assert kept(store) == simulated
    assert len(simulated) > SMALL.hosts * SMALL.ports


def test_a_share_of_the_ports_goes_and_as_many_open() -> None:
    for run, (gone, new, alive) in enumerate(changes(SMALL, Random(3))):
        assert len(alive) == len(set(alive)) == SMALL.hosts * SMALL.ports
        if run:
            assert len(gone) == len(new) <= SMALL.hosts * SMALL.ports * SMALL.change / 2


def test_an_endpoint_keeps_its_service() -> None:
    assert service_of(4711) == service_of(4711)
    assert service_of(1).label != service_of(2).label


def test_the_benchmark_says_how_large_the_history_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--hosts", "20", "--runs", "5"]) == 0
    assert "(limit: 500 MB)" in capsys.readouterr().out
