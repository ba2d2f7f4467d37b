"""Host names as they resolved when somebody looked: whoever starts a run later sees the same ones.

`portproof check` writes them down in the workspace. A run that would start with an address that
nobody saw then is refused, until somebody has looked again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from pipeline.addresses import Address
from pipeline.engagement.source import read_limited
from pipeline.errors import NotAdmitted
from pipeline.files import write_whole
from pipeline.plan import RunPlan
from pipeline.render.text import minute, visible
from pipeline.workspace import Workspace

_LARGEST: Final = 8 << 20
_Names = Iterable[tuple[str, tuple[str, ...]]]


def pin(workspace: Workspace, plan: RunPlan, *, now: float) -> None:
    """Write down what the names of an engagement resolve to; nothing if it has none."""
    known = _known(workspace)
    if not plan.names and plan.engagement not in known:
        return
    known[plan.engagement] = {"at": now, "names": {name: list(at) for name, at in plan.names}}
    write_whole(workspace.names, json.dumps(known, indent=1) + "\n")


def require_pinned(workspace: Workspace, plan: RunPlan) -> None:
    """Raise :class:`NotAdmitted` for names with an address that `portproof check` did not see."""
    entry = _known(workspace).get(plan.engagement)
    if not isinstance(entry, dict) or not isinstance(entry.get("names"), dict):
        return
    at = entry.get("at")
    when = f"{minute(at)} UTC" if isinstance(at, int | float) else "then"
    moved = list(_moved(entry["names"], plan.names, f"when `portproof check` looked ({when})"))
    if moved:
        raise NotAdmitted(
            "names have other addresses than before:\n  " + "\n  ".join(moved),
            where=str(workspace.names),
            hint="see whose they are; once `portproof check` has been run again, they hold",
        )


def require_unmoved(plan: RunPlan, now: Mapping[str, tuple[Address, ...]]) -> None:
    """Raise :class:`NotAdmitted` unless names still lead to the addresses of a run's plan.

    A new address counts as well: of a name that is left out, it would be asked. What does not
    resolve ``now`` is not held against it: nothing says that the address is somebody else's by now.
    """
    moved = [
        f"{name} was {', '.join(pinned)} when the run was planned, and is "
        f"{', '.join(map(str, now[name]))} now"
        for name, pinned in plan.names
        if now.get(name) and set(pinned) != set(map(str, now[name]))
    ]
    if moved:
        raise NotAdmitted(
            "names have other addresses than before:\n  " + "\n  ".join(moved),
            where=plan.engagement_file,
            hint="start a new run: what was planned may be somebody else's by now",
        )


def _moved(before: Mapping[str, Any], now: _Names, when: str) -> Iterator[str]:
    for name, addresses in now:
        seen = before.get(name)
        if isinstance(seen, list) and (new := [a for a in addresses if a not in seen]):
            was = ", ".join(visible(str(one), 60) for one in seen) or "nothing"
            yield f"{name} was {was} {when}, and is {', '.join(new)} now"


def _known(workspace: Workspace) -> dict[str, Any]:
    """What was written down; nothing where there is no file, or it cannot be read."""
    try:
        found = json.loads(read_limited(workspace.names, _LARGEST))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
