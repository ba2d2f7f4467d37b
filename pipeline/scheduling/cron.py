"""Lines for crontab(5)."""

from __future__ import annotations

import shlex

from pipeline.scheduling.job import Job, Written, cron_of


def crontab(job: Job) -> tuple[Written, ...]:
    """``NAME.cron``, to be put into the crontab of who scans."""
    # cron ends the command at a percent sign, unless a backslash stands before it.
    command = shlex.join(job.argv()).replace("%", "\\%")
    lines = [
        f"# portproof: {job.engagement}, {job.schedule}",
        "# cronie reads the hours on this clock. A cron that does not know CRON_TZ (Debian's)",
        "# reads them on that of the machine: put them right then. Nothing is sent outside of the",
        "# windows in either case.",
        f"CRON_TZ={job.schedule.zone}",
        *(f"{cron_of(start)} {command}" for start in job.schedule.starts),
    ]
    return (Written(name=f"{job.name}.cron", text="\n".join(lines) + "\n"),)
