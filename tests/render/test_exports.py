"""Events for other systems: valid by the subset of their schema, one a line, the same again."""

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
from pipeline.render.exports.cef import render_cef
from pipeline.render.exports.ecs import render_ecs
from pipeline.render.exports.ocsf import render_ocsf
from tests.render import documents
from tests.render.judged import ATTACKED, judged

SCHEMAS: Final = Path(__file__).with_name("export_schemas")
JSON_LINES: Final = {"ecs": render_ecs, "ocsf": render_ocsf}
RENDERERS: Final[dict[str, Callable[[RunDocument], str]]] = {**JSON_LINES, "cef": render_cef}
SMALL: Final = judged(documents.small())
HOSTILE: Final = judged(documents.hostile(), ATTACKED)
BY_NAME: Final = pytest.mark.parametrize("name", JSON_LINES)


def records(name: str, document: RunDocument) -> list[dict[str, Any]]:
    lines = RENDERERS[name](document).split("\n")
    assert lines.pop() == ""
    return [json.loads(line) for line in lines]


def validator(name: str) -> jsonschema.protocols.Validator:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    made: jsonschema.protocols.Validator = jsonschema.Draft202012Validator(schema)
    made.check_schema(schema)
    return made


def told(document: RunDocument) -> int:
    """How many records there must be: the run, and each risk of an open endpoint or the port."""
    kinds = [(found.verdict.kind, len(found.risks) or 1) for found in document.findings]
    return 1 + sum(risks for kind, risks in kinds if proof(kind) is not None)


@BY_NAME
@pytest.mark.parametrize(
    "document",
    [SMALL, documents.small(), HOSTILE, documents.EMPTY, documents.cut_short()],
    ids=["small", "without risks", "hostile", "empty", "cut short"],
)
def test_every_record_is_valid(name: str, document: RunDocument) -> None:
    check = validator(name)
    found = records(name, document)
    assert len(found) == told(document)
    for record in found:
        check.validate(record)


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("ecs", ("event", "kind"), "finding"),
        ("ecs", ("event", "category"), ["port"]),
        ("ecs", ("event", "outcome"), "open"),
        ("ecs", ("destination", "port"), "443"),
        ("ecs", ("portproof",), {"verdict": "confirmed"}),
        ("ecs", ("event", "id"), None),
        ("ocsf", ("class_uid",), 6007),
        ("ocsf", ("type_uid",), 200402),
        ("ocsf", ("severity_id",), "high"),
        ("ocsf", ("time",), "2026-11-03T02:00:00Z"),
        ("ocsf", ("finding_info", "verdict"), "confirmed"),
        ("ocsf", ("finding_info", "uid"), None),
        ("ocsf", ("metadata", "product"), None),
        ("ocsf", ("metadata", "version"), "1.7.0"),
    ],
)
def test_the_schema_refuses_what_the_format_does_not_know(
    name: str, place: tuple[str, ...], value: object
) -> None:
    record = deepcopy(records(name, SMALL)[1])
    inner = record
    for key in place[:-1]:
        inner = inner[key]
    if value is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    assert not validator(name).is_valid(record)


@pytest.mark.parametrize("name", RENDERERS)
def test_the_same_run_gives_the_same_bytes(name: str) -> None:
    render = RENDERERS[name]
    assert render(judged(documents.small())) == render(SMALL)


@pytest.mark.parametrize("name", RENDERERS)
def test_no_hostile_text_ends_a_line_or_hides(name: str) -> None:
    rendered = RENDERERS[name](HOSTILE)
    assert len(rendered.splitlines()) == told(HOSTILE)
    assert {c for c in rendered if category(c)[0] == "C"} == {"\n"}


@BY_NAME
def test_no_hostile_text_hides_once_it_is_read(name: str) -> None:
    def texts(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for inner in value.values() for text in texts(inner)]
        if isinstance(value, list):
            return [text for inner in value for text in texts(inner)]
        return [value] if isinstance(value, str) else []

    found = "".join(text for record in records(name, HOSTILE) for text in texts(record))
    assert {c for c in found if category(c)[0] == "C"} <= {"\n"}


def test_an_ecs_event_is_known_again_and_so_is_its_finding_in_the_next_run() -> None:
    first = records("ecs", SMALL)
    again = records("ecs", replace(SMALL, run="20261110-020000-0000"))
    ids = [record["event"]["id"] for record in first + again]
    assert len(ids) == len(set(ids))
    findings = [record["labels"]["finding"] for record in first[1:]]
    assert findings == [record["labels"]["finding"] for record in again[1:]]
    assert len(findings) == len(set(findings))


def test_an_ocsf_event_is_known_again_and_so_is_its_finding_in_the_next_run() -> None:
    first = records("ocsf", SMALL)
    again = records("ocsf", replace(SMALL, run="20261110-020000-0000"))
    ids = [record["metadata"]["uid"] for record in first + again]
    assert len(ids) == len(set(ids))
    findings = [record["finding_info"]["uid"] for record in first[1:]]
    assert findings == [record["finding_info"]["uid"] for record in again[1:]]


def test_an_ocsf_type_is_the_class_and_the_activity() -> None:
    for record in records("ocsf", SMALL) + records("ocsf", documents.cut_short()):
        assert record["type_uid"] == record["class_uid"] * 100 + record["activity_id"]
        assert record["category_uid"] == record["class_uid"] // 1000


def test_an_ocsf_scan_that_can_be_resumed_is_paused() -> None:
    assert records("ocsf", SMALL)[0]["activity_id"] == 2
    assert records("ocsf", documents.cut_short())[0]["activity_id"] == 7


def test_ecs_takes_a_service_only_from_what_was_spoken_to() -> None:
    by_port = {record["destination"]["port"]: record for record in records("ecs", SMALL)[1:]}
    assert by_port[22]["service"]["type"] == "ssh"
    assert "service" not in by_port[3389]
    assert (by_port[22]["event"]["outcome"], by_port[3389]["event"]["outcome"]) == (
        "success",
        "unknown",
    )
