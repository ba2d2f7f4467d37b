"""A service and a timer of systemd, in which portproof has one capability and one folder.

Sources: systemd.service(5), systemd.exec(5), systemd.time(7).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.scheduling.job import Job, Written
from pipeline.scheduling.times import Start, days_text

_HARDENING = """\
NoNewPrivileges=yes
ProtectSystem=strict
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
UMask=0077
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
"""


def units(job: Job) -> tuple[Written, ...]:
    """``NAME.service`` and ``NAME.timer``, for /etc/systemd/system."""
    return (
        Written(name=f"{job.name}.service", text=_service(job)),
        Written(name=f"{job.name}.timer", text=_timer(job)),
    )


def _service(job: Job) -> str:
    families = "AF_UNIX AF_INET AF_INET6 AF_NETLINK" + (" AF_PACKET" if job.raw else "")
    capability = "CAP_NET_RAW" if job.raw else ""
    lines = [
        "[Unit]",
        f"Description=Port scan: {_specified(job.engagement)}",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        "Type=oneshot",
        f"User={job.user}",
        f"ExecStart={_command(job.argv())}",
        "# 1: there is something to act on. Not a failure of the service.",
        "SuccessExitStatus=1",
        "# portproof brings its scanners to their end by itself.",
        "KillMode=mixed",
        "TimeoutStopSec=5min",
        f"AmbientCapabilities={capability}",
        f"CapabilityBoundingSet={capability}",
        f"ReadWritePaths={_quoted(_specified(str(job.workspace)))}",
        *_homes(job),
        f"RestrictAddressFamilies={families}",
    ]
    return "\n".join(lines) + "\n" + _HARDENING


def _homes(job: Job) -> Iterator[str]:
    paths = (job.file, job.workspace, job.command, *job.beside)
    at_home = _any_below(paths, ("/home", "/root", "/run/user"))
    yield f"ProtectHome={'read-only' if at_home else 'yes'}"
    # A private /tmp would hide what lies in the real one.
    yield f"PrivateTmp={'no' if _any_below(paths, ('/tmp', '/var/tmp')) else 'yes'}"  # noqa: S108 -- asked about, not used


def _any_below(paths: Iterable[Path], folders: Iterable[str]) -> bool:
    return any(path.is_relative_to(folder) for path in paths for folder in folders)


def _timer(job: Job) -> str:
    lines = [
        "[Unit]",
        f"Description=Port scan at set times: {_specified(job.engagement)}",
        "",
        "[Timer]",
        *(f"OnCalendar={_calendar(start)} {job.schedule.zone}" for start in job.schedule.starts),
        "# What was missed while the machine was off is made up for.",
        "Persistent=true",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return "\n".join(lines) + "\n"


def _calendar(start: Start) -> str:
    days = "" if len(start.days) == 7 else f"{days_text(start.days, '..', ',').title()} "
    return f"{days}*-*-* {start.clock}:00"


def _command(argv: tuple[str, ...]) -> str:
    # The first word is a path, in which systemd expands % and not $.
    first, *rest = map(_specified, argv)
    return " ".join((_quoted(first), *(_quoted(word.replace("$", "$$")) for word in rest)))


def _specified(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
