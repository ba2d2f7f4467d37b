"""What the tests of the engagement share: writing one, and reading its mistakes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from pipeline.engagement import Engagement, load
from pipeline.errors import EngagementError, Mistake

# A busy machine is no bug: how long one example takes is not what is tested.
settings.register_profile("portproof", deadline=None)
settings.load_profile("portproof")

# Every line is a key of its own, so that a test can replace one and still count the others.
SOUND = """\
client: Example Ltd
engagement: weekly-perimeter
authorisation:
  reference: EX-2026-17
  signatory: Head of IT
  valid_from: 2026-11-01
  valid_until: 2027-10-31
scope:
  include: [192.0.2.0/24]
  exclude: [192.0.2.9]
ports: top:1000
vantage: {name: office, interface: eth0}
limits: {rate: 10000, rate_per_host: 50}
profile: balanced
rescan: {delays: [30s, 5m, 30m]}
"""


@pytest.fixture
def sound() -> str:
    """An engagement without mistakes."""
    return SOUND


@pytest.fixture
def engage(tmp_path: Path) -> Callable[[str | bytes], Engagement]:
    """Write text as ``engagement.yml`` into the test's folder, and load it."""

    def write_and_load(text: str | bytes) -> Engagement:
        path = tmp_path / "engagement.yml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load(path)

    return write_and_load


@pytest.fixture
def mistakes(engage: Callable[[str | bytes], Engagement]) -> Callable[[str | bytes], list[Mistake]]:
    """Load text and return its mistakes; an engagement without any fails the test."""

    def load_badly(text: str | bytes) -> list[Mistake]:
        with pytest.raises(EngagementError) as caught:
            engage(text)
        return list(caught.value.mistakes)

    return load_badly


@pytest.fixture
def with_line(sound: str) -> Callable[..., str]:
    """The sound engagement with the line that begins so replaced by others, or dropped."""

    def replace(start: str, *lines: str) -> str:
        before = sound.splitlines()
        numbers = [number for number, line in enumerate(before) if line.startswith(start)]
        assert len(numbers) == 1, f"{len(numbers)} lines begin with {start!r}"
        return "\n".join([*before[: numbers[0]], *lines, *before[numbers[0] + 1 :], ""])

    return replace
