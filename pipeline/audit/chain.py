"""The record as lines that hold each other: each has the SHA-256 of the line before it.

A line is canonical JSON, so that there is one way only to write what it says: keys in their order,
no spaces, ASCII. The first line follows the *genesis*, which is of this run alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

RECORD: Final = "audit.jsonl"
_FORMAT: Final = 1
_KEYS: Final = frozenset({"facts", "kind", "n", "operator", "previous", "time"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a record stands: how many lines it has, and the SHA-256 of the last one."""

    lines: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line: when (UTC, as text), who did it, what kind of thing, and what there is to say."""

    number: int
    previous: str
    time: str
    operator: Mapping[str, Any]
    kind: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A record that was read. ``heads[n]`` is where it stood after n lines; ``heads[0]`` is the
    genesis, empty where the first line does not say of which run it is. A line that cannot be read
    is ``None``. ``problems`` are (number of the line, sentence); ``torn`` is what follows the last
    end of a line.
    """

    lines: tuple[Line | None, ...]
    heads: tuple[str, ...]
    problems: tuple[tuple[int, str], ...]
    torn: bytes

    @property
    def head(self) -> Head:
        """Where the record stands."""
        return Head(lines=len(self.lines), sha256=self.heads[-1])

    @property
    def run(self) -> str:
        """The run that the record says it is of."""
        first = self.lines[0] if self.lines else None
        return str(first.facts.get("run", "")) if first else ""


def canonical(value: Mapping[str, Any]) -> bytes:
    """The one way to write a value as JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def sha256_of_bytes(data: bytes) -> str:
    """The SHA-256 as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def genesis(run: str, plan_sha256: str) -> str:
    """What the first line of a run's record follows."""
    told = {"format": _FORMAT, "plan_sha256": plan_sha256, "record": "portproof", "run": run}
    return sha256_of_bytes(canonical(told))


def line_of(line: Line) -> bytes:
    """A line as it is written, without its end."""
    return canonical(
        {
            "facts": line.facts,
            "kind": line.kind,
            "n": line.number,
            "operator": line.operator,
            "previous": line.previous,
            "time": line.time,
        }
    )


def read_chain(data: bytes) -> Chain:
    """Read a record, whatever has become of it."""
    *whole, torn = data.split(b"\n")
    lines = tuple(map(_read_line, whole))
    heads = (_genesis_of(lines), *map(sha256_of_bytes, whole))
    return Chain(lines=lines, heads=heads, problems=tuple(_problems(lines, heads)), torn=torn)


def _read_line(data: bytes) -> Line | None:
    try:
        told = json.loads(data)
        if not isinstance(told, dict) or set(told) != _KEYS or canonical(told) != data:
            return None
    except (ValueError, RecursionError):
        return None
    facts, operator = told["facts"], told["operator"]
    if not isinstance(facts, dict) or not isinstance(operator, dict):
        return None
    if type(told["n"]) is not int or not all(
        isinstance(told[key], str) for key in ("kind", "previous", "time")
    ):
        return None
    return Line(
        number=told["n"],
        previous=told["previous"],
        time=told["time"],
        operator=operator,
        kind=told["kind"],
        facts=facts,
    )


def _genesis_of(lines: Sequence[Line | None]) -> str:
    first = lines[0] if lines else None
    if first is None:
        return ""
    run, plan = first.facts.get("run"), first.facts.get("plan_sha256")
    return genesis(run, plan) if isinstance(run, str) and isinstance(plan, str) else ""


def _problems(lines: Sequence[Line | None], heads: Sequence[str]) -> list[tuple[int, str]]:
    found = []
    for place, line in enumerate(lines, start=1):
        if line is None:
            found.append((place, "is not a line as it was written: it was changed"))
        elif line.number != place:
            found.append(
                (place, f"says that it is line {line.number}: lines are missing, doubled or moved")
            )
        elif line.previous != heads[place - 1]:
            where = "the run that it is of" if place == 1 else f"line {place - 1} as it stands"
            found.append((place, f"does not follow {where}: one of them was changed"))
    return found
