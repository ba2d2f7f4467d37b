"""The samples in fixtures/redaction, as values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "fixtures" / "redaction"
JOINT = "~|~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A text, the secret in it, and the rule that finds it."""

    text: str
    secret: str = ""
    rule: str = ""


def samples(name: str) -> tuple[Sample, ...]:
    """All samples of one file."""
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").replace(JOINT, "").splitlines()
    return tuple(Sample(**json.loads(line)) for line in lines)


POSITIVE = samples("positive")
NEGATIVE = samples("negative")
