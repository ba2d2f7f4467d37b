"""The command that writes a site over all runs of a workspace: portal."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import Here, existing_database

if TYPE_CHECKING:
    from pipeline.render.branding import Branding
    from pipeline.render.portal import Book, Latest, Row
    from pipeline.store.listing import Illegible
    from pipeline.store.records import RunRecord
    from pipeline.store.runs import Store
    from pipeline.workspace import Workspace


def portal(
    workspace: Here = Path(),
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The folder of the site; else portal/ there."),
    ] = None,
) -> int:
    """Write a static site over all runs of a workspace; sends nothing."""
    from pipeline.render.text import counted
    from pipeline.store.runs import Store
    from pipeline.workspace import Workspace

    database = existing_database(workspace)
    folder = (workspace / "portal" if output is None else output).absolute()
    with Store(database) as store:
        site = _Site(store=store, place=Workspace(workspace.absolute()), folder=folder)
        site.write()
    print(folder / "index.html")
    changed = sum(site.files.values())
    print(
        f"{counted(len(site.files), 'file')}, {changed:,} of them new or changed", file=sys.stderr
    )
    return 0


@dataclass(slots=True, kw_only=True)
class _Site:
    """The pages of one workspace in one folder; ``files`` by name: whether it was written now."""

    store: Store
    place: Workspace
    folder: Path
    files: dict[str, bool] = field(default_factory=dict)

    def write(self) -> None:
        """All pages, those that link to others last."""
        from pipeline.render.portal import book_html, index_html
        from pipeline.store.listing import every_run
        from pipeline.store.purge import change_counts

        by_name: dict[str, list[RunRecord | Illegible]] = defaultdict(list)
        for run in every_run(self.store):
            by_name[_engagement(run)].append(run)
        changes = change_counts(self.store)
        books = [self._book(name, runs, changes) for name, runs in sorted(by_name.items())]
        for book in books:
            if book.page:
                self._put(book.page, book_html(book))
        self._put("index.html", index_html(tuple(books)))

    def _put(self, name: str, content: str | bytes) -> None:
        from pipeline.files import write_if_other

        self.files[name] = write_if_other(self.folder / name, content)

    def _book(
        self,
        name: str,
        runs: list[RunRecord | Illegible],
        changes: dict[int, dict[str, int]],
    ) -> Book:
        from pipeline.render.portal import in_words_of

        newest = runs[-1]
        branding = _branding(newest)
        with in_words_of(branding):
            return self._in_words(name, runs, changes, branding)

    def _in_words(
        self,
        name: str,
        runs: list[RunRecord | Illegible],
        changes: dict[int, dict[str, int]],
        branding: Branding,
    ) -> Book:
        from pipeline.render.portal import Book, fit_for_a_name
        from pipeline.store.records import RunRecord

        rows: list[Row] = []
        before: RunRecord | None = None
        for run in runs:
            if not isinstance(run, RunRecord):
                rows.append(_illegible(run))
                continue
            rows.append(self._row(run, before, changes.get(run.number)))
            before = run if _complete(run) else before
        latest, problem = self._latest(before)
        first = next((run.id for run in runs if fit_for_a_name(run.id)), "")
        newest = runs[-1]
        return Book(
            page=f"engagement-{first}.html" if first else "",
            client=branding.client
            or (newest.plan.client if isinstance(newest, RunRecord) else newest.client),
            engagement=name,
            rows=tuple(reversed(rows)),
            latest=latest,
            problem=problem,
            branding=branding,
        )

    def _row(self, run: RunRecord, before: RunRecord | None, changes: dict[str, int] | None) -> Row:
        from pipeline.render.portal import Row, note_of

        counts = self.store.count_verdicts(run.number)
        imported = [file.name for file in run.plan.imported]
        return Row(
            id=run.id,
            started=run.started,
            state=run.state,
            note=note_of(run.stopped_because, imported, purged=run.purged is not None),
            counts=tuple((kind, number) for kind, number in counts.items() if number),
            changes=None if changes is None else tuple(changes.items()),
            report=self._report(run),
            diff=self._difference(before, run),
        )

    def _report(self, run: RunRecord) -> str:
        """A link to the report of a run: as it lies in the workspace, or to a copy of it."""
        from pipeline.render.portal import fit_for_a_name

        path = self.place.run_folder(run.id) / "report.html"
        if not fit_for_a_name(run.id) or not path.is_file():
            return ""
        if self.folder.resolve().is_relative_to(self.place.folder.resolve()):
            return os.path.relpath(path.resolve(), self.folder.resolve())
        name = f"report-{run.id}.html"
        try:
            content = path.read_bytes()
        except OSError:  # no longer there, or not for us: the others are
            return ""
        self._put(name, content)
        return name

    def _difference(self, before: RunRecord | None, run: RunRecord) -> str:
        """A link to the page of what changed since the complete run before; empty without one."""
        from pipeline.cli.differing import between
        from pipeline.decide.noise import Wishes
        from pipeline.errors import Error
        from pipeline.render.difference_html import diff_html
        from pipeline.render.language import ENGLISH, speaking
        from pipeline.render.portal import fit_for_a_name

        ids = (before.id, run.id) if before is not None else ()
        if before is None or not _complete(run) or not all(map(fit_for_a_name, ids)):
            return ""
        name = f"diff-{before.id}-{run.id}.html"
        try:
            found = between(self.store, before, run, Wishes(), now=run.started)
        except Error:  # its evidence was purged; a page from before then still holds
            return name if (self.folder / name).is_file() else ""
        with speaking(ENGLISH):
            self._put(name, diff_html(found))
        return name

    def _latest(self, run: RunRecord | None) -> tuple[Latest | None, str]:
        """What the newest complete run says; or why it says nothing."""
        from pipeline.assembly import assemble
        from pipeline.errors import Error
        from pipeline.render.portal import Latest, evidence_gone, none_complete, not_read
        from pipeline.render.risks import risk_counts, risk_entries
        from pipeline.render.summary import summarise

        if run is None:
            return None, none_complete()
        if run.purged is not None:
            return None, evidence_gone(run.id)
        try:
            document = assemble(self.store, run)
        except (Error, ValueError, KeyError) as problem:
            return None, not_read(run.id, problem)
        latest = Latest(
            run=run.id,
            report=self._report(run),
            summary=summarise(document),
            risk_counts=risk_counts(document.findings),
            risks=risk_entries(document.findings),
            trends=document.trends,
        )
        return latest, ""


def _engagement(run: RunRecord | Illegible) -> str:
    from pipeline.store.records import RunRecord

    return run.plan.engagement if isinstance(run, RunRecord) else run.engagement


def _complete(run: RunRecord) -> bool:
    from pipeline.model import RunState

    return run.state is RunState.COMPLETE


def _illegible(run: Illegible) -> Row:
    from pipeline.render.portal import UNREADABLE, Row, unreadable_note

    return Row(id=run.id, started=run.started, state=UNREADABLE, note=unreadable_note())


def _branding(newest: RunRecord | Illegible) -> Branding:
    """As its engagement says now, for the whole page of it."""
    from pipeline.engagement import branding_now
    from pipeline.render.branding import Branding
    from pipeline.store.records import RunRecord

    if not isinstance(newest, RunRecord):
        return Branding()
    return branding_now(Path(newest.plan.engagement_file), newest.plan.engagement)
