"""Every secret among the samples is found, and nothing that only looks like one."""

from __future__ import annotations

import pytest

from pipeline.redact import Redactor
from pipeline.redaction_rules import MARKS, RULES, Rule
from tests.redaction.samples import NEGATIVE, POSITIVE, Sample

REDACTOR = Redactor()


@pytest.mark.parametrize("sample", POSITIVE, ids=lambda s: s.rule)
def test_the_secret_of_a_sample_is_gone_and_its_rule_is_named(sample: Sample) -> None:
    assert sample.secret in sample.text
    redacted = REDACTOR.text(sample.text)
    assert sample.secret not in redacted
    assert f"[redacted:{sample.rule}]" in redacted


@pytest.mark.parametrize("sample", NEGATIVE, ids=lambda s: s.text[:24])
def test_a_text_without_a_secret_stays_as_it_is(sample: Sample) -> None:
    assert REDACTOR.text(sample.text) == sample.text


def test_there_are_enough_samples_and_some_for_every_rule() -> None:
    assert len(POSITIVE) >= 60
    assert len(NEGATIVE) >= 60
    assert {sample.rule for sample in POSITIVE} == {rule.name for rule in RULES} | {"certificate"}


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
def test_a_rule_finds_something_in_its_own_example(rule: Rule) -> None:
    assert MARKS[3] in rule.apply(rule.example, MARKS[3])
    assert any(needle in rule.example.lower() for needle in rule.needles)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.name)
def test_a_needle_is_lower_case_and_the_same_in_xml(rule: Rule) -> None:
    for needle in rule.needles:
        assert needle == needle.lower()
        assert not set(needle) & set("<>\"'")


def test_what_stands_around_a_secret_stays() -> None:
    said = "220 mx ESMTP, Set-Cookie: id=1f; x\r\nServer: nginx/1.25.3\r\nmail joe@example.com!"
    assert REDACTOR.text(said) == (
        "220 mx ESMTP, Set-Cookie: id=[redacted:cookie]\r\nServer: nginx/1.25.3\r\n"
        "mail [redacted:email]!"
    )


@pytest.mark.parametrize(
    ("own", "text", "redacted"),
    [
        ("Jane Doe", "printer of JANE DOE, room 7", "printer of [redacted:own], room 7"),
        ("Jane Doe", "Jane Doering", "Jane Doering"),
        ("EMP-######", "badge EMP-004711.", "badge [redacted:own]."),
        ("EMP-######", "badge EMP-0047112", "badge EMP-0047112"),
        ("lab??", "host labXY is up", "host [redacted:own] is up"),
        ("*.corp.example.com", "db-1.eu.corp.example.com:22", "[redacted:own]:22"),
        ("*.corp.example.com", "corp.example.com", "corp.example.com"),
        ("project-*", "see project-blue_7/", "see [redacted:own]/"),
        ("a.c+[x]", "aXc+[x] a.c+[x]", "aXc+[x] [redacted:own]"),
    ],
)
def test_an_own_text_is_found_as_a_word_with_its_wild_cards(
    own: str, text: str, redacted: str
) -> None:
    assert Redactor.of([own]).text(text) == redacted
