"""The fixtures of the command line, and a run whose record can be spoiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.audit.checking import Checked, Known, check
from pipeline.ledger import Ledger
from pipeline.store.runs import Store
from tests.cli.conftest import _one_run, finished, portproof
from tests.cli.ground import the_run

__all__ = ["_one_run", "finished", "portproof"]


class Recorded:
    """A finished run: its folder, and what the database knows about it."""

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self.folder = the_run(workspace)
        self.record = self.folder / "audit.jsonl"
        with Store(workspace / "portproof.db") as store:
            run = store.run("last")
            self.known = Known(
                run=run.id, audit=store.audit(run.number), tasks=Ledger(store, run).tasks()
            )

    def by_folder(self) -> Checked:
        """What a check of the folder alone finds."""
        return check(self.folder, known=None, signers=None)

    def by_database(self) -> Checked:
        """What a check finds that knows the database."""
        return check(self.folder, known=self.known, signers=None)


@pytest.fixture
def recorded(finished: Path) -> Recorded:
    """A copy of a finished run."""
    return Recorded(finished)
