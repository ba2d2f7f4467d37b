"""How a run deviates from the list of expected ports, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from pipeline.model import Change, ChangeKind
from pipeline.render.document import Deviations, RunDocument
from pipeline.render.language import Phrases, figure, word
from pipeline.render.text import visible
from pipeline.render.words import CHANGES

DEVIATIONS: Final[Mapping[ChangeKind, str]] = Phrases(
    {
        ChangeKind.OPENED: "open, and not expected",
        ChangeKind.VERDICT_CHANGED: "neither open for certain nor closed",
        ChangeKind.FLAPPING: "opens and closes",
        ChangeKind.CLOSED: "expected; refused",
        ChangeKind.NOW_FILTERED: "expected; asked, and no answer came",
        ChangeKind.UNREACHABLE: "expected; the whole host keeps silent",
        ChangeKind.NOT_COVERED: "expected; this run did not ask: nobody knows",
    }
)
"""What the kinds of change say of a deviation."""
_TOLD: Final = 20


def deviation_lines(document: RunDocument) -> Iterator[str]:
    """A line that counts, and one for each deviation, up to twenty; none where there is none."""
    found = document.deviations
    if found is None or not found.changes:
        return
    yield deviation_count(found)
    ordered = sorted(found.changes, key=lambda c: (list(CHANGES).index(c.kind), c.endpoint))
    yield from map(deviation_text, ordered[:_TOLD])
    if len(ordered) > _TOLD:
        yield f"and {len(ordered) - _TOLD:,} more in the report"


def deviation_text(change: Change) -> str:
    """``192.0.2.7:22/tcp closed: expected; refused``."""
    what = DEVIATIONS.get(change.kind, CHANGES[change.kind])
    return f"{change.endpoint} {word(change.kind)}: {what}"


def deviation_count(deviations: Deviations) -> str:
    """``expected.yml: 2 opened, 1 closed``, the most pressing first."""
    found = Counter(change.kind for change in deviations.changes)
    counts = ", ".join(f"{figure(found[kind])} {word(kind)}" for kind in CHANGES if found[kind])
    return f"{visible(deviations.file, 80)}: {counts}"
