"""What goes to other systems, by what others made of the published field lists.

Each format is held against a package that we did not write, and each of these is shown to refuse
something: one that takes everything is no opinion.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator
from copy import deepcopy
from datetime import datetime
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import jsonschema
import pycef
import pytest
from cefevent import CEFEvent
from fluidattacks_core.sarif import SarifLog
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from pipeline.deliveries.defectdojo import fields
from pipeline.deliveries.settings import DefectDojo, Web
from pipeline.render.defectdojo import render_defectdojo
from pipeline.render.document import RunDocument
from pipeline.render.exports.cef import render_cef
from pipeline.render.exports.ecs import render_ecs
from pipeline.render.exports.ocsf import VERSION, render_ocsf
from pipeline.render.exports.prometheus import render_prometheus
from pipeline.render.exports.sarif import render_sarif
from pipeline.secret import Secret
from tests.render import documents
from tests.render.judged import ATTACKED, judged
from tests.render.test_cef import parsed

SMALL: Final = judged(documents.small())
HOSTILE: Final = judged(documents.hostile(), ATTACKED)
DOCUMENTS: Final = pytest.mark.parametrize(
    "document",
    [SMALL, documents.small(), HOSTILE, documents.EMPTY, documents.cut_short()],
    ids=["small", "without risks", "hostile", "empty", "cut short"],
)
ECS: Final[dict[str, dict[str, Any]]] = json.loads(
    (Path(__file__).with_name("export_schemas") / "ecs_published.json").read_text(encoding="utf-8")
)["fields"]


def changed(record: Any, place: tuple[str | int, ...], value: object) -> Any:
    """A copy with another value at a place; ``None`` takes it away."""
    whole = deepcopy(record)
    inner = whole
    for key in place[:-1]:
        inner = inner[key]
    if value is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return whole


def records(rendered: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in rendered.splitlines()]


@cache
def published(class_uid: int) -> jsonschema.protocols.Validator:
    """The whole published class of OCSF; what is deprecated in it is refused here."""
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))
    found = schema.get_class_schema(schema.lookup_class_name_from_uid(class_uid))
    for each in (found, *found["$defs"].values()):
        each["properties"] = {
            name: False if said.get("deprecated") else said
            for name, said in each["properties"].items()
        }
    made: jsonschema.protocols.Validator = jsonschema.Draft202012Validator(found)
    made.check_schema(found)
    return made


@DOCUMENTS
def test_ocsf_events_are_of_the_published_classes(document: RunDocument) -> None:
    for record in records(render_ocsf(document)):
        published(record["class_uid"]).validate(record)
        assert record["metadata"]["version"] == VERSION


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("category_uid",), None),
        (("type_uid",), 200409),
        (("severity_id",), 7),
        (("finding_info", "uid"), None),
        (("finding_info", "verdict"), "confirmed"),
        (("evidences", 0, "dst_endpoint", "port"), 65536),
        (("evidences", 0, "connection_info", "direction_id"), 5),
        (("comment",), 7),
    ],
)
def test_the_published_class_of_ocsf_refuses(place: tuple[str | int, ...], value: object) -> None:
    record = records(render_ocsf(SMALL))[1]
    assert published(2004).is_valid(record)
    assert not published(2004).is_valid(changed(record, place, value))


def _leaves(record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, dict) and name != "labels":
            yield from ((f"{name}.{inner}", leaf) for inner, leaf in _leaves(value))
        else:
            yield name, value


def _fits(kind: str, value: Any) -> bool:
    match kind:
        case "keyword" | "match_only_text" | "wildcard":
            return isinstance(value, str)
        case "long":
            return type(value) is int
        case "ip":
            return isinstance(value, str) and bool(ip_address(value))
        case "date":
            return datetime.fromisoformat(value).tzinfo is not None
        case "object":
            return all(isinstance(text, str) for text in value.values())
        case _:
            return False


def misfits(record: dict[str, Any]) -> list[str]:
    """Fields of an event that ECS does not know, or knows otherwise, and those that lack."""
    leaves = dict(_leaves(record))
    found = [name for name, field in ECS.items() if field.get("required") and name not in leaves]
    for name, value in leaves.items():
        field = ECS.get(name, {})
        values = value if field.get("array") else [value]
        allowed = field.get("allowed", values)
        if not isinstance(values, list) or not set(map(str, values)) <= set(map(str, allowed)):
            found.append(name)
        elif not all(_fits(field.get("type", ""), one) for one in values):
            found.append(name)
    expected = ECS["event.category"]["expected_event_types"]
    types = set(leaves.get("event.type", ()))
    # An event of several categories is classified by the types that any of them expects.
    if not types <= {
        t for kind in leaves.get("event.category", ()) for t in expected.get(kind, ())
    }:
        found.append("event.type")
    return found


@DOCUMENTS
def test_ecs_events_have_fields_values_and_types_of_the_generated_list(
    document: RunDocument,
) -> None:
    for record in records(render_ecs(document)):
        assert misfits(record) == []


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        (("ecs", "version"), None, "ecs.version"),
        (("event", "kind"), "finding", "event.kind"),
        (("event", "category"), "network", "event.category"),
        (("event", "type"), ["user"], "event.type"),
        (("event", "severity"), "21", "event.severity"),
        (("event", "verdict"), "confirmed", "event.verdict"),
        (("destination", "port"), "443", "destination.port"),
        (("@timestamp",), "2026-11-03T02:00:00", "@timestamp"),
    ],
)
def test_the_generated_list_of_ecs_refuses(
    place: tuple[str, ...], value: object, named: str
) -> None:
    record = records(render_ecs(SMALL))[1]
    assert misfits(record) == []
    assert named in misfits(changed(record, place, value))


@DOCUMENTS
def test_a_sarif_log_is_one_for_models_that_were_generated_from_the_standard(
    document: RunDocument,
) -> None:
    SarifLog.model_validate_json(render_sarif(document))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("version",), "2.0.0"),
        (("runs", 0, "tool", "driver", "name"), None),
        (("runs", 0, "results", 0, "level"), "critical"),
        (("runs", 0, "results", 0, "verdict"), "confirmed"),
        (("runs", 0, "invocations", 0, "startTimeUtc"), "yesterday"),
    ],
)
def test_these_models_of_sarif_refuse(place: tuple[str | int, ...], value: object) -> None:
    with pytest.raises(ValidationError):
        SarifLog.model_validate(changed(json.loads(render_sarif(SMALL)), place, value))


def _read_by_pycef(line: str) -> dict[str, str]:
    """It leaves what is escaped as it is, and calls custom fields by their labels."""
    read = pycef.parse(line)
    assert read is not None
    return {
        name: re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], value)
        for name, value in read.items()
    }


@pytest.mark.parametrize("document", [SMALL, documents.small(), documents.cut_short()])
def test_a_reader_of_cef_that_is_not_ours_reads_the_same(document: RunDocument) -> None:
    # The hostile one is left out: pycef loses a header that has an equals sign in it.
    for line in render_cef(document).splitlines():
        header, extension = parsed(line)
        read = _read_by_pycef(line)
        head = ("DeviceVendor", "DeviceProduct", "DeviceVersion", "DeviceEventClassID", "Name")
        assert [read[name] for name in head] == header[1:6]
        labels = {name.removesuffix("Label") for name in extension if name.endswith("Label")}
        for name, value in extension.items():
            if not name.endswith("Label"):
                assert read[extension[f"{name}Label"] if name in labels else name] == value


@DOCUMENTS
def test_a_dictionary_of_cef_that_is_not_ours_knows_the_fields(document: RunDocument) -> None:
    for line in render_cef(document).splitlines():
        _, extension = parsed(line)
        del extension["outcome"]  # the dictionary of the format has it, that of the package not
        event = CEFEvent(strict=True)
        for name, value in extension.items():
            event.set_field(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("dpt", "65536"), ("dst", "10.80.1"), ("c6a3", "10.80.1.7"), ("verdict", "confirmed")],
)
def test_this_dictionary_of_cef_refuses(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name if name == "verdict" else "Invalid value"):
        CEFEvent(strict=True).set_field(name, value)


def test_pycef_reads_nothing_from_what_is_no_cef() -> None:
    assert pycef.parse("portproof|portproof|0.1.0|open") is None


def _refused_by_defectdojo(finding: dict[str, Any]) -> bool:
    # Four hundred models: imported by the process that runs this, not by each that collects it.
    from defectdojo_api_generated.models.finding import Finding
    from defectdojo_api_generated.models.finding_create_request import FindingCreateRequest

    known = {field.alias or name for name, field in Finding.model_fields.items()}
    # Endpoints are told by number there.
    told = {name: value for name, value in finding.items() if name != "endpoints"}
    try:
        FindingCreateRequest.model_validate(told)
    except ValidationError:
        return True
    return not finding.keys() <= known


@DOCUMENTS
def test_findings_are_such_as_the_models_of_defectdojo_know(document: RunDocument) -> None:
    for finding in json.loads(render_defectdojo(document))["findings"]:
        assert not _refused_by_defectdojo(finding)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("title", "x" * 512), ("tags", [""]), ("description", 7), ("date", "x")),
        ("verdict", "confirmed"),
    ],
)
def test_the_models_of_defectdojo_refuse(name: str, value: object) -> None:
    (finding, *_) = json.loads(render_defectdojo(SMALL))["findings"]
    assert _refused_by_defectdojo(finding | {name: value})


def test_the_interface_of_defectdojo_has_all_that_a_reimport_says() -> None:
    from defectdojo_api_generated.api.reimport_scan_api import ReimportScanApi

    server = DefectDojo(
        name="dojo",
        web=Web(host="dojo.example.com", port=443),
        token=Secret(env="DOJO_TOKEN"),
        product="Perimeter",
        engagement="Port scans",
        product_type="Infrastructure",
    )
    known = inspect.signature(ReimportScanApi.create).parameters
    assert {*fields(server), "file"} <= known.keys()


@DOCUMENTS
def test_the_parser_of_prometheus_reads_every_sample(document: RunDocument) -> None:
    text = render_prometheus(document)
    families = list(text_string_to_metric_families(text))
    assert all(family.type == "gauge" and family.documentation for family in families)
    read = [sample for family in families for sample in family.samples]
    assert len(read) == sum(not line.startswith("#") for line in text.splitlines())
    assert {sample.labels["engagement"] for sample in read} == {document.engagement}


@pytest.mark.parametrize("text", ['x{a="b"} one\n', 'x{a="b} 1\n', 'x{a="b",a="c"} 1\n', "x\n"])
def test_the_parser_of_prometheus_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        list(text_string_to_metric_families(text))
