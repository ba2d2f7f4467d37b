"""What `doctor` looks at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.addresses import AddressSet
from pipeline.engagement import Engagement, load
from pipeline.errors import Error
from pipeline.vantage import Survey, process_has_net_raw, survey

_ROOM = 1 << 30
_INTERFACES = Path("/sys/class/net")


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis; ``state`` is ``ok``, ``limited`` or ``broken``."""

    what: str
    state: str
    text: str


def diagnose(file: Path | None) -> list[Finding]:
    """Everything a run needs from this machine. Sends nothing."""
    found = survey()
    engagement, problem = None, None
    if file is not None:
        try:
            engagement = load(file)
        except Error as error:
            problem = Finding("engagement", "broken", str(error))
    findings = [*_tools(found), _privileges(found), *_routes(found, engagement)]
    findings.append(_disk(file.parent if file else Path()))
    if problem is not None:
        findings.append(problem)
    return findings


def _tools(found: Survey) -> Iterator[Finding]:
    for tool in found.tools:
        may = "may send raw packets" if tool.raw else "may not send raw packets"
        state = "ok" if tool.raw else "limited"
        yield Finding(tool.name, state, f"{tool.version} at {tool.path}, {may}")
    for error in found.missing:
        name = "masscan" if "masscan" in str(error) else "nmap"
        state = "limited" if name == "masscan" else "broken"
        yield Finding(name, state, _in_one_line(error))


def _in_one_line(error: Error) -> str:
    where = f"{error.where}: " if error.where else ""
    return f"{where}{error.what}; {error.hint}" if error.hint else f"{where}{error.what}"


def _privileges(found: Survey) -> Finding:
    who = "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
    if process_has_net_raw():
        return Finding("privileges", "ok", f"{who}, with CAP_NET_RAW")
    if any(tool.raw for tool in found.tools):
        return Finding("privileges", "ok", f"{who}; the tools have file capabilities")
    return Finding(
        "privileges",
        "limited",
        f"{who}, without CAP_NET_RAW: connect scans and handshakes only "
        "(sudo, or setcap cap_net_raw+eip on nmap and masscan)",
    )


def _routes(found: Survey, engagement: Engagement | None) -> Iterator[Finding]:
    names = sorted(os.listdir(_INTERFACES)) if _INTERFACES.exists() else []
    yield Finding("interfaces", "ok" if names else "broken", ", ".join(names) or "none")
    wanted = engagement.vantage.interface if engagement else None
    if wanted and wanted not in names:
        yield Finding("interface", "broken", f"{wanted}, which the engagement names, is not here")
    near: AddressSet = found.on_link
    if engagement is not None:
        near = near & (engagement.include - engagement.exclude)
    shown = ", ".join(near.networks()[:6]) or "none"
    what = "of the scope " if engagement else ""
    yield Finding("on link", "ok", f"networks {what}reached without a gateway: {shown}")


def _disk(folder: Path) -> Finding:
    # A folder that is not there yet will be made on the disk of the one above it.
    place = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.is_dir())
    free = shutil.disk_usage(place).free
    state = "ok" if free > _ROOM else "limited"
    return Finding("disk", state, f"{free / (1 << 30):.1f} GiB free at {place}")
