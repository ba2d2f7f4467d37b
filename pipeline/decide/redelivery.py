"""When a delivery that failed is tried again, and when it is given up."""

from __future__ import annotations

from typing import Final

FIRST: Final = 60.0
LONGEST: Final = 6 * 3600.0
MOST_ATTEMPTS: Final = 80


def pause(attempts: int, *, jitter: float, asked: float = 0.0) -> float:
    """Seconds to wait after so many attempts: twice as long each time, up to six hours.

    ``jitter``, from 0 to 1, takes up to half of it away, so that not everybody comes back at once.
    Never less than the receiver ``asked`` for.
    """
    doubled = min(LONGEST, FIRST * 2.0 ** min(attempts - 1, 20))
    return max(doubled * (1 - jitter / 2), asked)


def given_up(attempts: int, *, age: float, give_up_after: float) -> bool:
    """Whether an attempt that failed was the last; without a last attempt nothing is given up."""
    return attempts >= MOST_ATTEMPTS or age >= give_up_after
