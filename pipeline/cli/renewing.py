"""Whether a run may still go on: orders, validity, windows, names and scripts as they are now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pipeline.addresses import Address
from pipeline.engagement import load
from pipeline.engagement.calendars import described, openings_of
from pipeline.errors import Error, NotAuthorised, OutsideWindow, Refused
from pipeline.orders import require_not_stopped
from pipeline.pinning import require_unmoved
from pipeline.plan import RunPlan
from pipeline.render.text import minute
from pipeline.store.records import RunRecord
from pipeline.tools.script_check import require_safe
from pipeline.vantage import survey
from pipeline.windows import STOPPING, Openings
from pipeline.wire import resolve
from pipeline.workspace import Workspace


def resolver(name: str) -> tuple[Address, ...]:
    """The addresses of a name; none when it does not resolve."""
    try:
        return resolve(name, timeout=10)
    except Error:
        return ()


def require_window(plan: RunPlan, *, now: float) -> None:
    """Raise :class:`OutsideWindow` with the time of the next one, unless a window is open."""
    openings = openings_in(plan)
    current = openings.now(now)
    if current is not None and now < current[1] - STOPPING:
        return
    later = openings.after(now)
    if not later:
        raise OutsideWindow(
            "no window is open, and none opens while the authorisation is valid",
            where=plan.engagement_file,
        )
    raise OutsideWindow(
        f"no window is open; the next one opens {minute(later[0][0])} UTC",
        where=plan.engagement_file,
        hint="come back then, or let it wait: --wait-for-window",
    )


def openings_in(plan: RunPlan) -> Openings:
    """When a plan allows scanning, as it was made."""
    whole = ((plan.authorised_from, plan.authorised_until),)
    return Openings(whole if plan.openings is None else plan.openings)


def permitted_by(plan: RunPlan, workspace: Workspace) -> Callable[[float], None]:
    """A check that raises at a time at which the run may not send: stopped, or not authorised."""

    def check(now: float) -> None:
        require_not_stopped(workspace)
        # What runs has to be silent when the authorisation ends.
        if not plan.authorised_from <= now < plan.authorised_until - STOPPING:
            raise NotAuthorised(
                "the authorisation is not valid any more: nothing more is sent",
                hint="have it renewed; `portproof resume` goes on within the new validity",
            )

    return check


def renewed(run: RunRecord, workspace: Workspace, *, now: float, waits: bool = False) -> RunRecord:
    """The run as it may go on now: within validity and windows that the engagement has by now.

    Raises ``NotAuthorised`` outside of the validity, ``OutsideWindow`` outside of every window
    unless the run ``waits`` for one, and :class:`Refused` when everything is stopped, or the file
    has become one about another engagement.
    """
    require_not_stopped(workspace)
    path = Path(run.plan.engagement_file)
    if path.exists():
        engagement = load(path)
        if engagement.name != run.plan.engagement:
            raise Refused(
                f"the file is now about the engagement {engagement.name!r}, and the run about "
                f"{run.plan.engagement!r}",
                where=str(path),
                hint="start a new run",
            )
        allowed = engagement.authorisation
        allowed.require(now)
        run = replace(
            run,
            plan=replace(
                run.plan,
                authorised_from=allowed.valid_from,
                authorised_until=allowed.valid_until,
                openings=openings_of(engagement, now),
                windows=described(engagement.hours),
            ),
        )
    permitted_by(run.plan, workspace)(now)
    require_as_planned(run.plan)
    if not waits:
        require_window(run.plan, now=now)
    return run


def require_as_planned(plan: RunPlan) -> None:
    """Raise :class:`Refused` unless names and scripts are still what they were for the plan.

    ``NotAdmitted`` where a name leads to other addresses.
    """
    require_unmoved(plan, {name: resolver(name) for name, _ in plan.names})
    nmap = survey().tool("nmap") if plan.policy.version_probe else None
    if nmap is not None:
        require_safe(plan.policy.scripts, nmap.path)
