"""Tell people about a run while it is conducted, and put on record who was told."""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from pipeline.cli.console import Console
from pipeline.cli.resuming import how_to_resume
from pipeline.engagement.loading import notice_settings
from pipeline.errors import Error, Refused
from pipeline.notices.post import Post
from pipeline.notices.sending import Delivered
from pipeline.notices.settings import NoticeKind
from pipeline.notices.wording import Notice, written
from pipeline.plan import RunPlan
from pipeline.render.document import RunDocument
from pipeline.render.text import minute, shortened
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from pipeline.windows import Openings
from pipeline.workspace import Workspace

EVENT: Final = "notice"
"""The kind of the events that say what became of notices."""
_DAY: Final = 86400.0
_EVENTS: Final = {
    "task": NoticeKind.STARTED,
    "paused": NoticeKind.PAUSED,
    "continued": NoticeKind.CONTINUED,
    "blocked": NoticeKind.BLOCKED,
}
_NETWORKS: Final = 5


class Teller:
    """The notices of one run. Where the engagement has none, nothing is done."""

    def __init__(
        self, run: RunRecord, workspace: Workspace, store: Store, console: Console
    ) -> None:
        self._run = run
        self._workspace = workspace
        self._store = store
        self._console = console
        path, text = run.plan.engagement_file, run.plan.engagement_text
        self._settings = notice_settings(path, text, run.plan.engagement)
        self._post = Post(self._settings) if self._settings else None
        self._begun = False

    def before(self, openings: Openings) -> float:
        """Say that a run is coming; returns when it may begin, in epoch seconds.

        Once for each run. Raises :class:`Refused` when it is required, and not taken everywhere.
        """
        settings, now = self._settings, time.time()
        if self._post is None or settings is None or NoticeKind.BEFORE not in settings.on:
            return now
        taken = self._taken(NoticeKind.BEFORE)
        if len(taken) >= (settings.channels if settings.required else 1):
            return now
        begins, ends = _time_of(self._run.plan, openings, now + settings.lead)
        notice = self._notice(NoticeKind.BEFORE, now=now, begins=begins, ends=ends)
        found = self._post.send_now(notice) if notice else ()
        self._file([(NoticeKind.BEFORE, each) for each in found])
        if settings.required and not (found and all(not each.problem for each in found)):
            raise Refused(
                "the notice before the run was not taken everywhere: nothing is sent",
                hint="the log of the run says why; put it right and go on with `portproof resume`",
            )
        return now + settings.lead

    def event(self, kind: str, text: str) -> None:
        """Pass on what is to be told. A run begins with its first task."""
        known = _EVENTS.get(kind)
        if known is NoticeKind.STARTED:
            if not self._begun:
                self._begun = True
                self.tell(known)
        elif known is NoticeKind.CONTINUED and not self._begun:
            return
        elif known is not None:
            self.tell(known, text=text)

    def tell(self, kind: NoticeKind, **facts: Any) -> None:
        """Put a notice on its way."""
        settings = self._settings
        if self._post is None or settings is None:
            return
        if kind in settings.on:
            notice = self._notice(kind, now=time.time(), **facts)
            if notice is not None:
                self._post.send(notice)
        self.hear()

    def hear(self) -> None:
        """File what became of notices that were on their way."""
        if self._post is not None:
            self._file((n.kind, found) for n, found in self._post.heard())

    def finished(self, document: RunDocument, *, act: bool) -> bool:
        """Say what was found, and wait for all notices. True when that put something on record."""
        comparison = document.comparison
        self.tell(
            NoticeKind.FINISHED,
            act=act,
            verdicts=dict(Counter(f.verdict.kind.value for f in document.findings)),
            compared=comparison is not None,
            changes=dict(Counter(c.kind.value for c in comparison.changes)) if comparison else {},
        )
        return self.close()

    def failed(self, because: str) -> None:
        """Say that a run did not come to its end, and wait for all notices."""
        with contextlib.suppress(Error):  # a full disk must not hide why
            self.tell(NoticeKind.FAILED, text=because, resume=self._resume())
            self.close()

    def close(self) -> bool:
        """Wait for what is on its way. True when that put something on record."""
        found = self._post.close() if self._post is not None else []
        self._file((notice.kind, delivered) for notice, delivered in found)
        return bool(found)

    def _taken(self, kind: NoticeKind) -> set[str]:
        """The channels that took a notice of this kind, of this run, at any time."""
        head = f"{_head(kind)} {_TAKEN} "
        events = (e.text for e in self._store.events(self._run.number) if e.kind == EVENT)
        return {text.removeprefix(head) for text in events if text.startswith(head)}

    def _resume(self) -> str:
        text = how_to_resume(self._run, self._workspace)
        return f"{text[0].upper()}{text[1:]}."

    def _notice(
        self,
        kind: NoticeKind,
        *,
        now: float,
        begins: float | None = None,
        ends: float | None = None,
        **facts: Any,
    ) -> Notice | None:
        assert self._settings is not None
        if begins is not None and ends is not None:
            facts |= {"begins": minute(begins), "ends": minute(ends)}
        facts |= _facts(self._run, self._workspace)
        try:
            title, body = written(kind, facts, self._settings.templates)
        except Error as error:
            where = f"{error.where}: " if error.where else ""
            self._file([(kind, Delivered(channel="template", problem=where + error.what))])
            return None
        return Notice(
            kind=kind,
            run=self._run.id,
            title=title,
            body=body,
            now=now,
            begins=begins,
            ends=ends,
        )

    def _file(self, found: Iterable[tuple[NoticeKind, Delivered]]) -> None:
        for kind, delivered in found:
            result = f"not taken by {delivered.channel}: {delivered.problem}"
            if not delivered.problem:
                result = f"{_TAKEN} {delivered.channel}"
            text = f"{_head(kind)} {result}"
            self._store.add_event(self._run.number, EVENT, text, now=time.time())
            self._console.event("notice failed" if delivered.problem else EVENT, text)


_TAKEN: Final = "was taken by"


def _head(kind: NoticeKind) -> str:
    return f"{kind!s}:"


def _time_of(plan: RunPlan, openings: Openings, earliest: float) -> tuple[float, float]:
    """When packets may be sent: from the first opening on, to its close or for a day."""
    current = openings.now(earliest)
    later = openings.after(earliest)
    opens, closes = current or (later[0] if later else (earliest, plan.authorised_until))
    begins = max(opens, earliest)
    return begins, min(closes, plan.authorised_until, begins + _DAY)


def _facts(run: RunRecord, workspace: Workspace) -> dict[str, Any]:
    """What every template knows."""
    plan = run.plan
    allowed = dict(plan.authorisation)
    ceilings = plan.policy.ceilings
    return {
        "client": plan.client,
        "engagement": plan.engagement,
        "reference": allowed.get("reference", ""),
        "signatory": allowed.get("signatory", ""),
        "run": run.id,
        "addresses": plan.scope.admitted.size,
        "networks": shortened(plan.scope.admitted.networks(), _NETWORKS),
        "ports": plan.ports,
        "vantage": plan.policy.vantage,
        "host": os.uname().nodename,
        "rate": ceilings.rate,
        "rate_per_host": ceilings.rate_per_host,
        "notes": list(plan.notes),
        "workspace": str(workspace.folder),
        "folder": str(workspace.run_folder(run.id)),
    }
