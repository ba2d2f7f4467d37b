"""A run as a SARIF log: valid by the subset of the standard that is used, the same again."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from unicodedata import category

import jsonschema
import pytest

from pipeline.decide.risk import proof
from pipeline.render.document import RunDocument
from pipeline.render.exports.sarif import FINGERPRINT, message_of, render_sarif
from tests.render import documents
from tests.render.judged import ATTACKED, judged

SCHEMA: Final = json.loads(
    (Path(__file__).parent / "export_schemas" / "sarif.json").read_text(encoding="utf-8")
)
CHECK: Final = jsonschema.Draft202012Validator(SCHEMA)
SMALL: Final = judged(documents.small())
HOSTILE: Final = judged(documents.hostile(), ATTACKED)


def log(document: RunDocument) -> Any:
    return json.loads(render_sarif(document))


def run_of(document: RunDocument) -> Any:
    (run,) = log(document)["runs"]
    return run


@pytest.mark.parametrize(
    "document",
    [SMALL, documents.small(), HOSTILE, documents.EMPTY, documents.cut_short()],
    ids=["small", "without risks", "hostile", "empty", "cut short"],
)
def test_every_log_is_valid_and_has_a_result_for_each_risk_or_open_port(
    document: RunDocument,
) -> None:
    CHECK.check_schema(SCHEMA)
    CHECK.validate(log(document))
    told = [len(f.risks) or 1 for f in document.findings if proof(f.verdict.kind) is not None]
    run = run_of(document)
    assert len(run["results"]) == sum(told)
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def _changed(place: tuple[str | int, ...], value: object) -> Callable[[Any], None]:
    def change(whole: Any) -> None:
        for key in place[:-1]:
            whole = whole[key]
        if value is None:
            del whole[place[-1]]
        else:
            whole[place[-1]] = value

    return change


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("version",), "2.0.0"),
        (("runs", 0, "tool", "driver", "name"), None),
        (("runs", 0, "results", 0, "level"), "critical"),
        (("runs", 0, "results", 0, "level"), "none"),
        (("runs", 0, "results", 0, "kind"), "informational"),
        (("runs", 0, "results", 0, "ruleIndex"), "0"),
        (("runs", 0, "results", 0, "verdict"), "confirmed"),
        (("runs", 0, "results", 0, "message"), {"text": "{0} is open"}),
        (("runs", 0, "results", 0, "partialFingerprints"), {}),
        (("runs", 0, "results", 0, "baselineState"), "opened"),
        (("runs", 0, "invocations", 0, "startTimeUtc"), 1793671200),
        (("runs", 0, "invocations", 0, "executionSuccessful"), None),
    ],
)
def test_the_schema_refuses_what_the_standard_does_not_know(
    place: tuple[str | int, ...], value: object
) -> None:
    found = deepcopy(log(SMALL))
    assert CHECK.is_valid(found)
    _changed(place, value)(found)
    assert not CHECK.is_valid(found)


def test_a_fingerprint_is_of_the_endpoint_and_the_rule_and_of_nothing_else() -> None:
    later = replace(SMALL, run="another", started=SMALL.started + 9e5, comparison=None)
    prints = [
        [result["partialFingerprints"][FINGERPRINT] for result in run_of(document)["results"]]
        for document in (SMALL, later)
    ]
    assert prints[0] == prints[1]
    assert len(set(prints[0])) == len(prints[0])
    assert "baselineState" in run_of(SMALL)["results"][0]
    assert "baselineState" not in run_of(later)["results"][0]


def test_results_say_where_how_sure_and_what_became_of_it_and_gaps_are_told() -> None:
    run = run_of(SMALL)
    opened = next(
        result
        for result in run["results"]
        if result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"]
        == "10.80.1.7:443/tcp"
    )
    assert opened["baselineState"] == "new"
    assert opened["level"] == "note"
    assert opened["properties"]["verdict"] == "confirmed"
    assert opened["properties"]["confidence"] == 0.9988
    notes = run["invocations"][0]["toolExecutionNotifications"]
    assert len(notes) == len(SMALL.gaps)
    assert "close of the window" in notes[0]["message"]["text"]
    plain = run_of(documents.small())["results"]
    assert {(result["kind"], result["level"]) for result in plain} == {("informational", "none")}


def test_no_hostile_text_hides_is_a_placeholder_or_a_link() -> None:
    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for inner in value.values() for text in texts(inner)]
        if isinstance(value, list):
            return [text for inner in value for text in texts(inner)]
        return [value] if isinstance(value, str) else []

    rendered = render_sarif(HOSTILE)
    assert rendered.isascii()
    assert {c for c in "".join(texts(json.loads(rendered))) if category(c)[0] == "C"} <= {"\n"}
    assert message_of("see [here](https://evil.test) {0}")["text"] == (
        "see \\[here\\](https://evil.test) {{0}}"
    )
    assert message_of("[2001:db8::7]:443")["text"] == "[2001:db8::7]:443"


def test_the_same_run_gives_the_same_bytes() -> None:
    assert render_sarif(judged(documents.small())) == render_sarif(SMALL)
