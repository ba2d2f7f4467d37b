"""What lies in ``configs/``: the schema, the template and the quick start."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pipeline import resources
from pipeline.addresses import AddressSet
from pipeline.engagement import (
    Engagement,
    json_schema,
    load,
    new_engagement,
    policy_json_schema,
    template,
)
from pipeline.engagement.nodes import read
from pipeline.errors import EngagementError

Engage = Callable[[str | bytes], Engagement]
Edit = Callable[..., str]

EVENT = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Example Ltd//EN
BEGIN:VEVENT
UID:1
DTSTAMP:20261101T000000Z
DTSTART:20261105T100000Z
DTEND:20261105T120000Z
END:VEVENT
END:VCALENDAR
"""

CONFIGS = resources.folder("configs")


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    """The published schema."""
    schema = json.loads((CONFIGS / "engagement.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


# A rule is no line of an engagement; docs/risk.md explains its keys.
PARTS_OF_RULES = frozenset(policy_json_schema()["$defs"])


def _plain(text: str) -> Any:
    root, mistakes = read(text, "engagement.yml")
    assert root is not None
    assert not mistakes
    return root.plain()


def test_the_published_schema_is_fresh() -> None:
    published = json.loads((CONFIGS / "engagement.schema.json").read_text())
    assert published == json_schema(), (
        "renew it: python -m pipeline.engagement > configs/engagement.schema.json"
    )


def test_the_published_schema_of_risk_rules_is_fresh() -> None:
    published = json.loads((CONFIGS / "risk.schema.json").read_text())
    assert published == policy_json_schema(), (
        "renew it: python -m pipeline.engagement risk > configs/risk.schema.json"
    )


def test_the_published_policy_fits_its_schema() -> None:
    check = jsonschema.Draft202012Validator(policy_json_schema())
    for path in (CONFIGS / "risk.yml", *(CONFIGS / "risk").glob("*.yml")):
        check.validate(_plain(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("schema", [json_schema(), policy_json_schema()])
def test_every_key_of_the_schema_is_explained(schema: dict[str, Any]) -> None:
    for part in (schema, *schema["$defs"].values()):
        for name, key in part["properties"].items():
            target = schema["$defs"][key["$ref"].rpartition("/")[2]] if "$ref" in key else key
            assert target.get("description"), name


def test_the_template_loads_on_the_day_it_is_written(engage: Engage) -> None:
    today = date(2026, 11, 1)
    found = engage(new_engagement(today))
    found.authorisation.require(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
    found.authorisation.require(datetime(2026, 11, 30, 23, 59, tzinfo=UTC).timestamp())
    # Who runs it unread asks nobody but the own machine.
    assert found.include <= AddressSet.parse(["127.0.0.0/8"])


def test_the_template_fits_the_schema(validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(_plain(new_engagement(date(2026, 11, 1))))


def test_the_template_shows_every_key(engage: Engage) -> None:
    schema = json_schema()
    parts = [part for name, part in schema["$defs"].items() if name not in PARTS_OF_RULES]
    names = {name for part in (schema, *parts) for name in part["properties"]}
    missing = {name for name in names if f"{name}:" not in template()}
    assert not missing


def test_what_the_template_has_in_comments_is_sound_too(engage: Engage, tmp_path: Path) -> None:
    (tmp_path / "authorisation.pdf").write_bytes(b"x")
    (tmp_path / "targets.txt").write_text("192.0.2.77\n")
    (tmp_path / "client.ics").write_text(EVENT)
    (tmp_path / "ip-ranges.json").write_text('{"prefixes": [{"ip_prefix": "192.0.2.0/27"}]}')
    (tmp_path / "hosters.csv").write_text("network\n192.0.2.64/27\n")
    (tmp_path / "texts").mkdir()
    for name in ("siem-ca.pem", "portproof.pem", "portproof.key"):
        (tmp_path / name).write_text("")
    (tmp_path / "own-risk.yml").write_text("rules: [{id: ssh, severity: low}]\n")
    lines = []
    in_windows = False
    for line in new_engagement(date(2026, 11, 1)).splitlines():
        body = line.lstrip()
        key = body.removeprefix("# ").removeprefix("- ").partition(":")[0].partition(" ")[0]
        offered = body.startswith("# - ") or key in (
            "timezone", "document", "role", "contacts", "permits",
            "interface", "source_address", "concurrency", "canaries",
            "until_settled", "error", "packets_per_endpoint", "packets", "zones", "risk",
        )  # fmt: skip
        sections = ("windows", "suppress", "notices", "deliveries", "third_parties")
        opens = line.startswith(tuple(f"# {section}:" for section in sections))
        in_windows = opens or (in_windows and line.startswith("#  "))
        lines.append(line.replace("# ", "", 1) if offered or in_windows else line)
    found = engage("\n".join(lines))
    assert found.canaries
    assert found.risk.zones
    assert [each.provider for each in found.third_parties.ranges] == ["AWS", "Example Hosting"]
    assert found.risk.own.rules
    assert found.vantage.source_address
    assert found.authorisation.document
    assert found.authorisation.contacts
    assert found.authorisation.permits.targets
    assert len(found.include_names) == 2
    assert (found.until_settled, found.rescan_error) == (7200.0, 0.01)
    assert [bool(each.kinds) for each in found.suppressions] == [False, True]
    assert found.notices
    assert found.notices.required
    assert [each.name for each in found.deliveries] == ["siem", "search", "splunk", "hook", "dojo"]
    assert found.hours is not None
    assert found.hours.holidays
    assert found.hours.calendar
    assert (len(found.hours.weekly), len(found.hours.blackout)) == (2, 2)
    assert (found.rescan_packets_per_endpoint, found.rescan_packets) == (500, 100_000)


def test_the_quickstart_asks_this_machine_only_and_is_valid_for_long(
    validator: jsonschema.Draft202012Validator,
) -> None:
    path = CONFIGS / "quickstart.yml"
    found = load(path, now=datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    found.authorisation.require(datetime(2099, 12, 31, 23, tzinfo=UTC).timestamp())
    assert found.include == AddressSet.parse(["127.0.0.1"])
    assert str(found.ports) == "top:100"
    assert found.rescan_delays == (5.0, 10.0)
    assert "--workspace" in found.text
    validator.validate(_plain(found.text))


@pytest.mark.parametrize(
    ("start", "line"),
    [
        ("client", ""),
        ("client", "client: 3"),
        ("client", "klient: x"),
        ("  valid_from", "  valid_from: soon"),
        ("  valid_from", "  valid_from: 20261101"),
        ("  include", "  include: []"),
        ("  include", "  include: 192.0.2.1"),
        ("  include", "  include: [7]"),
        ("  include", "  include: ['-oN/etc/passwd']"),
        ("  include", "  include: [{host: x}]"),
        ("  include", "  include: [{host: -x, expect: [192.0.2.1]}]"),
        ("ports", "ports: 0"),
        ("ports", "ports: 65536"),
        ("ports", "ports: 80-"),
        ("ports", "ports: http"),
        ("ports", "ports: 22:22"),
        ("ports", "ports: ''"),
        ("ports", "ports: []"),
        ("ports", "ports: true"),
        ("ports", "ports: S:22"),
        ("ports", "ports: {udp: []}"),
        ("ports", "ports: {udp: 0}"),
        ("ports", "ports: {sctp: 9899}"),
        ("ports", "ports: {tcp: 22, udp: 'U:53'}"),
        ("vantage", "vantage: {interface: -x}"),
        ("limits", "limits: {rate: 0}"),
        ("limits", "limits: {rate: '10'}"),
        ("limits", "limits: {concurrency: 65}"),
        ("rescan", "rescan: {delays: [30]}"),
        ("rescan", "rescan: {delays: [soon]}"),
        ("rescan", "rescan: {delays: ['']}"),
        ("rescan", "rescan: {until_settled: 30}"),
        ("rescan", "rescan: {error: 0.001}"),
        ("rescan", "rescan: {error: 0.3}"),
        ("rescan", "rescan: {packets_per_endpoint: 0}"),
        ("rescan", "rescan: {packets: 0}"),
        ("rescan", "canaries: [192.0.2.1]"),
        ("rescan", "outputs: [htm]"),
    ],
)
def test_what_the_loader_refuses_for_its_form_the_schema_refuses_too(
    start: str,
    line: str,
    with_line: Edit,
    engage: Engage,
    validator: jsonschema.Draft202012Validator,
) -> None:
    text = with_line(start, line)
    assert not validator.is_valid(_plain(text))
    with pytest.raises(EngagementError):
        engage(text)


@pytest.mark.parametrize(
    ("start", "line"),
    [
        ("ports", "ports: 22"),
        ("ports", "ports: -100"),
        ("ports", "ports: [22, '80-90', top:10, all]"),
        ("ports", "ports: '22, T:80'"),
        ("ports", "ports: TOP:5"),
        ("ports", "ports: 'T:22, 80, u: 53,161-162,U:top:5'"),
        ("ports", "ports: {tcp: [22, '80'], udp: top:20}"),
        ("ports", "ports: {udp: 53}"),
        ("  valid_until", "  valid_until: 2027-10-31T08:00:00+01:00"),
        ("  valid_until", "  valid_until: 2027-10-31 08:00Z"),
        ("  include", "  include: [192.0.2.1, 'fd00::/120', www.example.com, 10.0.0.1-9]"),
        ("  include", "  include: [{host: www.example.com., expect: ['2001:db8::/32']}]"),
        ("rescan", "rescan: {delays: [1d, 1h30m, 500ms5s]}"),
        ("rescan", "rescan: {delays: []}"),
        ("rescan", "rescan: {until_settled: 2h}"),
        ("rescan", "rescan: {error: 0.05, packets: 1, packets_per_endpoint: 100000}"),
        ("rescan", "canaries: ['[2001:db8::1]:443/tcp', '192.0.2.1:22']"),
        ("vantage", "vantage: {interface: eth0.5@if2, source_address: '2001:db8::1'}"),
    ],
)
def test_what_the_loader_takes_fits_the_schema(
    start: str,
    line: str,
    with_line: Edit,
    engage: Engage,
    validator: jsonschema.Draft202012Validator,
) -> None:
    text = with_line(start, line).replace("500ms5s", "5s500ms")
    if "canaries" in text:
        text = text.replace("[192.0.2.0/24]", "[192.0.2.0/24, '2001:db8::1']")
    validator.validate(_plain(text))
    assert engage(text)
