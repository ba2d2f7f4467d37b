"""Risks in the report: severest first, one entry for one remedy, and never by colour alone."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from pipeline.decide.risk_rules import Severity
from pipeline.render.document_json import render_json
from pipeline.render.findings import group
from pipeline.render.html import render_html
from pipeline.render.inventory import inventory
from pipeline.render.risks import (
    assumed_sentence,
    risk_counts,
    risk_entries,
    risk_sentence,
)
from pipeline.render.summary import summarise
from pipeline.render.terminal import verdict_table
from tests.render import documents as d
from tests.render.judged import ATTACKED, POLICY, by_port, judged, rule
from tests.render.page import read_page

SMALL = judged(d.small())
PAGE = read_page(render_html(SMALL))


def as_json(document: Any) -> Any:
    return json.loads(render_json(document))


def test_entries_come_by_severity_and_then_by_address() -> None:
    entries = [
        (e.risk.severity, e.risk.rule, str(e.endpoints[0])) for e in risk_entries(SMALL.findings)
    ]
    assert entries == [
        (Severity.HIGH, "desktop", "10.80.1.9:3389/tcp"),
        (Severity.HIGH, "database", "10.80.2.20:5432/tcp"),
        (Severity.LOW, "web", "10.80.1.7:443/tcp"),
        (Severity.INFO, "login", "10.80.1.7:22/tcp"),
    ]


def test_what_is_mended_in_one_way_is_one_entry_with_all_its_endpoints() -> None:
    web = next(e for e in risk_entries(SMALL.findings) if e.risk.rule == "web")
    assert [str(endpoint) for endpoint in web.endpoints] == [
        "10.80.1.7:443/tcp",
        "10.80.2.14:8080/tcp",
        "[2001:db8:80::7]:6379/tcp",
    ]
    assert (
        dict(web.remarks)["The port was not open every time it was asked; while it is, this holds."]
        == 1
    )


def test_artefacts_and_what_is_closed_have_no_risk() -> None:
    at_risk = {f.verdict.kind.value for f in SMALL.findings if f.risks}
    assert at_risk == {"confirmed", "likely", "transient", "unresolved"}


def test_within_a_verdict_the_severest_comes_first() -> None:
    confirmed = group(SMALL.findings, at_most=100)[0]
    assert [f.severity for f in confirmed.single] == [Severity.LOW, Severity.LOW, Severity.INFO]


def test_the_counts_are_those_of_endpoints_and_name_every_severity() -> None:
    counts = risk_counts(SMALL.findings)
    assert [(c.severity.value, c.endpoints) for c in counts] == [
        ("critical", 0),
        ("high", 2),
        ("medium", 0),
        ("low", 3),
        ("info", 1),
    ]
    assert risk_sentence(counts) == "2 open endpoints are a high risk, 3 low, 1 info."
    assert risk_sentence(risk_counts(d.small().findings)) == ""


def test_what_to_do_first_begins_with_the_severest_risk() -> None:
    steps = summarise(SMALL).first
    assert [step.text for step in steps[:2]] == [
        "High risk: Remote desktop.",
        "High risk: A database.",
    ]
    assert not any(step.risk and step.risk.severity is Severity.LOW for step in steps)


def test_a_long_list_of_risks_is_not_told_whole_at_the_top() -> None:
    many = replace(
        POLICY,
        rules=tuple(
            rule(f"r{n}", f"Risk {n}", by_port(n), severity=Severity.HIGH) for n in range(1, 9)
        ),
    )
    findings = tuple(d.likely(f"10.80.1.9:{n}") for n in range(1, 9))
    steps = summarise(judged(replace(d.EMPTY, findings=findings), many)).first
    assert sum(step.risk is not None for step in steps) == 5
    assert any(
        step.text == "Then the 3 risks that follow these in the list of risks." for step in steps
    )


def test_every_link_to_a_risk_leads_to_its_entry() -> None:
    links = {
        e.attributes["href"][1:]
        for e in PAGE.named("a")
        if "#risk-" in e.attributes.get("href", "")
    }
    assert {e.anchor for e in risk_entries(SMALL.findings)} <= links
    assert links <= set(PAGE.ids)


def test_the_severity_is_always_a_word_with_risk_for_who_cannot_see_it() -> None:
    chips = PAGE.by_class("severity")
    assert len(chips) >= 10
    for chip in chips:
        assert chip.text.split()[0] in set(Severity)
    assert "high risk" in PAGE.words


@pytest.mark.parametrize(
    "told",
    [
        "Why desktop matters.",
        "Bind it to loopback: bind 127.0.0.1.",
        "CIS Controls v8, 4.4: Implement and Manage a Firewall on Servers",
        "NIST SP 800-53, SC-7(5): Deny by Default — Allow by Exception",
        "CWE-306: Missing Authentication for Critical Function",
        "The port is likely open, which is not proven; if it is, this holds.",
        "this goes by the number of the port alone",
        "One step down from critical: criticality is low.",
        "Judged by the risk policy test-1.",
        "4 open endpoints lie in no zone of the engagement; by their addresses they count as "
        "internal (3) and internet (1).",
        "CIS Controls v8: 4.4; NIST SP 800-53: SC-7(5); CWE-306, CWE-99999",
    ],
)
def test_an_entry_says_why_what_to_do_and_how_far_to_trust_it(told: str) -> None:
    assert told in PAGE.words


def test_a_reference_that_we_do_not_know_is_told_by_its_number_alone() -> None:
    assert "CWE-99999 Rule desktop" in PAGE.words


def test_rules_of_which_nothing_could_be_read_are_told() -> None:
    page = read_page(render_html(replace(SMALL, risk_note="own-risk.yml:3:1: broken")))
    assert "own-risk.yml:3:1: broken. These risks were judged without them." in page.words


def test_a_run_without_risks_and_one_not_judged_say_so() -> None:
    assert (
        "Nothing that is open, or was at times, is at risk."
        in read_page(render_html(judged(d.EMPTY))).words
    )
    assert "The risks of this run were not judged." in read_page(render_html(d.EMPTY)).words


def test_json_has_the_severity_of_each_endpoint_and_each_rule_once() -> None:
    told = as_json(SMALL)
    assert told["risk"]["policy"] == "test-1"
    assert told["risk"]["counts"] == {"critical": 0, "high": 2, "medium": 0, "low": 3, "info": 1}
    assert [each["id"] for each in told["risk"]["rules"]] == ["database", "desktop", "login", "web"]
    severities = {f"{e['address']}:{e['port']}": e["severity"] for e in told["endpoints"]}
    assert severities["10.80.1.9:3389"] == "high"
    assert severities["10.80.3.41:80"] is None
    (risk,) = next(e["risks"] for e in told["endpoints"] if e["port"] == 5432)
    assert (risk["base_severity"], risk["zone"], risk["open"]) == ("critical", "dmz", "disputed")
    assert risk["by_port_alone"]
    assert as_json(d.small())["risk"] is None


def test_words_of_rules_and_of_the_network_cannot_break_the_page() -> None:
    page = read_page(render_html(judged(d.hostile(), ATTACKED)))
    assert page.named("img") == []
    assert page.named("b") == []
    assert len(page.code) == 1
    assert "{{7*7}} </script> <b>" in page.words
    assert "`<img onerror=1>` and `" in page.words


def test_a_certificate_counts_by_the_time_of_the_run() -> None:
    year = 365 * 86_400
    rules = {risk.rule for f in judged(d.small(), now=d.START + year).findings for risk in f.risks}
    assert "expired" in rules
    assert "expired" not in {risk.rule for f in SMALL.findings for risk in f.risks}


def test_a_cell_of_the_inventory_does_not_look_like_an_entry_of_the_same_name() -> None:
    css = PAGE.named("style")[0].text
    columns = inventory(SMALL.findings)
    for name in {*columns["words"], *columns["columns"]} - {"evidence"}:
        assert not re.search(rf"^\s*\.{name}\s*\{{", css, flags=re.MULTILINE), name
    assert set(columns["words"]["risk"]) == {"high", "low", "info", ""}


def test_the_table_for_a_terminal_has_the_severity_beside_the_verdict() -> None:
    rows = {row[0]: row[1:3] for row in verdict_table(SMALL)}
    assert rows["10.80.1.9:3389/tcp"] == ("likely", "high")
    assert rows["10.80.2.33:81/tcp"] == ("refuted", "")


def test_zones_that_were_named_are_not_called_assumed() -> None:
    inside = [f for f in SMALL.findings if str(f.verdict.endpoint).startswith("10.80.2.")]
    assert assumed_sentence(inside) == ""
