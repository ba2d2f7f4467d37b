"""The scripts of a profile, held against the script database of the nmap that will run them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipeline.decide.scripts import objection, read_database
from pipeline.errors import Refused, ToolError
from pipeline.vantage import data_folders

DATABASE: Final = "script.db"
_MOST: Final = 4 << 20


def require_safe(scripts: Sequence[str], nmap: Path) -> None:
    """Raise :class:`Refused` for a script that must not be run; nothing is read without any.

    Raises :class:`ToolError` when the database is missing or not as nmap writes it.
    """
    if not scripts:
        return
    path = _database(nmap)
    try:
        with path.open("rb") as stream:
            known = read_database(stream.read(_MOST).decode("ascii"))
    except (OSError, ValueError) as error:
        raise ToolError(
            f"nmap's script database cannot be used: {error}",
            where=str(path),
            hint="run `nmap --script-updatedb`, or name no scripts in the profile (scripts: [])",
        ) from None
    for name in scripts:
        if name not in known:
            raise Refused(
                f"the script {name} is not in nmap's script database",
                where=str(path),
                hint="correct its name in the profile, or leave it out",
            )
        if why := objection(name, known[name]):
            raise Refused(
                f"the script {name} is not run: {why} (its categories: "
                f"{', '.join(sorted(known[name]))})",
                where=str(path),
                hint="leave it out of the profile's scripts",
            )


def _database(nmap: Path) -> Path:
    for folder in data_folders(nmap):
        if (path := folder / "scripts" / DATABASE).exists():
            return path
    raise ToolError(
        f"nmap's script database (scripts/{DATABASE}) was not found",
        hint="install nmap's data files, or name no scripts in the profile (scripts: [])",
    )
