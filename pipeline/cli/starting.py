"""Commands before the first packet: init, check, doctor."""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import (
    DEFAULT_FILE,
    EngagementFile,
    Format,
    OutputFormat,
    WorkspaceFolder,
    workspace_of,
)


def init(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to write the engagement.")
    ] = DEFAULT_FILE,
) -> int:
    """Write a commented engagement file to start from; never over an existing one."""
    import shlex
    from datetime import UTC, datetime

    from pipeline.engagement import new_engagement
    from pipeline.errors import UsageError
    from pipeline.files import write_whole

    if os.path.lexists(file):  # a link that leads nowhere is somebody's, too
        raise UsageError(
            "the file exists and was left alone", where=str(file), hint="name another one"
        )
    new = not file.parent.exists()
    write_whole(file, new_engagement(datetime.now(UTC).date()))
    made = f"{file.parent} made, readable by you alone.\n" if new else ""
    print(
        f"{made}{file} written, readable by you alone. Fill in who authorised what, then: "
        f"portproof check {shlex.quote(str(file))}"
    )
    return 0


def check(
    engagement: EngagementFile = DEFAULT_FILE,
    workspace: WorkspaceFolder = None,
    output: OutputFormat = Format.TEXT,
) -> int:
    """Validate an engagement and print what a run would send. Sends nothing to a target."""
    from pipeline.cli.conduct import make_plan, with_netbox
    from pipeline.cli.delivering import deliveries_lines
    from pipeline.cli.planning import preview, preview_lines
    from pipeline.engagement import load
    from pipeline.errors import Error
    from pipeline.orders import stopped
    from pipeline.pinning import pin
    from pipeline.store.runs import Store

    now = time.time()
    loaded = with_netbox(load(engagement, now=now))
    place = workspace_of(engagement, workspace)
    database = place.database
    if database.exists():
        with Store(database) as store:
            plan = make_plan(loaded, store, now=now, workspace=place)
    else:
        plan = make_plan(loaded, None, now=now, workspace=place)
    with contextlib.suppress(Error):  # who may only read here may look all the same
        pin(place, plan, now=now)
    lead = loaded.notices.lead_before if loaded.notices else 0.0
    found = preview(plan, now=now, lead=lead, stopped=stopped(place))
    found["deliveries"] = deliveries_lines(loaded.deliveries)
    if output is Format.JSON:
        print(json.dumps(found, indent=1))
    else:
        print("\n".join(preview_lines(found)))
    return 0


def doctor(
    engagement: Annotated[
        Path | None, typer.Argument(metavar="[ENGAGEMENT]", help="Check this one's needs, too.")
    ] = None,
    output: OutputFormat = Format.TEXT,
) -> int:
    """Look at this machine: tools, versions, privileges, routes, interface, disk."""
    from pipeline.cli.diagnosing import diagnose
    from pipeline.cli.edge import printing
    from pipeline.errors import ExitCode
    from pipeline.render.text import visible

    findings = diagnose(engagement)
    with printing():
        if output is Format.JSON:
            rows = [{"what": f.what, "state": f.state, "text": f.text} for f in findings]
            print(json.dumps(rows))
        else:
            for finding in findings:
                text = visible(finding.text, newlines=True)
                print(f"{finding.state:8} {finding.what:14} {text}")
    broken = any(finding.state == "broken" for finding in findings)
    return ExitCode.FAILED if broken else ExitCode.NOTHING_TO_DO
