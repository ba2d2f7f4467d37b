"""The pages of integrations: their examples work, and their tables leave nothing out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
import typer
import yaml

from pipeline.cli.app import app
from pipeline.cli.edge import run
from pipeline.engagement import load, new_engagement
from pipeline.engagement.inventories import COLUMNS
from pipeline.engagement.inventorying import AssetDocument
from pipeline.ledger import Ledger
from pipeline.model import Aftermath, Method, Observation, PortState, Purpose, RunState, Task
from pipeline.render.defectdojo import render_defectdojo
from pipeline.render.exports.cef import render_cef
from pipeline.render.exports.ecs import render_ecs
from pipeline.render.exports.ocsf import render_ocsf
from pipeline.render.exports.prometheus import render_prometheus
from pipeline.render.exports.sarif import render_sarif
from pipeline.store.runs import Store
from tests.cli.past import past
from tests.decide.making import PLAN, START, batch, endpoints, seen, sweep, task
from tests.docs.pages import (
    DOCS,
    ROOT,
    blocks,
    command_lines,
    headings,
    name_of,
    plain,
    rows,
    section,
    text_of,
)
from tests.render import documents
from tests.render.judged import judged
from tests.render.test_cef import parsed

FOLDER: Final = DOCS / "integrations"
INTEGRATIONS: Final = tuple(sorted(set(FOLDER.glob("*.md")) - {FOLDER / "README.md"}))
SCANNERS: Final = ("nessus", "openvas", "nuclei", "vulners")
ENGAGEMENT: Final = new_engagement(date(2026, 11, 1))


def examples(name: str, language: str) -> list[str]:
    return [b.text for b in blocks(FOLDER / f"{name}.md") if b.language == language]


def engaged(folder: Path, said: str) -> Path:
    path = folder / "engagement.yml"
    path.write_text(ENGAGEMENT + said)
    return path


@pytest.mark.parametrize("page", INTEGRATIONS, ids=name_of)
def test_a_page_shows_an_example_tells_what_maps_to_what_and_where_it_ends(page: Path) -> None:
    told = [*headings(page).values()][1:]
    assert (told[0], told[-1]) == ("An example", "Limits")
    assert rows(section(page, "What maps to what"))
    assert re.search(r"^```(yaml|sh)\n", section(page, "An example"), flags=re.MULTILINE)


def test_the_index_lists_every_page_and_ways_that_exist() -> None:
    listed = rows(text_of(FOLDER / "README.md"))
    titles = {p.name: text_of(p).partition("\n")[0].removeprefix("# ") for p in INTEGRATIONS}
    assert sorted(row[0] for row in listed) == sorted(f"[{t}]({n})" for n, t in titles.items())
    group: Any = typer.main.get_command(app)
    keys = {"assets", "vulnerabilities", "deliveries"}
    for _, direction, _, ways in listed:
        assert direction in ("in", "out", "in, out")
        for way in map(plain, ways.split(", ")):
            assert way in keys or way.removeprefix("portproof ") in group.commands, way


@pytest.mark.parametrize("page", INTEGRATIONS, ids=name_of)
def test_a_page_uses_the_ways_of_its_row(page: Path) -> None:
    (ways,) = (row[3] for row in rows(text_of(FOLDER / "README.md")) if f"({page.name})" in row[0])
    called = {line[0] for line in command_lines(page)}
    said = {key for b in blocks(page) if b.language == "yaml" for key in yaml.safe_load(b.text)}
    for way in map(plain, ways.split(", ")):
        command = way.removeprefix("portproof ")
        assert command in called if command != way else way in said, way


def test_every_example_of_an_engagement_loads(tmp_path: Path) -> None:
    for name in ("siem-ca.pem", "portproof.pem", "portproof.key"):
        (tmp_path / name).write_text("")
    for name, (_, text) in {
        "assets.yml": examples("tables", "yaml")[:2],
        "hosts.yml": examples("ansible", "yaml"),
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "hosts.ini").write_text(examples("ansible", "ini")[0])
    (tmp_path / "cmdb.csv").write_text(examples("tables", "csv")[0])
    for name, text in zip(
        ("leases.csv", "zone-export.csv"), examples("dhcp-dns", "csv"), strict=True
    ):
        (tmp_path / name).write_text(text)
    loaded = 0
    for page in INTEGRATIONS:
        for text in examples(page.stem, "yaml"):
            if re.match(r"(assets|deliveries|vulnerabilities):", text):
                read = load(engaged(tmp_path, text))
                assert (
                    read.deliveries
                    or read.vulnerabilities
                    or read.inventory.sources
                    or "netbox" in text
                )
                loaded += 1
    assert loaded >= 14


def test_the_lists_of_the_pages_say_whose_hosts_there_are(tmp_path: Path) -> None:
    (_, own, others) = examples("tables", "yaml")
    (tmp_path / "assets.yml").write_text(own)
    (tmp_path / "cmdb.csv").write_text(examples("tables", "csv")[0])
    entries = load(engaged(tmp_path, f"{others}  - {{file: assets.yml}}\n")).inventory.entries
    assert (str(entries[0].zone), str(entries[0].criticality)) == ("dmz", "high")
    assert len(entries) == 5
    said, hosts = examples("ansible", "yaml")
    (tmp_path / "hosts.ini").write_text(examples("ansible", "ini")[0])
    (tmp_path / "hosts.yml").write_text(hosts)
    found = load(engaged(tmp_path, said)).inventory
    assert [(source.kind, source.entries) for source in found.sources] == [
        ("ansible", 2),
        ("ansible", 1),
    ]
    assert {(entry.owner, str(entry.zone)) for entry in found.entries} >= {("Mail team", "dmz")}
    for name, text in zip(
        ("leases.csv", "zone-export.csv"), examples("dhcp-dns", "csv"), strict=True
    ):
        (tmp_path / name).write_text(text)
    found = load(engaged(tmp_path, examples("dhcp-dns", "yaml")[0])).inventory
    assert [(source.kind, source.entries) for source in found.sources] == [("dhcp", 1), ("dns", 1)]


def test_the_page_of_tables_names_our_columns() -> None:
    told = rows(section(FOLDER / "tables.md", "What maps to what"))
    assert tuple(plain(row[0]) for row in told) == COLUMNS == tuple(AssetDocument.model_fields)


HOST: Final = "192.0.2.10"


def _asked() -> Iterator[tuple[Task, list[Observation]]]:
    """What a run asked of the host of the scans, and what it heard: 22 and 443 are open."""

    def heard(method: Method, state: PortState, ports: str, **more: Any) -> list[Observation]:
        found = endpoints(*(f"{HOST}:{port}" for port in ports.split(",")))
        return [seen(method, state, where=where, **more) for where in found]

    opened, closed = PortState.OPEN, PortState.CLOSED
    swept = sweep(HOST, ports="22,80,443,8443")
    yield swept, heard(Method.MASSCAN_SYN, opened, "22,443")
    named = task(at=[HOST], ports="22,443")
    yield named, heard(Method.NMAP_SYN, opened, "22,443")
    control = task(at=[HOST], ports="31000,31001", purpose=Purpose.CONTROL)
    yield control, heard(Method.NMAP_SYN, closed, "31000,31001", purpose=Purpose.CONTROL)
    spoke: dict[str, Any] = {"aftermath": Aftermath.DATA, "banner": "220 ready"}
    shaken = task(Method.HANDSHAKE, at=[HOST], ports="22,443")
    yield shaken, heard(Method.HANDSHAKE, opened, "22,443", **spoke)


def _a_run(store: Store) -> None:
    run = store.create_run(PLAN, run_id="one", now=START)
    ledger = Ledger(store, run)
    ledger.add_batches([batch(HOST, ports="22,80,443,8443")])
    asked = list(_asked())
    ledger.file(each for each, _ in asked)
    for record, (_, heard) in zip(ledger.tasks(), asked, strict=True):
        attempt = ledger.start(record.number, argv=(), rate=None, evidence="", now=START)
        ledger.settle(record.number, attempt, observations=heard, now=START + 60)
    store.set_state(run.number, RunState.COMPLETE, now=START + 120)


@pytest.mark.parametrize("name", SCANNERS)
def test_a_scan_is_filed_as_its_page_shows_it(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with past(tmp_path) as store:
        _a_run(store)
    (line,) = command_lines(FOLDER / f"{name}.md")
    args = [str(ROOT / part) if part.startswith("fixtures/") else part for part in line[:-1]]
    assert run([*args, str(tmp_path)]) == 0
    assert [capsys.readouterr().out] == examples(name, "text")


def _names(value: Any) -> Iterator[str]:
    """The last part of the name of each value."""
    if isinstance(value, list):
        for each in value:
            yield from _names(each)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, dict | list) and inner and not isinstance(next(iter(inner)), str):
                yield from _names(inner)
            elif isinstance(inner, dict):
                yield from _names(inner)
            else:
                yield name


SMALL: Final = judged(documents.small())
OF_THE_FILE: Final = {"$schema", "columnKind"}
"""What every log of SARIF says in the same way."""


def _json_lines(rendered: str) -> set[str]:
    return {name for line in rendered.splitlines() for name in _names(json.loads(line))}


def _of_cef() -> set[str]:
    return {name for line in render_cef(SMALL).splitlines() for name in parsed(line)[1]}


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("ecs", lambda: _json_lines(render_ecs(SMALL))),
        ("ocsf", lambda: _json_lines(render_ocsf(SMALL))),
        ("syslog", lambda: {name for name in _of_cef() if not name.endswith("Label")}),
        ("defectdojo", lambda: {*_names(json.loads(render_defectdojo(SMALL)))}),
        ("sarif", lambda: {*_names(json.loads(render_sarif(SMALL)))} - OF_THE_FILE),
        ("prometheus", lambda: {*re.findall(r"^(\w+)\{", render_prometheus(SMALL), re.M)}),
    ],
)
def test_the_table_of_a_page_leaves_no_field_out(page: str, told: Callable[[], set[str]]) -> None:
    known = set(re.findall(r"[@\w/]+", section(FOLDER / f"{page}.md", "What maps to what")))
    found = told()
    assert len(found) > 5
    assert found <= known, found - known
