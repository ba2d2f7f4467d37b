from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from pipeline.decide.completeness import sample_bound, two_passes
from pipeline.render.document import Completeness
from pipeline.render.document_json import render_json
from tests.render import documents


def test_every_endpoint_with_a_verdict_is_in_the_document_in_numeric_order() -> None:
    document = documents.small()
    told = json.loads(render_json(replace(document, findings=document.findings[::-1])))
    assert [(e["address"], e["port"], e["verdict"]) for e in told["endpoints"]] == [
        (str(f.verdict.endpoint.address), f.verdict.endpoint.port, f.verdict.kind)
        for f in document.findings
    ]


def test_an_endpoint_has_its_verdict_a_service_label_and_its_evidence() -> None:
    told = json.loads(render_json(documents.small()))
    web = next(e for e in told["endpoints"] if e["port"] == 443)
    assert {name: web[name] for name in ("address", "protocol", "port", "verdict", "reason")} == {
        "address": "10.80.1.7",
        "protocol": "tcp",
        "port": 443,
        "verdict": "confirmed",
        "reason": "service-spoke",
    }
    assert web["service"] == "ssl/http nginx 1.25.3"
    assert web["service_details"]["scripts"][0]["id"] == "ssl-cert"
    assert web["confidence"] == 0.9988
    assert web["change"] == "opened"
    assert [o["method"] for o in web["evidence"]] == [
        "masscan-syn",
        "nmap-syn",
        "nmap-connect",
        "handshake",
        "nmap-version",
    ]
    assert web["evidence"][3]["banner"] == "HTTP/1.1 400 Bad Request\r\nServer: nginx/1.25.3\r\n"
    assert web["evidence"][3]["aftermath"] == "data"
    assert set(web["observations"]) == {o["number"] for o in web["evidence"]}
    silent = next(e for e in told["endpoints"] if e["port"] == 8080)
    assert silent["service"] is None
    assert silent["service_details"] is None


def test_the_run_its_gaps_changes_tasks_and_events_are_told() -> None:
    told = json.loads(render_json(documents.small()))
    assert told["format"] == 1
    assert told["run"]["id"] == "20261103-020000-7f3a"
    assert told["run"]["started"] == "2026-11-03T02:00:00.000Z"
    assert told["run"]["authorisation"]["reference"] == "EX-2026-17"
    assert told["coverage"]["gaps"][0]["endpoints"] == 64_000
    assert told["coverage"]["holes"][0] == {
        "task": 2,
        "address": "10.80.1.7",
        "ports": None,
        "reason": "host timed out",
    }
    assert {c["kind"] for c in told["changes"]["changes"]} >= {"opened", "closed", "not-covered"}
    assert [t["number"] for t in told["tasks"]] == [1, 2, 3, 4, 5, 6, 7]
    assert told["tasks"][0]["addresses"] == ["10.80.0.0-10.80.3.255"]
    assert told["events"][1]["kind"] == "throttle"


def test_a_run_without_an_earlier_one_has_null_for_its_changes() -> None:
    told = json.loads(render_json(documents.EMPTY))
    assert told["changes"] is None
    assert told["endpoints"] == []


def test_the_same_run_gives_the_same_bytes() -> None:
    assert render_json(documents.small()).encode() == render_json(documents.small()).encode()


def test_every_endpoint_task_and_event_has_a_line_of_its_own() -> None:
    document = documents.small()
    lines = render_json(document).splitlines()
    assert document.comparison is not None
    of_addresses = len(document.findings) + len(document.comparison.changes)
    of_addresses += len(document.neighbourhoods.hosts)
    assert sum(line.startswith('{"address"') for line in lines) == of_addresses
    assert sum(line.startswith('{"number"') for line in lines) == len(document.tasks)


def test_hostile_texts_come_back_whole_and_cannot_disturb_a_terminal() -> None:
    text = render_json(documents.hostile())
    text.encode("utf-8")
    assert not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f]", text)
    banners = [e["service_details"]["banner"] for e in json.loads(text)["endpoints"]]
    assert banners == [re.sub("[\ud800-\udfff]", "\ufffd", t) for t in documents.HOSTILE]


def test_characters_beyond_the_basic_plane_survive_their_escape() -> None:
    event = replace(documents.small().events[0], text="tag \U000e0041 and \U0001f512")
    told = json.loads(render_json(replace(documents.EMPTY, events=(event,))))
    assert told["events"][0]["text"] == event.text


def test_a_number_that_json_does_not_have_is_refused() -> None:
    found = documents.refuted("10.80.2.33:81")
    broken = replace(found, verdict=replace(found.verdict, confidence=float("nan")))
    with pytest.raises(ValueError, match="JSON"):
        render_json(replace(documents.EMPTY, findings=(broken,)))


def test_hosts_networks_and_completeness_are_told_in_full() -> None:
    told = json.loads(render_json(documents.small()))
    sound, dropped, idle, tarpit = told["hosts"]
    assert (sound["doubts"], sound["asked"], sound["open"], sound["refused"]) == ([], 100, 1, 90)
    assert dropped["episodes"] == [
        {
            "mood": "silent",
            "after": "2026-11-03T02:00:00.000Z",
            "until": "2026-11-03T02:01:40.000Z",
            "void": False,
        }
    ]
    assert idle["open"] == 0
    assert (tarpit["doubts"], tarpit["answered_within"]) == (["answers-for-everything"], 0.6)
    assert [network["network"] for network in told["networks"]] == [
        ["10.80.1.0/24"],
        ["10.80.2.0/24"],
        ["10.80.3.0/24"],
    ]
    (turn,) = told["networks"][1]["turns"]
    assert (turn["mood"], turn["rate"], turn["rate_to_network"]) == ("silent", 8000.0, 2000.0)
    assert told["completeness"]["sample"]["open_at_most"] == 8942
    passes = told["completeness"]["passes"]
    assert (passes["low"], passes["high"], passes["level"]) == (233, 250, 0.95)
    assert len(passes["assumptions"]) == 4


def test_an_unfinished_run_has_no_completeness() -> None:
    assert json.loads(render_json(documents.cut_short()))["completeness"] is None


def test_where_there_is_no_estimate_the_document_has_the_reason_and_no_number() -> None:
    none = Completeness(
        sample=sample_bound(0, 0, 500), passes=two_passes(40, 40, 40, independent=False)
    )
    told = json.loads(render_json(replace(documents.small(), completeness=none)))
    assert told["completeness"]["sample"].keys() == {"none_because", "sentence"}
    assert told["completeness"]["passes"]["none_because"] == "not-independent"
