"""Which tests need the network lab, and what happens where it cannot be built."""

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


def _missing() -> str:
    """Why there can be no lab here; empty when there can."""
    if os.geteuid() != 0:
        return "the lab is made of network namespaces and needs root"
    absent = [name for name in _NEEDED if shutil.which(name) is None]
    return f"the lab needs {', '.join(absent)}" if absent else ""


def pytest_report_header() -> str:
    """Tell the seed, so that what failed can be repeated."""
    return f"seed of the lab that is new each time: {os.environ['PORTPROOF_TEST_SEED']}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the lab's tests; without a lab they are skipped with the reason, and fail in CI.

    Whole runs wait more than they work, so they begin first: nobody waits for them in the end.
    """
    items.sort(key=lambda item: "network" not in item.path.relative_to(_HERE).parts)
    why = _missing()
    required = bool(os.environ.get("CI"))
    for item in items:
        if item.path.relative_to(_HERE).parts[0] not in _LAB_FOLDERS:
            continue
        item.add_marker(pytest.mark.lab)
        if why and not required:
            item.add_marker(pytest.mark.skip(reason=why))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say at once what a whole run in CI would only find out after minutes."""
    why = _missing()
    if why and os.environ.get("CI"):
        pytest.exit(f"in CI the lab must be there: {why}", returncode=3)
