"""Where the data files of this installation lie.

In a checkout ``templates/`` and ``configs/`` stand beside ``pipeline/``; in a wheel they travel
inside it, as ``pipeline/_data/``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from pipeline.errors import Error

_HERE: Final = Path(__file__).resolve().parent
_REINSTALL: Final = "install portproof into an environment of its own: pipx install portproof"


def folder(name: Literal["templates", "configs"]) -> Path:
    """The data folder of that name. Raises :class:`Error` when the installation lacks it."""
    # First inside the package: beside an installed one lie the folders of everybody else.
    for place in (_HERE / "_data" / name, _HERE.parent / name):
        if place.is_dir():
            return place
    raise Error(
        f"this installation of portproof lacks its folder {name}/",
        where=str(_HERE),
        hint=_REINSTALL,
    )


def read_text(name: Literal["templates", "configs"], path: str) -> str:
    """The text of one data file; ``path`` is relative to the folder. Raises :class:`Error`."""
    place = folder(name) / path
    try:
        return place.read_text(encoding="utf-8")
    except OSError as problem:
        raise Error(
            f"this installation of portproof lacks {name}/{path}: {problem.strerror}",
            where=str(place.parent),
            hint=_REINSTALL,
        ) from None


def check_installation(find: Callable[[str], ModuleSpec | None] = find_spec) -> None:
    """Raise :class:`Error` unless ``pipeline`` and ``stages`` are ours and lie side by side.

    Both names are common: another distribution that uses one of them would be run in our place.
    Nothing is imported for this; ``find`` answers as :func:`importlib.util.find_spec` does.
    """
    for name in ("pipeline", "stages"):
        found = _place_of(name, find)
        if found is None:
            raise Error(f"the package {name!r} is not installed", where=str(_HERE), hint=_REINSTALL)
        if found != _HERE.parent / name:
            raise Error(
                f"the package {name!r} comes from {found}, not from portproof in {_HERE.parent}",
                hint=_REINSTALL,
            )


def _place_of(name: str, find: Callable[[str], ModuleSpec | None]) -> Path | None:
    try:
        spec = find(name)
    except ValueError:  # the module is loaded, and says nothing about its origin
        spec = None
    if spec is None or not (spec.submodule_search_locations or spec.origin):
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return Path(str(spec.origin)).resolve()
