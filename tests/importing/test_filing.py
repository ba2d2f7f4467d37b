"""What is filed is what was read: the store and the memory say the same of every file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.captures import HERE
from pipeline.decide.coverage import Coverage
from pipeline.importing.filing import Wanted, file_import
from pipeline.importing.occasion import Occasion, read_occasion
from pipeline.importing.parts import by_hosts
from pipeline.ledger import Ledger
from pipeline.model import Endpoint, Observation, RunState, TaskState
from pipeline.parse import ParseError
from pipeline.store.records import RunRecord
from pipeline.store.runs import Store
from stages.classify import classify, classify_others

NOW = 1_900_000_000.0
OCCASIONS = (
    ("hand-masscan.list", "hand-syn.xml", "hand-connect.xml", "hand-version.xml"),
    ("masscan-hits.json",),
    ("masscan-banners.ndjson",),
    ("masscan-ipv6.bin", "nmap-ipv6.xml"),
    ("nmap-syn-udp.xml", "masscan-udp.bin", "naabu.jsonl"),
    ("nmap-host-timeout.xml", "nmap-sigint.xml", "nmap-down-hosts.xml"),
    ("zmap.csv",),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("imports") / "portproof.db") as store:
        yield store


def filed(store: Store, *paths: Path) -> RunRecord:
    wanted = Wanted(
        engagement="imported",
        client="",
        run_id=f"run-{len(store.runs())}",
        version="0",
    )
    return file_import(store, paths, wanted, now=NOW)


def told(heard: tuple[Observation, ...]) -> set[tuple[object, ...]]:
    return {
        (o.method, o.purpose, o.state, o.reason, o.time, o.round, o.ttl, o.banner, o.service)
        for o in heard
    }


@pytest.mark.parametrize("names", OCCASIONS, ids=lambda names: names[0])
def test_the_store_says_of_files_what_the_memory_says(store: Store, names: tuple[str, ...]) -> None:
    paths = [HERE / name for name in names]
    occasion: Occasion = read_occasion(paths, now=NOW)
    run = filed(store, *paths)
    evidence = Ledger(store, run).everything()
    assert list(evidence.observations) == list(occasion.evidence.observations)
    for endpoint, heard in evidence.observations.items():
        assert told(heard) == told(occasion.evidence.observations[endpoint])
    coverage = Coverage(evidence.tasks, evidence.holes, evidence.refusals)
    asked = occasion.side().asked
    for address in (*run.plan.included, *evidence.batch.targets.addresses):
        for port in (1, 22, 53, 80, 443, 8080, 65535):
            endpoint = Endpoint.parse(f"[{address}]:{port}")
            assert coverage.asked(endpoint) == asked(endpoint)
    found = classify(store, run)
    assert {e: (v.kind, v.reason, v.confidence) for e, v in found.items()} == {
        e: (v.kind, v.reason, v.confidence) for e, v in occasion.verdicts.items()
    }
    assert sum(classify_others(store, run).values()) == len(found)


def test_whole_hosts_come_in_parts(store: Store) -> None:
    run = filed(store, *(HERE / name for name in OCCASIONS[0]))
    ledger = Ledger(store, run)
    parts = [part.observations for part in by_hosts(store, run, at_most=1)]
    assert [len({endpoint.address for endpoint in part}) for part in parts] == [1] * len(parts)
    together = {endpoint: heard for part in parts for endpoint, heard in part.items()}
    whole = ledger.everything().observations
    assert list(together) == list(whole)
    assert all(set(together[e]) == set(whole[e]) for e in whole)


def test_until_it_is_decided_an_import_is_not_complete(store: Store) -> None:
    run = filed(store, HERE / "nmap-syn.xml")
    assert run.state is RunState.INCOMPLETE
    assert run.plan.imported[0].sha256
    assert all(record.state is TaskState.SETTLED for record in Ledger(store, run).tasks())


def test_secrets_do_not_reach_the_store(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "secret.xml"
    file.write_text(
        '<nmaprun scanner="nmap" args="nmap --script-args http.password=hunter2hunter2 10.0.0.1" '
        'version="7.93"><scaninfo type="syn" protocol="tcp" services="25"/><host><status '
        'state="up"/><address addr="10.0.0.1"/><ports><port protocol="tcp" portid="25"><state '
        'state="open" reason="syn-ack"/><service name="smtp" method="probed" conf="10" '
        'extrainfo="mail to someone@example.org"/></port></ports></host><runstats><finished '
        'exit="success"/></runstats></nmaprun>'
    )
    run = filed(store, file)
    (heard,) = Ledger(store, run).everything().observations.values()
    said = f"{run.plan.imported} {heard} {Ledger(store, run).tasks()}"
    assert "someone@example.org" not in said
    assert "hunter2hunter2" not in said


def test_a_hostile_file_files_nothing(store: Store, tmp_path: Path) -> None:
    before = len(store.runs())
    bomb = tmp_path / "bomb.xml"
    good = (HERE / "nmap-syn.xml").read_text()
    bomb.write_text(good.replace("<!DOCTYPE nmaprun>", '<!DOCTYPE nmaprun [<!ENTITY a "b">]>'))
    with pytest.raises(ParseError, match="no scanner writes this"):
        filed(store, HERE / "hand-syn.xml", bomb)
    deep = tmp_path / "deep.json"
    deep.write_text((HERE / "masscan-hits.json").read_text()[:-3] + ',{"ip":' + "[" * 100_000)
    with pytest.raises(ParseError, match="inside one another"):
        filed(store, deep)
    assert len(store.runs()) == before
