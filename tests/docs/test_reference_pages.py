"""The references say what the code knows: keys, profiles, verdicts, reasons, changes, rates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipeline.decide import reasons
from pipeline.decide.pace import (
    PACKETS_PER_SWEEP_PROBE,
    PACKETS_TO_A_HOST_PER_SWEEP_PROBE,
    Ceilings,
    sweep_rate,
)
from pipeline.engagement import (
    FRAGILE_PORTS,
    OUTPUTS,
    SCRIPTS,
    json_schema,
    known_profiles,
    load,
    new_engagement,
)
from pipeline.engagement.profiles import ProfileDocument
from pipeline.errors import Mistake
from pipeline.model import (
    Aftermath,
    ChangeKind,
    Method,
    StageName,
    TaskState,
    VerdictKind,
)
from pipeline.ports import PortSet
from pipeline.render.text import duration
from pipeline.render.words import CHANGES
from pipeline.resources import read_text
from pipeline.store import schema as tables
from pipeline.tools.nmap import PACKETS_PER_CONNECT, PACKETS_PER_SYN, version_packets
from pipeline.wire import PACKETS_PER_HANDSHAKE
from tests.docs.pages import DOCS, ROOT, blocks, plain, rows, section, text_of

ENGAGEMENT = DOCS / "engagement.md"
VERDICTS = DOCS / "verdicts.md"
CEILINGS = DOCS / "ceilings.md"
ARCHITECTURE = DOCS / "architecture.md"


# --- the engagement file -----------------------------------------------------------------------


def _keys(
    schema: dict[str, Any], part: dict[str, Any], path: str = ""
) -> Iterator[tuple[str, Any]]:
    required = part.get("required", ())
    for name, key in part.get("properties", {}).items():
        here = f"{path}{name}"
        yield here, {**key, "required": name in required}
        for inner, mark in _parts(schema, key):
            yield from _keys(schema, inner, f"{here}{mark}.")


def _parts(schema: dict[str, Any], key: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    if "$ref" in key:
        yield schema["$defs"][key["$ref"].rpartition("/")[2]], ""
    for entry in key.get("oneOf", ()):
        yield from _parts(schema, entry)
    if "$ref" in key.get("items", {}):
        for inner, _ in _parts(schema, key["items"]):
            yield inner, "[]"
    for entry in key.get("items", {}).get("oneOf", ()):
        for inner, _ in _parts(schema, entry):
            yield inner, "[]"


# A rule has a page of its own, docs/risk.md.
KEYS = {
    name: key
    for name, key in _keys(json_schema(), json_schema())
    if not name.startswith("risk.rules[]")
}


def _documented_keys() -> dict[str, tuple[str, ...]]:
    return {plain(row[0]): row for row in rows(section(ENGAGEMENT, "All keys"))}


def test_every_key_of_the_schema_is_in_the_reference_and_no_other() -> None:
    assert set(_documented_keys()) == set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_the_reference_says_which_keys_are_required_and_their_defaults(key: str) -> None:
    told = _documented_keys()[key]
    assert ("required" in told[2]) == KEYS[key]["required"]
    default = KEYS[key].get("default")
    if isinstance(default, str):
        assert told[2] == f"`{default}`"
    for bound in ("minimum", "maximum"):
        if bound in KEYS[key]:
            assert f"{KEYS[key][bound]:,}" in told[1]


def test_the_example_of_the_reference_is_sound(tmp_path: Path) -> None:
    example = next(block for block in blocks(ENGAGEMENT) if block.language == "yaml")
    path = tmp_path / "engagement.yml"
    path.write_text(example.text)
    listed = [block.text for block in blocks(ENGAGEMENT) if block.text.startswith("expected:")]
    (tmp_path / "expected.yml").write_text(listed[0])
    for name in ("assets.csv", "leases.csv"):
        (tmp_path / name).write_text("address,name\n192.0.2.1,shop\n")
    (tmp_path / "ip-ranges.json").write_text('{"prefixes": [{"ip_prefix": "192.0.2.0/27"}]}')
    engagement = load(path)
    assert set(re.findall(r"^(\w+):", example.text, flags=re.MULTILINE)) == {
        key for key in KEYS if "." not in key
    }
    assert engagement.outputs == OUTPUTS


def test_every_output_is_named() -> None:
    for output in OUTPUTS:
        assert f"`{output}`" in _documented_keys()["outputs"][3]


def test_the_entries_of_a_scope_in_the_reference_are_sound(tmp_path: Path) -> None:
    (tmp_path / "targets.txt").write_text("192.0.2.1\n")
    entries = [
        entry
        for row in rows(section(ENGAGEMENT, "Scope"))
        for entry in re.findall(r"`([^`]+)`", row[1])
        if entry != "include"
    ]
    text = new_engagement(date(2026, 11, 1))
    for entry in entries:
        path = tmp_path / "engagement.yml"
        path.write_text(
            text.replace("    - 192.0.2.0/24\n", f"    - 192.0.2.0/24\n    - {entry}\n")
        )
        load(path)


def test_the_ports_of_the_reference_are_sound(tmp_path: Path) -> None:
    told = section(ENGAGEMENT, "Ports")
    for ports in [plain(row[0]) for row in rows(told)] + ["top:100,8000-8100", "[top:100, 22]"]:
        path = tmp_path / "engagement.yml"
        path.write_text(new_engagement(date(2026, 11, 1)).replace("top:1000", ports))
        load(path)


# --- profiles ----------------------------------------------------------------------------------


def _profile(name: str) -> dict[str, str]:
    """A shipped profile as texts, by dotted key."""
    lines = re.sub(r"#.*", "", read_text("configs", f"profiles/{name}.yml")).splitlines()
    found, prefix = {}, ""
    for line in lines:
        key, colon, value = line.strip().partition(":")
        if colon and not value.strip():
            prefix = f"{key}."
        elif colon:
            indented = prefix if line.startswith(" ") else ""
            found[indented + key] = value.strip().strip("[]")
    return found


def _profiles() -> list[dict[str, str]]:
    """The shipped profiles, the gentlest first."""
    return sorted(map(_profile, known_profiles()), key=lambda found: int(found["limits.rate"]))


@pytest.mark.parametrize("name", known_profiles())
def test_the_table_of_profiles_has_the_values_of_the_files(name: str) -> None:
    table = section(ENGAGEMENT, "Profiles")
    heading = next(line for line in table.splitlines() if line.startswith("| key"))
    column = [plain(cell.strip()) for cell in heading.strip("|").split("|")].index(name)
    told = {plain(row[0]): row[column] for row in rows(table)}
    actual = _profile(name)
    assert actual.pop("name") == name
    assert told == actual


def test_every_key_of_a_profile_is_explained() -> None:
    explained = section(ENGAGEMENT, "Profiles")
    for key in ProfileDocument.model_fields:
        assert f"| `{key}` |" in explained, key


def test_every_profile_and_script_is_named() -> None:
    told = section(ENGAGEMENT, "Profiles")
    for name in (*known_profiles(), *SCRIPTS):
        assert f"`{name}`" in told
    for script in SCRIPTS:
        assert f"`{script}`" in section(CEILINGS, "What is never sent")


def test_the_fragile_ports_are_those_of_the_code() -> None:
    block = re.search(r"```text\n(.*?)```", section(ENGAGEMENT, "Fragile ports"), flags=re.S)
    assert block is not None
    assert PortSet.parse(re.sub(r"\s", "", block[1])) == FRAGILE_PORTS


# --- verdicts ----------------------------------------------------------------------------------


def test_every_reason_code_has_a_section_and_no_other_has() -> None:
    told = section(VERDICTS, "Reason codes")
    codes = re.findall(r"^### (.+)$", told, flags=re.MULTILINE)
    assert sorted(codes) == sorted(reasons.EXPLANATIONS)


@pytest.mark.parametrize("code", reasons.EXPLANATIONS)
def test_the_section_of_a_reason_says_what_was_seen_what_it_means_and_what_would_change_it(
    code: str,
) -> None:
    told = section(VERDICTS, code)
    for part in ("Seen", "Means", "Would change it"):
        assert f"- **{part}:**" in told
    means = re.search(r"\*\*Means:\*\* `([a-z]+)`", told)
    assert means is not None
    assert means[1] in set(VerdictKind)


@pytest.mark.parametrize("code", reasons.EXPLANATIONS)
def test_every_reason_stands_in_the_rules(code: str) -> None:
    assert f"[`{code}`](#{code})" in section(VERDICTS, "The rules")


def test_every_verdict_has_a_row() -> None:
    told = [plain(row[0]) for row in rows(section(VERDICTS, "The eight verdicts"))]
    assert sorted(told) == sorted(VerdictKind)


def test_every_aftermath_has_a_row() -> None:
    told = [plain(row[0]) for row in rows(section(VERDICTS, "What follows a handshake"))]
    assert sorted(told) == sorted(Aftermath)


def test_every_method_is_named() -> None:
    told = section(VERDICTS, "Methods")
    for method in Method:
        assert f"`{method}`" in told, method


# --- changes -----------------------------------------------------------------------------------


def test_every_kind_of_change_has_a_row_in_the_order_of_the_report() -> None:
    told = [
        plain(row[0]) for row in rows(section(DOCS / "comparing.md", "The ten kinds of change"))
    ]
    assert told == [kind.value for kind in CHANGES]
    assert len(told) == len(ChangeKind) == 10


# --- ceilings ----------------------------------------------------------------------------------


def test_the_packets_that_are_counted_are_those_of_the_code() -> None:
    told = [int(row[1]) for row in rows(section(CEILINGS, "What the ceilings mean"))]
    assert told == [
        PACKETS_PER_SWEEP_PROBE,
        PACKETS_TO_A_HOST_PER_SWEEP_PROBE,
        PACKETS_PER_SYN,
        PACKETS_PER_CONNECT,
        PACKETS_PER_HANDSHAKE,
    ]


def test_the_packets_of_version_probes_are_those_of_the_code() -> None:
    kinds = ((), ("ssl-cert", "http-title"), ("ssl-cert", "ssh-hostkey"))
    for intensities, *told in rows(section(CEILINGS, "Version probes")):
        first, _, last = intensities.partition(" to ")
        for intensity in (int(first), int(last)):
            counted = [version_packets(intensity, scripts) for scripts in kinds]
            assert [int(number) for number in told] == counted


def test_the_table_of_sweep_rates_is_what_the_code_computes() -> None:
    told = section(CEILINGS, "Sweeps, and why small scopes go slower than the limit")
    heading = next(line for line in told.splitlines() if line.startswith("| hosts"))
    columns = re.findall(r"`rate` (\d+), `rate_per_host` (\d+)", heading)
    limits = [(found["limits.rate"], found["limits.rate_per_host"]) for found in _profiles()]
    assert columns == limits
    for hosts, *rates in rows(told):
        for (rate, per_host), shown in zip(columns, rates, strict=True):
            ceilings = Ceilings(rate=int(rate), rate_per_host=int(per_host))
            computed = sweep_rate(int(hosts), ceilings)
            assert float(shown) == pytest.approx(computed, abs=1)


# --- architecture ------------------------------------------------------------------------------


def test_the_architecture_names_every_stage_table_and_state_of_a_task() -> None:
    told = text_of(ARCHITECTURE)
    for stage in StageName:
        assert stage.value in section(ARCHITECTURE, "The house")
    for table in tables.metadata.tables:
        assert f"`{table}`" in section(ARCHITECTURE, "The store"), table
    for state in TaskState:
        assert state.value in section(ARCHITECTURE, "The ledger")
    for reached in re.findall(r"^  (\w+\.py|\w+/) ", told, flags=re.MULTILINE):
        assert (ROOT / "pipeline" / reached).exists(), reached


def test_every_module_of_the_pipeline_has_its_place_in_the_house() -> None:
    house = section(ARCHITECTURE, "The house")
    for path in (ROOT / "pipeline").iterdir():
        if path.name.startswith(("__", "_data")):
            continue
        name = f"{path.name}/" if path.is_dir() else path.name
        assert name in house, name


# --- the way that mistakes and times are told --------------------------------------------------


def test_mistakes_are_told_in_the_form_that_the_reference_promises() -> None:
    told = Mistake(file="file", line=3, column=7, field="key", what="what is wrong")
    assert str(told) == "file:3:7: key: what is wrong"
    assert "`file:line:column: key: what is wrong`" in text_of(ENGAGEMENT)


def test_the_guide_says_how_long_the_delays_of_balanced_take_at_least() -> None:
    delays = _profile("balanced")["rescan_delays"]
    assert delays == "30s, 5m, 30m"
    assert duration(30 + 5 * 60 + 30 * 60) == "35 min 30 s"
    assert "at least 35 minutes" in section(DOCS / "guide.md", "A run, step by step")
