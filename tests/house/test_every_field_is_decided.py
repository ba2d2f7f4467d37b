"""Whoever adds a field to the document of a run says what becomes of it in an anonymised copy."""

from __future__ import annotations

from pipeline.anonymising.decisions import DECISIONS
from pipeline.anonymising.treatments import nothing, within
from tests.anonymising.planting import hints_of, reachable, texts_in


def goes_on(kind: type, name: str) -> bool:
    """What is dropped as a whole needs no decisions within."""
    return DECISIONS.get(kind.__name__, {}).get(name) is not nothing


KINDS = [kind for kind in reachable(through=goes_on) if kind.__module__.startswith("pipeline.")]
SETS = {"PortSet", "AddressSet", "References"}


def test_every_field_of_a_document_has_a_decision() -> None:
    missing = [
        f"{kind.__module__}.{kind.__name__}.{name}: decide in pipeline/anonymising/decisions.py"
        for kind in KINDS
        if kind.__name__ not in SETS
        for name in hints_of(kind)
        if name not in DECISIONS.get(kind.__name__, {})
    ]
    assert missing == []


def test_no_decision_is_about_a_field_that_is_not_there() -> None:
    there = {kind.__name__: kind for kind in KINDS}
    assert len(there) == len(KINDS), "two classes of one name"
    assert sorted(DECISIONS) == sorted(there.keys() - SETS)
    for name, decided in DECISIONS.items():
        assert decided.keys() == hints_of(there[name]).keys(), name


def test_no_text_is_among_what_stays_as_it_is() -> None:
    texts = [
        f"{kind.__name__}.{name}"
        for kind in KINDS
        for name, hint in hints_of(kind).items()
        if texts_in(hint) and DECISIONS.get(kind.__name__, {}).get(name) is within
    ]
    assert texts == []
