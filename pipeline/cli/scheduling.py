"""Commands about runs at set times: schedule, status."""

from __future__ import annotations

import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, assert_never

import typer

from pipeline.cli.options import (
    DEFAULT_FILE,
    EngagementFile,
    Format,
    Here,
    OutputFormat,
    WorkspaceFolder,
    existing_database,
    seconds_of,
    workspace_of,
)

if TYPE_CHECKING:
    from pipeline.engagement.values import Hours
    from pipeline.scheduling.job import Job, Written
    from pipeline.scheduling.times import Schedule


class Scheduler(StrEnum):
    """What starts runs."""

    SYSTEMD = "systemd"
    CRON = "cron"
    GITHUB = "github"
    GITLAB = "gitlab"
    KUBERNETES = "kubernetes"


def schedule(
    engagement: EngagementFile = DEFAULT_FILE,
    kind: Annotated[
        Scheduler, typer.Option("--as", help="What starts the runs.")
    ] = Scheduler.SYSTEMD,
    at: Annotated[
        str,
        typer.Option(
            "--at", metavar="TIMES", help="Such as 'mon 22:00'; else whenever a window opens."
        ),
    ] = "",
    timezone: Annotated[
        str, typer.Option("--timezone", metavar="ZONE", help="The clock of --at.")
    ] = "",
    folder: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where to write the files.")
    ] = Path(),
    workspace: WorkspaceFolder = None,
    command: Annotated[
        Path | None,
        typer.Option("--command", metavar="PATH", help="portproof there; else this one."),
    ] = None,
    user: Annotated[
        str, typer.Option("--user", metavar="NAME", help="Who scans, for systemd.")
    ] = "portproof",
    image: Annotated[
        str, typer.Option("--image", metavar="NAME", help="The container image to run.")
    ] = "",
    unprivileged: Annotated[
        bool, typer.Option("--unprivileged", help="Without CAP_NET_RAW: plain connections only.")
    ] = False,
) -> int:
    """Write what starts an engagement at set times, and check it. Starts nothing itself."""
    from pipeline.engagement import load
    from pipeline.errors import UsageError
    from pipeline.files import write_whole
    from pipeline.render.text import duration, minute, visible
    from pipeline.scheduling.job import Job
    from pipeline.scheduling.times import due

    now = time.time()
    loaded = load(engagement)
    if kind is Scheduler.KUBERNETES and not image:
        raise UsageError("--image is missing: Kubernetes runs containers")
    lead = loaded.notices.lead_before if loaded.notices else 0.0
    job = Job(
        engagement=loaded.name,
        file=loaded.path,
        workspace=workspace_of(engagement, workspace).folder,
        command=command.absolute() if command else _this_command(),
        beside=(command.resolve(),) if command else _beside_this_command(),
        schedule=_times(loaded.hours, at, timezone, lead),
        user=user,
        image=image,
        raw=not unprivileged,
    )
    job.require_plain()
    files = _files(job, kind)
    for file in files:
        write_whole(folder / file.name, file.text, mode=0o644)
        print(f"written: {visible(str(folder / file.name))}")
    print(f"runs begin {job.schedule}")
    if lead:
        print(
            f"each sends nothing for {duration(lead)} after its notice"
            + (": see that its window is still open then" if at else ", and then its window opens")
        )
    coming = due(job.schedule, now, now + 8 * 86400)
    print(f"the next ones: {', '.join(minute(one) for one in coming[:3])} UTC")
    print(_checked(kind, [folder / file.name for file in files]))
    return 0


def _this_command() -> Path:
    import shutil
    import sys

    beside = Path(sys.executable).parent / "portproof"
    found = beside if beside.exists() else Path(shutil.which("portproof") or beside)
    return found.absolute()


def _beside_this_command() -> tuple[Path, ...]:
    """Where its interpreter and its packages lie: in somebody's home, it may be."""
    import sys

    folders = (sys.prefix, sys.base_prefix, sys.executable, __file__)
    return tuple(Path(folder).resolve() for folder in folders)


def _times(hours: Hours | None, at: str, timezone: str, lead: float) -> Schedule:
    """As somebody says; else when windows open, earlier by what a run waits after its notice."""
    from datetime import UTC

    from pipeline.engagement.fields import parse_zone
    from pipeline.errors import UsageError
    from pipeline.scheduling.times import Schedule, earlier, parse_starts, schedule_of

    try:
        if at:
            zone = parse_zone(timezone) if timezone else hours.zone if hours else UTC
            return Schedule(parse_starts(at), zone)
    except ValueError as problem:
        raise UsageError(f"--at or --timezone: {problem}") from None
    found = schedule_of(hours)
    if found is None:
        raise UsageError(
            "the engagement has no windows of the week to take the times from",
            hint="say when: --at 'mon 22:00'",
        )
    return earlier(found, lead)


def _files(job: Job, kind: Scheduler) -> tuple[Written, ...]:
    from pipeline.scheduling import cron, systemd, yaml_files

    match kind:
        case Scheduler.SYSTEMD:
            return systemd.units(job)
        case Scheduler.CRON:
            return cron.crontab(job)
        case Scheduler.GITHUB:
            return yaml_files.github(job)
        case Scheduler.GITLAB:
            return yaml_files.gitlab(job)
        case Scheduler.KUBERNETES:
            return yaml_files.kubernetes(job)
        case _:
            assert_never(kind)


def _checked(kind: Scheduler, paths: Sequence[Path]) -> str:
    """What the check said. Raises ``ToolError`` where the files are not sound."""
    from pipeline.errors import ToolError
    from pipeline.process import complaints_of_systemd

    if kind is not Scheduler.SYSTEMD:
        return "not checked by its scheduler, which is not here"
    said = complaints_of_systemd([path.absolute() for path in paths])
    if said:
        raise ToolError(f"systemd-analyze verify: {said}", where=str(paths[0]))
    return "systemd-analyze verify: sound" if said == "" else "not checked: no systemd-analyze here"


def status(
    workspace: Here = Path(),
    engagement: Annotated[
        str, typer.Option("--engagement", metavar="NAME", help="Only this engagement.")
    ] = "",
    max_age: Annotated[
        str, typer.Option("--max-age", metavar="TIME", help="How old a complete run may be.")
    ] = "8d",
    prometheus: Annotated[
        Path | None,
        typer.Option("--prometheus", metavar="FILE", help="Write metrics for node_exporter, too."),
    ] = None,
    output: OutputFormat = Format.TEXT,
) -> int:
    """Tell whether the last run is recent and complete: 0 if so, and 1 if not."""
    from pipeline.cli.edge import printing
    from pipeline.cli.resuming import in_use
    from pipeline.errors import ExitCode, UsageError
    from pipeline.files import write_whole
    from pipeline.scheduling import standing as told
    from pipeline.store.outbox import deliveries
    from pipeline.store.runs import Store
    from pipeline.workspace import Workspace

    now, oldest = time.time(), seconds_of(max_age, "--max-age")
    going_on = in_use(Workspace(workspace.absolute()))
    with Store(existing_database(workspace)) as store:
        runs = store.runs()
        sent = deliveries(store)
    names = dict.fromkeys(run.plan.engagement for run in runs)
    if engagement and engagement not in names:
        raise UsageError(f"there is no run of an engagement {engagement!r}", where=str(workspace))
    each = (
        told.standing(
            [run for run in runs if run.plan.engagement == name],
            now=now,
            max_age=oldest,
            going_on=going_on,
            deliveries=sent,
        )
        for name in names
        if name == engagement or not engagement
    )
    found = [one for one in each if one is not None]
    if prometheus is not None:
        write_whole(prometheus.absolute(), told.standing_metrics(found), mode=0o644)
    with printing():
        if output is Format.JSON:
            print(told.standing_json(found, now))
        else:
            print("\n".join(told.standing_lines(found, now)) or "nothing was ever sent from here")
    well = bool(found) and not any(one.problem for one in found)
    return ExitCode.NOTHING_TO_DO if well else ExitCode.ACTION_NEEDED
