"""The file for DefectDojo has the keys that it knows, and nothing of what only pretends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

from pipeline.model import VerdictKind
from pipeline.render.defectdojo import render_defectdojo
from pipeline.render.document import RunDocument
from tests.render import documents
from tests.render.judged import ATTACKED, judged

SCHEMA: Final = json.loads(
    (Path(__file__).parent / "export_schemas" / "defectdojo.json").read_text(encoding="utf-8")
)
CHECK: Final = jsonschema.Draft202012Validator(SCHEMA)
SMALL: Final = judged(documents.small())


def file_of(document: RunDocument) -> Any:
    return json.loads(render_defectdojo(document))


@pytest.mark.parametrize(
    "document",
    [SMALL, documents.small(), judged(documents.hostile(), ATTACKED), documents.EMPTY],
    ids=["small", "without risks", "hostile", "empty"],
)
def test_every_finding_has_what_defectdojo_requires_and_only_what_it_knows(
    document: RunDocument,
) -> None:
    CHECK.check_schema(SCHEMA)
    CHECK.validate(file_of(document))
    ids = [finding["unique_id_from_tool"] for finding in file_of(document)["findings"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("title", None),
        ("severity", None),
        ("description", None),
        ("severity", "high"),
        ("verdict", "confirmed"),
        ("endpoints", ["10.80.1.7:443/tcp"]),
        ("date", 1793671200),
    ],
)
def test_the_schema_refuses_what_defectdojo_refuses(key: str, value: object) -> None:
    found = file_of(SMALL)
    assert CHECK.is_valid(found)
    first = found["findings"][0]
    if value is None:
        del first[key]
    else:
        first[key] = value
    assert not CHECK.is_valid(found)


def test_what_is_not_open_is_no_finding() -> None:
    document = documents.small()
    told = {
        endpoint
        for finding in json.loads(render_defectdojo(document))["findings"]
        for endpoint in finding["endpoints"]
    }
    closed = (VerdictKind.ARTEFACT, VerdictKind.REFUTED, VerdictKind.FILTERED, VerdictKind.UNKNOWN)
    for finding in document.findings:
        where = str(finding.verdict.endpoint).partition("/")[0]
        if finding.verdict.kind in closed:
            assert where not in told


def test_a_hostile_banner_leaves_no_hidden_character() -> None:
    text = "".join(
        str(value)
        for finding in json.loads(render_defectdojo(judged(documents.hostile())))["findings"]
        for value in finding.values()
    )
    assert "\x1b" not in text
    assert "\u202e" not in text
