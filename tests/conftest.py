"""Which tests need the network lab or a browser, and what happens where there is none."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

# Drawn once, before the processes of the tests start: they inherit it.
os.environ.setdefault("PORTPROOF_TEST_SEED", str(random.SystemRandom().randrange(1_000_000)))
_HERE = Path(__file__).parent
_LAB_FOLDERS = ("lab", "network")
_NEEDED = ("ip", "nft", "ethtool", "openssl", "nmap", "masscan")
_BROWSER_FOLDER = "browser"


def _missing() -> str:
    """Why there can be no lab here; empty when there can."""
    if os.geteuid() != 0:
        return "the lab is made of network namespaces and needs root"
    absent = [name for name in _NEEDED if shutil.which(name) is None]
    return f"the lab needs {', '.join(absent)}" if absent else ""


def _no_browser() -> str:
    """Why no page can be opened here; empty when one can."""
    return "" if shutil.which("chromium") else "the report is opened in chromium"


def pytest_report_header() -> str:
    """Tell the seed, so that what failed can be repeated."""
    return f"seed of the lab that is new each time: {os.environ['PORTPROOF_TEST_SEED']}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark these tests; without lab or browser they are skipped with the reason, and fail in CI.

    Whole runs wait more than they work, so they begin first: nobody waits for them in the end.
    """
    items.sort(key=lambda item: "network" not in item.path.relative_to(_HERE).parts)
    marks = {folder: (pytest.mark.lab, _missing()) for folder in _LAB_FOLDERS}
    marks[_BROWSER_FOLDER] = pytest.mark.browser, _no_browser()
    required = bool(os.environ.get("CI"))
    for item in items:
        mark, why = marks.get(item.path.relative_to(_HERE).parts[0], (None, ""))
        if mark is not None:
            item.add_marker(mark)
        if why and not required:
            item.add_marker(pytest.mark.skip(reason=why))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say at once what a whole run in CI would only find out after minutes."""
    why = _missing() or _no_browser()
    if why and os.environ.get("CI"):
        pytest.exit(f"in CI lab and browser must be there: {why}", returncode=3)
