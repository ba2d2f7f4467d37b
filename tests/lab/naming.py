"""Names for labs of tests.

A module of its own, because pytest loads a conftest a second time under another name: two
counters of one process once gave two labs the same name, and the second took the first one down.
"""

from __future__ import annotations

import itertools
import os

_numbers = itertools.count()


def fresh_name() -> str:
    """A lab's name that no other test, in this process or another, has."""
    return f"t{os.getpid() % 10_000_000:x}n{next(_numbers)}"
