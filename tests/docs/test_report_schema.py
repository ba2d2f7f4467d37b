"""The published schema of the JSON form says what the renderer writes, and no less.

It stands with the pages, so that whoever adds a key publishes it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from pipeline import resources
from pipeline.decide.assets import Asset, Disagreements, Listing, Stranger
from pipeline.decide.completeness import sample_bound, two_passes
from pipeline.decide.inventory import AssetSource
from pipeline.decide.risk_rules import Zone
from pipeline.decide.suppression import Suppressed, Suppression
from pipeline.model import ChangeKind
from pipeline.plan import ImportedFile
from pipeline.render.document import AssetsTold, Completeness, Deviations, RunDocument
from pipeline.render.document_json import render_json
from pipeline.render.document_schema import report_schema
from pipeline.render.story import stories
from tests.render import documents
from tests.render.judged import ATTACKED, judged

PUBLISHED = resources.folder("configs") / "report.schema.json"


def everything() -> RunDocument:
    """A run with what few runs have: imported files, assets, expected ports, suppressions."""
    found = documents.likely("10.80.1.9:3389")
    change = documents.changed(ChangeKind.OPENED, None, found.verdict)
    rule = Suppression(reason="known", until=documents.START, until_text="2027-01-31")
    asset = Asset(listing=Listing.LISTED, name="mail", zone=Zone.DMZ, sources=("assets.csv",))
    source = AssetSource(name="assets.csv", kind="csv", sha256="ab" * 32, entries=1)
    endpoint = found.verdict.endpoint
    stranger = Stranger(address=endpoint.address, listing=Listing.UNLISTED, open_=(endpoint,))
    against = Disagreements(strangers=(stranger,), ports=(change,), untold=1)
    return replace(
        documents.EMPTY,
        findings=(replace(found, asset=asset),),
        completeness=Completeness(sample=sample_bound(0, 0, 10), passes=two_passes(0, 0, 0)),
        imported=(ImportedFile(name="a.xml", sha256="ab" * 32, size=1, format="nmap-xml"),),
        assets=AssetsTold(sources=(source,), sha256="ab" * 32, disagreements=against),
        deviations=Deviations(
            file="expected.yml",
            sha256="ab" * 32,
            changes=(change,),
            suppressed=(Suppressed(change=change, by=rule),),
            expired=(rule,),
        ),
    )


RUNS: dict[str, Callable[[], RunDocument]] = {
    "small": lambda: judged(documents.small()),
    "empty": lambda: documents.EMPTY,
    "cut short": documents.cut_short,
    "everything": lambda: everything(),
    "hostile": lambda: judged(documents.hostile(), ATTACKED),
}
LOOSE: dict[str, Any] = report_schema()["$defs"]


def closed(schema: Any) -> Any:
    """The schema that bears no key that it does not name."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    found = {name: closed(inner) for name, inner in schema.items()}
    return (
        found | {"additionalProperties": False}
        if isinstance(schema.get("properties"), Mapping) and schema.get("type") == "object"
        else found
    )


STRICT = jsonschema.Draft202012Validator(closed(report_schema()))


def told(document: RunDocument) -> Any:
    return json.loads(render_json(document, stories=stories(document)))


def test_the_published_schema_is_the_one_of_the_code() -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(published)
    assert published == report_schema()


@pytest.mark.parametrize("run", RUNS.values(), ids=tuple(RUNS))
def test_what_is_rendered_is_in_the_schema_and_nothing_else(
    run: Callable[[], RunDocument],
) -> None:
    STRICT.validate(told(run()))


def _records(schema: Any, value: Any) -> Iterator[tuple[str, Any]]:
    """(name of the record, a value of it) wherever the document has one."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield name, value
        yield from _records(LOOSE[name], value)
    for each in schema.get("anyOf", ()):
        if jsonschema.Draft202012Validator({"$defs": LOOSE, **each}).is_valid(value):
            yield from _records(each, value)
    if isinstance(value, list):
        for item in value[:40]:
            yield from _records(schema.get("items", {}), item)
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                yield from _records(inner, value[name])


def _examples() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for run in RUNS.values():
        for name, value in _records(report_schema(), told(run())):
            found.setdefault(name, value)
    return found


EXAMPLES = _examples()


def _valid(name: str, value: Any) -> bool:
    root = {"$defs": closed(LOOSE), "$ref": f"#/$defs/{name}"}
    return bool(jsonschema.Draft202012Validator(root).is_valid(value))


@pytest.mark.parametrize("name", sorted(LOOSE))
def test_every_record_is_seen_and_refused_where_a_key_is_missing_strange_or_of_another_kind(
    name: str,
) -> None:
    example = EXAMPLES[name]
    assert _valid(name, example)
    for key in LOOSE[name]["required"]:
        assert not _valid(name, {k: v for k, v in example.items() if k != key})
        spoilt = copy.deepcopy(example)
        spoilt[key] = {"of": ["another", "kind"]} if key != "hypotheses" else []
        assert not _valid(name, spoilt), key
    assert not _valid(name, {**example, "nobody": 1})


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        (("format",), 2),
        (("run", "started"), "2026-11-03 02:00"),
        (("run", "state"), "finished"),
        (("endpoints", 0, "port"), 65_536),
        (("endpoints", 0, "confidence"), 1.5),
        (("endpoints", 0, "verdict"), "open"),
    ],
)
def test_a_wrong_value_is_refused(place: tuple[str | int, ...], wrong: object) -> None:
    document = told(judged(documents.small()))
    *way, last = place
    inner = document
    for step in way:
        inner = inner[step]
    inner[last] = wrong
    assert not jsonschema.Draft202012Validator(report_schema()).is_valid(document)


def test_a_key_that_is_new_does_not_disturb_a_reader() -> None:
    document = told(documents.EMPTY) | {"new": 1}
    assert jsonschema.Draft202012Validator(report_schema()).is_valid(document)
