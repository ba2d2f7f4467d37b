"""The page about risks says what the code knows, and its examples are sound."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.decide.certificate import Flaw
from pipeline.decide.risk import proof
from pipeline.decide.risk_rules import Severity
from pipeline.engagement import check_policy, policy_json_schema
from pipeline.model import VerdictKind
from pipeline.render.risks import SEVERITY_MEANINGS
from tests.docs.pages import DOCS, blocks, plain, rows, section, text_of

PAGE = DOCS / "risk.md"
_GROUPS = {
    "RuleDocument": "",
    "ConditionDocument": "when.",
    "ReferencesDocument": "references.",
    "ExampleDocument": "examples[].",
}


def test_every_key_of_a_rule_is_explained_and_no_other() -> None:
    schema = policy_json_schema()["$defs"]
    known = {
        f"{prefix}{name}" for part, prefix in _GROUPS.items() for name in schema[part]["properties"]
    }
    told = {
        plain(key) for row in rows(section(PAGE, "Keys of a rule")) for key in row[0].split(", ")
    }
    assert told == known


def test_the_rules_of_the_page_are_sound(tmp_path: Path) -> None:
    example = next(b for b in blocks(PAGE) if b.language == "yaml" and "version:" in b.text)
    path = tmp_path / "own-risk.yml"
    path.write_text(example.text, encoding="utf-8")
    _, rules = check_policy(path)
    assert [rule.id for rule in rules] == ["ssh", "till"]


def test_the_severities_of_the_page_are_those_of_the_report() -> None:
    told = {plain(row[0]): row[1] for row in rows(section(PAGE, "Severities"))}
    assert told == {severity.value: SEVERITY_MEANINGS[severity] for severity in Severity}


def test_the_flaws_of_certificates_are_those_of_the_code() -> None:
    assert [plain(row[0]) for row in rows(section(PAGE, "Certificates"))] == list(Flaw)


def test_the_page_says_which_verdicts_have_a_risk() -> None:
    told = {
        name: row[1].startswith("none")
        for row in rows(section(PAGE, "What comes of a finding"))
        for name in re.findall(r"`(\w+)`", row[0])
    }
    assert told == {kind.value: proof(kind) is None for kind in VerdictKind}


def test_the_order_of_conditions_is_told_as_it_is() -> None:
    order = re.search(r"in this order: ([^.]+)\.", text_of(PAGE))
    assert order is not None
    told = [name.strip().lower() for name in order[1].split(",")]
    schema = policy_json_schema()["$defs"]["ConditionDocument"]["properties"]
    assert told == list(schema)
