"""A run with an inventory of assets, from the first check to the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.store.inventories import file_inventory, inventory_of
from pipeline.store.runs import Store
from tests.cli.conftest import Portproof
from tests.cli.ground import Service, a_free_port, ask, engage, the_run
from tests.cli.test_baseline import add

HOSTILE = "Web \u202etaem\x1b[31m<script>alert(1)</script>"


def test_a_run_is_held_against_the_inventory_that_it_was_begun_with(
    portproof: Portproof, service: Service, tmp_path: Path
) -> None:
    missing = a_free_port(service.address)
    path = engage(tmp_path, [service.address], [service.port, missing])
    add(path, "assets: [{file: assets.csv}]\n")
    listed = tmp_path / "assets.csv"
    listed.write_text(
        "address,name,owner,zone,criticality,expected_ports\n"
        f"{service.address},shop,Web team,dmz,high,{missing}\n"
    )
    checked = portproof("check", path)
    assert "assets      assets.csv (csv): 1 entry" in checked.out
    ran = portproof("run", path)
    assert "1 port is open and not expected; 1 expected port is missing" in ran.err
    listed.write_text("address,owner\n203.0.113.1,Somebody else\n")
    assert portproof("report", "--workspace", tmp_path).code == 0
    report = json.loads((the_run(tmp_path) / "report.json").read_text())
    (endpoint,) = [e for e in report["endpoints"] if e["port"] == service.port]
    assert (endpoint["asset"]["owner"], endpoint["asset"]["criticality"]) == ("Web team", "high")
    assert {risk["zone"] for risk in endpoint["risks"]} <= {"dmz"}
    told = {port["port"]: port["kind"] for port in report["assets"]["ports"]}
    assert told == {service.port: "unexpected-port", missing: "missing-port"}
    assert report["assets"]["unknown_hosts"] == []
    where = f"{service.address}:{service.port}"
    shown = portproof("show", "last", where, "--workspace", tmp_path)
    assert "shop, of Web team, zone dmz, criticality high" in shown.out
    begun = (the_run(tmp_path) / "audit.jsonl").read_text().splitlines()[0]
    ((digest,),) = ask(tmp_path, "SELECT sha256 FROM inventories")
    assert digest in begun


@pytest.mark.parametrize("kind", ["html", "json"])
def test_what_an_inventory_says_is_hostile_in_every_output(
    portproof: Portproof, finished: Path, kind: str, tmp_path: Path
) -> None:
    from dataclasses import replace

    from pipeline.assembly import assemble
    from pipeline.decide.inventory import AssetSource, Entry, Inventory
    from stages.report import RENDERERS

    inventory = Inventory(
        sources=(AssetSource(name=HOSTILE, kind="csv", sha256="0" * 64, entries=1, note=HOSTILE),),
        entries=(Entry(hosts=("elsewhere",), owner=HOSTILE),),
    )
    with Store(finished / "portproof.db") as store:
        record = store.run("last")
        plan = replace(
            record.plan,
            assets=inventory.sources,
            inventory_sha256=file_inventory(store, inventory),
        )
        assert inventory_of(store, plan) == inventory
        document = assemble(store, replace(record, plan=plan))
    assert document.assets is not None
    assert document.assets.disagreements is not None
    assert [s.listing for s in document.assets.disagreements.strangers] == ["unknown"]
    text = RENDERERS[kind][1](document)
    assert "\u202e" not in text
    assert "\x1b" not in text
    if kind == "html":
        assert "<script>alert" not in text
        assert "not in the inventory" in text
    else:
        assert json.loads(text)["assets"]["unknown_hosts"][0]["kind"] == "unknown-host"
