"""Zones and rules of one's own: every mistake has its place, and what is sound comes first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.decide.risk_rules import Criticality, Severity, Zone
from pipeline.engagement import Engagement, check_policy, risk_settings, with_own
from pipeline.errors import EngagementError, Mistake, UsageError

Engage = Callable[[str | bytes], Engagement]
Mistakes = Callable[[str | bytes], list[Mistake]]

WHOLE = "title: t, severity: low, why: w, remediation: [r]"


def rules_in(folder: Path, *rules: str) -> Path:
    path = folder / "own-risk.yml"
    path.write_text("\n".join(["rules:", *(f"  - {rule}" for rule in rules), ""]))
    return path


def told(path: Path) -> list[str]:
    with pytest.raises(EngagementError) as caught:
        check_policy(path)
    assert all(Path(mistake.file) == path for mistake in caught.value.mistakes)
    return [f"{m.line}:{m.column}: {m.field}: {m.what}" for m in caught.value.mistakes]


@pytest.mark.parametrize(
    ("rule", "mistake"),
    [
        (
            "{id: ssh, severity: hihg}",
            "2:25: rules[0].severity: is not known; did you mean 'high'?",
        ),
        (
            "{id: ssh, severity: {internet: low, dmz: low}}",
            "rules[0].severity.internal: is missing",
        ),
        ("{id: ssh, colour: red}", "2:15: rules[0].colour: is not a key here; known here: by_port"),
        ("{id: Ssh, severity: low}", "2:10: rules[0].id: must be small letters"),
        (
            "{id: ssh, when: {prot: 22}}",
            "rules[0].when.prot: is not a key here; did you mean 'port'",
        ),
        ("{id: ssh, when: {port: top:10}}", "when.port: must name ports one by one or as ranges"),
        ("{id: ssh, when: {version: old}}", "rules[0].when.version: is no range of versions"),
        ("{id: ssh, when: {zone: moon}}", "rules[0].when.zone: is not known"),
        ("{id: ssh, when: []}", "rules[0].when: must not be empty"),
        (
            "{id: ssh, references: {cis: [4.4]}}",
            "references.cis[0]: must be text; put it in quotes",
        ),
        (
            "{id: ssh, references: {cwe: ['306']}}",
            "references.cwe[0]: must be the id of a weakness",
        ),
        ("{id: ssh, references: {nist: [SC7]}}", "references.nist[0]: must be a control of NIST"),
        ("{id: ssh, remediation: []}", "rules[0].remediation: must not be empty"),
        ("{id: ssh, why: ' '}", "rules[0].why: must not be empty"),
        ('{id: ssh, why: "a\\u202eb"}', "rules[0].why: must not contain the control character"),
        (
            "{id: new, severity: low}",
            "2:10: rules[0].id: has no title; only what has the id of one",
        ),
        (
            f"{{id: new, {WHOLE}}}",
            "2:10: rules[0].id: matches nothing: it has neither when nor by_port",
        ),
        (
            f"{{id: new, {WHOLE}, by_port: 22, examples: [{{port: 23}}]}}",
            "rules[0].id: does not decide about its example 1; telnet does",
        ),
        (
            f"{{id: new, {WHOLE}, by_port: 22, examples: [{{port: 22, severity: high}}]}}",
            "rules[0].id: makes low of its example 1",
        ),
    ],
)
def test_a_mistake_in_a_rule_is_told_with_its_place(
    tmp_path: Path, rule: str, mistake: str
) -> None:
    found = told(rules_in(tmp_path, rule))
    assert any(mistake in line for line in found), found


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    found = told(rules_in(tmp_path, "{id: ssh, severity: hihg}", "{id: telnet, colour: red}"))
    assert [line.partition(":")[0] for line in found] == ["2", "3"]


def test_an_id_that_is_there_twice_is_told_with_the_first(tmp_path: Path) -> None:
    path = rules_in(tmp_path, "{id: ssh, severity: low}", "{id: ssh, severity: high}")
    assert told(path) == [f"3:10: rules[1].id: is here twice; the first is {path}:2"]


def test_a_rule_that_can_never_decide_is_told_with_the_one_before_it(tmp_path: Path) -> None:
    path = rules_in(
        tmp_path,
        f"{{id: wide, {WHOLE}, when: {{service: [ssh, telnet]}}}}",
        f"{{id: narrow, {WHOLE}, when: {{service: ssh}}}}",
    )
    assert told(path) == [
        f"3:10: rules[1].id: never decides: wide ({path}:2) always goes before it"
    ]


def test_a_rule_may_leave_out_what_stays_as_in_ours(tmp_path: Path) -> None:
    policy, (own,) = check_policy(rules_in(tmp_path, "{id: redis, severity: high}"))
    ours = next(rule for rule in check_policy(None)[1] if rule.id == "redis")
    assert own.severity == dict.fromkeys(Zone, Severity.HIGH)
    assert (own.title, own.conditions, own.remediation) == (
        ours.title,
        ours.conditions,
        ours.remediation,
    )
    assert [rule.id for rule in policy.rules].count("redis") == 1
    assert policy.rules[0] == own


def test_files_that_are_included_are_read_and_their_mistakes_told(tmp_path: Path) -> None:
    (tmp_path / "more.yml").write_text("rules: [{id: ssh, severity: hihg}]\n")
    path = tmp_path / "own.yml"
    path.write_text("include: [more.yml, none.yml]\n")
    with pytest.raises(EngagementError, match=r"more\.yml:1:29: rules\[0\]\.severity"):
        check_policy(path)
    (tmp_path / "more.yml").write_text("include: [own.yml]\nrules: [{id: ssh, severity: low}]\n")
    with pytest.raises(EngagementError, match="this file is included itself") as caught:
        check_policy(path)
    assert "there is no file" in str(caught.value)


def test_a_file_that_is_not_there_is_a_mistake_of_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        check_policy(tmp_path / "none.yml")
    (tmp_path / "empty.yml").write_text("rules: []\n")
    with pytest.raises(EngagementError, match="there is no rule in this file"):
        check_policy(tmp_path / "empty.yml")


# --- the engagement ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "mistake"),
    [
        (("zones: [{networks: [192.0.2.0/24]}]",), "zones[0].zone: is missing"),
        (("zones: [{zone: dmz, networks: []}]",), "zones[0].networks: must not be empty"),
        (("zones: [{zone: dmz, networks: [x]}]",), "zones[0].networks[0]:"),
        (
            ("zones: [{zone: dmz, networks: [10.0.0.1], criticality: huge}]",),
            "zones[0].criticality: is not known",
        ),
        (("risk: {rules: none.yml}",), "risk.rules: there is no file"),
        (("risk: {rules: [{id: ssh, severity: hihg}]}",), "risk.rules[0].severity: is not known"),
        (("risk: {rules: [{id: new, severity: low}]}",), "risk.rules[0].id: has no title"),
        (("risk: {rule: x}",), "risk.rule: is not a key here; did you mean 'rules'?"),
    ],
)
def test_a_mistake_about_risks_in_the_engagement_is_told_with_its_place(
    mistakes: Mistakes, sound: str, lines: tuple[str, ...], mistake: str
) -> None:
    found = mistakes("\n".join([sound, *lines]))
    line = len(sound.splitlines()) + 2
    assert len(found) == 1 or "new" in lines[0]
    assert found[0].line == line
    assert f"{found[0].field}: {found[0].what}".startswith(mistake)


def test_zones_and_rules_of_the_engagement_become_values(engage: Engage, sound: str) -> None:
    zones = "zones: [{zone: dmz, networks: [192.0.2.0/28, 192.0.2.77], criticality: high}]"
    found = engage(f"{sound}{zones}\nrisk: {{rules: [{{id: ssh, severity: critical}}]}}\n").risk
    (entry,) = found.zones
    assert (entry.zone, entry.criticality, entry.networks.size) == (Zone.DMZ, Criticality.HIGH, 17)
    policy = with_own(found.own)
    assert policy.rules[0].severity[Zone.INTERNAL] is Severity.CRITICAL
    assert " with 1 own rule (" in policy.version


def test_other_rules_make_another_version(engage: Engage, sound: str) -> None:
    versions = {
        with_own(
            engage(f"{sound}risk: {{rules: [{{id: ssh, severity: {each}}}]}}\n").risk.own
        ).version
        for each in Severity
    }
    assert len(versions) == len(Severity)


def test_a_stored_run_is_judged_by_what_the_file_says_today(
    engage: Engage, sound: str, tmp_path: Path
) -> None:
    path, name = tmp_path / "engagement.yml", "weekly-perimeter"
    before = f"{sound}zones: [{{zone: dmz, networks: [192.0.2.0/24]}}]\n"
    engage(sound + "zones: [{zone: internet, networks: [192.0.2.0/24]}]\n")
    assert risk_settings(path, before, name).zones[0].zone is Zone.INTERNET
    for gone in ("client: [", sound.replace(name, "another")):
        path.write_text(gone)
        assert risk_settings(path, before, name).zones[0].zone is Zone.DMZ
    path.unlink()
    assert risk_settings(path, before, name).zones[0].zone is Zone.DMZ


def test_what_cannot_be_read_of_a_stored_run_is_told_and_no_error(tmp_path: Path) -> None:
    path = tmp_path / "engagement.yml"
    found = risk_settings(path, "client: x\nrisk: {rules: gone.yml}\n", "x")
    assert (found.zones, found.own.rules) == ((), ())
    assert "engagement.yml:2:15: risk.rules: there is no file" in found.note
    assert risk_settings(path, "", "x").note == ""
