"""A store on disk, a run in it, and a ledger of that run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from pipeline.ledger import Ledger
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from tests.decide.making import PLAN, START

# A busy machine is no bug: how long one example takes is not what is tested.
settings.register_profile("portproof", deadline=None)
settings.load_profile("portproof")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "portproof.db") as opened:
        yield opened


@pytest.fixture
def run(store: Store) -> RunRecord:
    return store.create_run(PLAN, run_id="20261103T020000Z-0000", now=START)


@pytest.fixture
def ledger(store: Store, run: RunRecord) -> Ledger:
    return Ledger(store, run)
