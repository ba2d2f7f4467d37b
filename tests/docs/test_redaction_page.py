"""The page about redaction lists the rules as the code has them."""

from __future__ import annotations

import pytest

from pipeline.plan import EvidenceKept
from pipeline.redact import Redactor
from pipeline.redaction_rules import RULES, own_rule
from tests.docs.pages import DOCS, plain, rows, section, text_of

PAGE = DOCS / "redaction.md"


def test_the_page_lists_every_rule_in_its_order_with_its_sentence() -> None:
    told = [(plain(row[0]), row[1]) for row in rows(section(PAGE, "What is taken out"))]
    rules = [(rule.name, rule.what) for rule in (*RULES, own_rule(("EMP-######",)))]
    assert told[: len(rules)] == rules
    assert [name for name, _ in told[len(rules) :]] == ["certificate", "script", "fingerprint"]


def test_the_page_says_what_is_kept_for_every_value() -> None:
    told = rows(section(PAGE, "What is kept of the tools' files"))
    assert [plain(row[0]) for row in told] == list(EvidenceKept)


@pytest.mark.parametrize("text", ["220 mx, mail joe@example.com"])
def test_the_example_of_the_page_is_redacted_as_it_says(text: str) -> None:
    redacted = Redactor().text(text)
    assert f"`{text}` is written as `{redacted}`" in text_of(PAGE)
