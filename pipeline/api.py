"""Stored runs for people's own scripts. Nothing here sends a packet.

::

    from pipeline.api import open_workspace

    with open_workspace("first") as workspace:
        run = workspace.run("last")
        for verdict in run.verdicts():
            print(verdict.endpoint, verdict.kind, verdict.confidence)

What this module has will stay; everything else of the package may change.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.assembly import assemble
from pipeline.decide.coverage import Coverage
from pipeline.errors import UsageError
from pipeline.model import Change, ChangeKind, Endpoint, RunState, Verdict, VerdictKind
from pipeline.render.document import RunDocument
from pipeline.render.nmap_xml import render_nmap_xml, render_plain_nmap_xml
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from pipeline.workspace import Workspace

__all__ = [
    "Change",
    "ChangeKind",
    "Endpoint",
    "OpenWorkspace",
    "RunState",
    "StoredRun",
    "Verdict",
    "VerdictKind",
    "open_workspace",
]


def open_workspace(path: str | Path = ".") -> OpenWorkspace:
    """Open the folder in which ``portproof.db`` lies; a database of an older version is renewed.

    A run may go on meanwhile. Raises :class:`~pipeline.errors.UsageError` when there is no
    database, and :class:`~pipeline.errors.StoreError` when it cannot be used.
    """
    database = Workspace(Path(path).absolute()).database
    if not database.exists():
        raise UsageError("there is no portproof.db here, so no run either", where=str(path))
    return OpenWorkspace(Store(database))


class OpenWorkspace:
    """The runs of one workspace; a context manager that closes the database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __enter__(self) -> OpenWorkspace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database. Runs that were taken out can no longer be asked for anything new."""
        self._store.close()

    def runs(self, engagement: str | None = None) -> tuple[StoredRun, ...]:
        """All runs, the oldest first; only those of one engagement when it is named."""
        return tuple(StoredRun(self._store, record) for record in self._store.runs(engagement))

    def run(self, reference: str = "last") -> StoredRun:
        """The run of that id, or ``last``, or ``last~2`` for two before it.

        Raises :class:`~pipeline.errors.UsageError` when there is none.
        """
        return StoredRun(self._store, self._store.run(reference))


@dataclass(frozen=True, slots=True, eq=False)
class StoredRun:
    """One run. Every answer is read from the database when it is asked for.

    Texts that came from the network are as they came: a script that prints them should pass them
    through ``pipeline.render.text.visible``.
    """

    _store: Store = field(repr=False)
    _record: RunRecord = field(repr=False)

    @property
    def id(self) -> str:
        """What ``portproof runs`` calls it."""
        return self._record.id

    @property
    def client(self) -> str:
        """Whose network it was."""
        return self._record.plan.client

    @property
    def engagement(self) -> str:
        """The name of the engagement."""
        return self._record.plan.engagement

    @property
    def state(self) -> RunState:
        """Whether it is complete."""
        return self._record.state

    @property
    def started(self) -> float:
        """Seconds since the epoch, UTC."""
        return self._record.started

    @property
    def ended(self) -> float | None:
        """Seconds since the epoch, UTC; ``None`` while it has not ended."""
        return self._record.ended

    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts, in the order of endpoints."""
        return tuple(self._store.verdicts(self._record.number).values())

    def verdict(self, endpoint: str | Endpoint) -> Verdict | None:
        """The verdict on ``10.0.0.7:443`` or ``10.0.0.7:53/udp``, if there is one."""
        wanted = Endpoint.parse(endpoint) if isinstance(endpoint, str) else endpoint
        return self._store.verdicts(self._record.number).get(wanted)

    def changes(self) -> tuple[Change, ...]:
        """What changed since the run that it was compared with; none when there was no such run."""
        comparison = self._store.comparison(self._record.number)
        return comparison.changes if comparison is not None else ()

    def asked(self, endpoint: str | Endpoint) -> bool:
        """True when the run asked about the endpoint; else it knows nothing about it."""
        wanted = Endpoint.parse(endpoint) if isinstance(endpoint, str) else endpoint
        document = self.document()
        return Coverage(document.tasks, document.holes, document.refusals).asked(wanted)

    def document(self) -> RunDocument:
        """Everything that a report says, as values. Its shape may change between versions."""
        return assemble(self._store, self._record)

    def as_nmap_xml(self, *, plain: bool = False) -> str:
        """The run as nmap's XML; ``plain`` without any script, for ndiff."""
        render = render_plain_nmap_xml if plain else render_nmap_xml
        return render(self.document())

    def as_nmap_report(self) -> Any:
        """The run as python-libnmap's ``NmapReport``."""
        from libnmap.parser import NmapParser

        return NmapParser.parse_fromstring(self.as_nmap_xml())

    def as_python_nmap(self) -> dict[str, Any]:
        """The run as the dictionary that python-nmap makes of a scan: ``["scan"][address]``."""
        from nmap import PortScanner  # type: ignore[import-untyped,unused-ignore]

        # Its constructor starts nmap to ask for the version, past our own door.
        scanner = PortScanner.__new__(PortScanner)
        scanner._nmap_last_output = ""
        return dict(scanner.analyse_nmap_xml_scan(self.as_nmap_xml()))
