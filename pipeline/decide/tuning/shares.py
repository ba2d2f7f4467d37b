"""Shares with the interval that so many trials allow.

Wilson's score interval (Wilson 1927, J. Am. Stat. Assoc. 22, 209): the shares p under which a
count of ``hits`` in ``trials`` is no further than z standard deviations of p from what is expected.
It stays within 0 and 1, and is of use for few trials and for none that hit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

LEVEL: Final = 0.95
_Z: Final = NormalDist().inv_cdf((1.0 + LEVEL) / 2.0)


@dataclass(frozen=True, slots=True)
class Share:
    """``hits`` of ``trials``. Raises ``ValueError`` for counts that cannot be."""

    hits: int = 0
    trials: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.trials:
            raise ValueError(f"{self.hits} of {self.trials} is not a share")

    def __add__(self, other: Share) -> Share:
        return Share(self.hits + other.hits, self.trials + other.trials)

    @property
    def value(self) -> float | None:
        """The share; ``None`` of nothing."""
        return self.hits / self.trials if self.trials else None

    @property
    def low(self) -> float:
        """The lower end of the interval at :data:`LEVEL`; 0 of nothing."""
        return wilson(self.hits, self.trials)[0]

    @property
    def high(self) -> float:
        """The upper end of the interval at :data:`LEVEL`; 1 of nothing."""
        return wilson(self.hits, self.trials)[1]


def together(shares: Iterable[Share]) -> Share:
    """All of them as one."""
    return sum(shares, Share())


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Both ends of the interval; everything is possible where nothing was tried."""
    if not trials:
        return 0.0, 1.0
    share = hits / trials
    weight = _Z * _Z / trials
    middle = (share + weight / 2.0) / (1.0 + weight)
    half = _Z / (1.0 + weight) * math.sqrt(share * (1.0 - share) / trials + weight / trials / 4.0)
    return (0.0 if not hits else max(0.0, middle - half)), (
        1.0 if hits == trials else min(1.0, middle + half)
    )
