from __future__ import annotations

import random
import re
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.decide import reasons
from pipeline.decide.completeness import Estimate, sample_bound, two_passes
from pipeline.decide.facts import Neighbourhoods, Search, Suspicion
from pipeline.decide.standing import Mood
from pipeline.decide.verdict import HostFacts
from pipeline.model import ChangeKind, Hole, Method, VerdictKind
from pipeline.ports import PortSet
from pipeline.render.changes import group_changes
from pipeline.render.completeness import completeness_sentence, completeness_told
from pipeline.render.coverage import given_up, percentage, uncovered
from pipeline.render.document import Comparison, Completeness, Finding, Gap
from pipeline.render.findings import CROWD, FEW, group
from pipeline.render.hosts import (
    deceivers,
    host_sentences,
    unbelieved,
)
from pipeline.render.inventory import contents_told, embedded, evidence_in_short, inventory
from pipeline.render.method import methods_used
from pipeline.render.networks import network_sentences
from pipeline.render.summary import summarise
from pipeline.render.words import (
    AFTERMATHS,
    CHANGES,
    METHODS,
    PURPOSES,
    VERDICTS,
    confidence_text,
    percent,
    service_text,
)
from tests.render import documents as d
from tests.render.page import unpacked


def where(finding: Finding) -> str:
    return str(finding.verdict.endpoint)


# Words


def test_every_word_of_the_model_has_words_for_people() -> None:
    assert set(VERDICTS) == set(VerdictKind)
    assert set(CHANGES) == set(ChangeKind)
    assert set(METHODS) == set(Method)
    observed = [o for f in d.small().findings for o in f.observations]
    assert {o.purpose for o in observed} <= set(PURPOSES)
    assert {o.aftermath for o in observed if o.aftermath} <= set(AFTERMATHS)


def test_what_is_not_quite_certain_is_not_called_certain() -> None:
    assert confidence_text(0.9999) == ">99 %"
    assert confidence_text(1.0) == ">99 %"
    assert confidence_text(0.9901) == ">99 %"
    assert confidence_text(0.99) == "99 %"
    assert confidence_text(0.555) == "56 %"
    assert confidence_text(0.0) == "0 %"


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_confidence_is_never_shown_as_a_lower_one(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert percent(low) <= percent(high)
    assert "100" not in confidence_text(high)


def test_a_service_that_only_the_port_number_suggests_is_marked() -> None:
    assert service_text(d.GUESSED, 40) == "ms-wbt-server (by port)"
    assert service_text(d.OPENSSH, 40) == "ssh OpenSSH 9.2p1 Debian 2+deb12u3"
    assert service_text(None, 40) == ""


# Findings


def test_findings_stand_in_the_order_of_attention() -> None:
    groups = group(d.small().findings, at_most=100)
    assert [found.kind for found in groups] == list(VERDICTS)


def test_what_changed_comes_first_within_a_verdict() -> None:
    confirmed = group(d.small().findings, at_most=100)[0]
    assert [where(finding) for finding in confirmed.single] == [
        "10.80.1.7:443/tcp",
        "[2001:db8:80::7]:6379/tcp",
        "10.80.1.7:22/tcp",
    ]
    assert confirmed.changed == 2


def test_twenty_ports_of_a_host_are_told_singly_and_twenty_one_as_a_crowd() -> None:
    ports = [d.likely(f"10.80.3.40:{port}") for port in range(1, CROWD + 2)]
    (few,) = group(ports[:CROWD], at_most=100)
    (many,) = group(ports, at_most=100)
    assert (len(few.single), len(few.crowds)) == (CROWD, 0)
    assert (len(many.single), len(many.crowds)) == (0, 1)
    assert str(many.crowds[0].ports) == f"1-{CROWD + 1}"
    assert many.crowds[0].reasons == ((reasons.ONE_METHOD, CROWD + 1),)


def test_two_artefacts_of_a_host_are_told_singly_and_three_as_one_entry() -> None:
    ports = [d.artefact(f"10.80.3.40:{port}") for port in range(1, FEW + 2)]
    (few,) = group(ports[:FEW], at_most=100)
    (many,) = group(ports, at_most=100)
    assert (len(few.single), len(few.crowds)) == (FEW, 0)
    assert (len(many.single), [crowd.name for crowd in many.crowds]) == (0, ["10.80.3.40"])


def test_hosts_of_a_network_that_pretend_alike_are_one_entry_and_others_are_not() -> None:
    many = [f"10.80.3.{host}:{port}" for host in (40, 41) for port in range(1, 10 + host)]
    elsewhere = [f"10.80.4.40:{port}" for port in range(1, 10)]
    (found,) = group(map(d.artefact, [*many, *elsewhere]), at_most=100)
    assert [(crowd.name, crowd.size) for crowd in found.crowds] == [
        ("10.80.3.0/24 (2 hosts)", 99),
        ("10.80.4.40", 9),
    ]


def test_one_odd_artefact_does_not_join_the_tarpit_beside_it() -> None:
    tarpit = [d.artefact(f"10.80.3.40:{port}") for port in range(1, 50)]
    (found,) = group([*tarpit, d.artefact("10.80.3.41:80")], at_most=100)
    assert [where(one) for one in found.single] == ["10.80.3.41:80/tcp"]
    assert [crowd.name for crowd in found.crowds] == ["10.80.3.40"]


def test_a_proxy_that_answers_for_two_ports_of_every_host_is_one_entry() -> None:
    many = [f"10.80.3.{host}:{port}" for host in range(1, 5) for port in (80, 443)]
    (found,) = group(map(d.artefact, many), at_most=100)
    assert [(crowd.name, crowd.size, crowd.alike) for crowd in found.crowds] == [
        ("10.80.3.0/24 (4 hosts)", 8, True)
    ]


def test_phantoms_of_a_host_that_deceived_us_are_one_entry_and_those_of_others_are_told() -> None:
    phantoms = [d.refuted(f"10.80.3.40:{port}") for port in range(1, 10)]
    others = [d.refuted(f"10.80.3.41:{port}") for port in range(1, 10)]
    deceiver = phantoms[0].verdict.endpoint.address
    (found,) = group([*phantoms, *others], at_most=100, deceivers={deceiver})
    assert len(found.single) == 9
    (crowd,) = found.crowds
    assert (crowd.name, crowd.size, crowd.deceived) == ("10.80.3.40", 9, True)


def test_an_artefact_that_is_new_since_the_last_run_is_told_by_itself() -> None:
    new = d.artefact("10.80.3.40:80")
    new = replace(new, change=d.changed(ChangeKind.OPENED, None, new.verdict))
    rest = [d.artefact(f"10.80.3.40:{port}") for port in range(1, 10)]
    (found,) = group([new, *rest], at_most=100)
    assert [where(one) for one in found.single] == ["10.80.3.40:80/tcp"]


KINDS = st.sampled_from(["likely", "artefact", "refuted", "unknown"])


@given(
    st.lists(
        st.tuples(KINDS, st.integers(1, 4), st.integers(1, 60)),
        max_size=200,
        unique_by=lambda e: e[1:],
    ),
    st.sets(st.integers(1, 4)),
)
def test_nothing_is_ever_lost_in_a_crowd(
    drawn: list[tuple[str, int, int]], fooled: set[int]
) -> None:
    findings = [getattr(d, kind)(f"10.80.{host % 2}.{host}:{port}") for kind, host, port in drawn]
    deceivers = {IPv4Address(f"10.80.{host % 2}.{host}") for host in fooled}
    told: list[str] = []
    for found in group(findings, at_most=1_000, deceivers=deceivers):
        told += [where(one) for one in found.single]
        for crowd in found.crowds:
            told += [f"{host}:{port}/tcp" for host, ports in crowd.hosts for port in ports]
    assert sorted(told) == sorted(map(where, findings))


def test_confirmed_ports_are_never_gathered_into_a_crowd() -> None:
    ports = [d.confirmed(f"10.80.3.40:{port}", None, "x") for port in range(1, 60)]
    (found,) = group(ports, at_most=100)
    assert len(found.single) == 59
    assert not found.crowds


def test_the_most_pressing_findings_are_told_when_there_is_not_room_for_all() -> None:
    findings = d.small().findings
    groups = group(findings, at_most=4)
    assert sum(len(found.single) for found in groups) == 4
    assert groups[0].left_out == 0
    assert groups[-1].left_out == 1
    for found in groups:
        told = len(found.single) + sum(crowd.size for crowd in found.crowds)
        assert told + found.left_out == found.total


def test_the_order_in_which_findings_come_does_not_matter() -> None:
    findings = list(d.small().findings)
    random.Random(7).shuffle(findings)
    assert group(findings, at_most=100) == group(d.small().findings, at_most=100)


# Coverage


def test_gaps_are_summed_up_and_the_largest_comes_first() -> None:
    found = uncovered(replace(d.small(), gaps=tuple(reversed(d.small().gaps))))
    assert [gap.endpoints for gap in found.gaps] == [64_000, 1]
    assert found.endpoints == 64_001
    assert not found.nothing


def test_holes_with_one_reason_are_one_line_with_all_their_addresses() -> None:
    holes = d.small().holes
    lines = given_up(holes, d.tasks())
    assert [(line.method, line.reason, line.ports, line.addresses.texts()) for line in lines] == [
        ("nmap SYN scan", "host timed out", "", ("10.80.1.7-10.80.1.8",)),
        ("nmap connect scan", "nmap gave up on the port", "161", ("10.80.3.9",)),
    ]


def test_a_hole_of_a_task_that_is_not_in_the_document_is_still_told() -> None:
    hole = Hole(address=IPv4Address("10.80.1.1"), ports=PortSet.of([1]), reason="gave up")
    assert given_up([(99, hole)], ())[0].method == "task 99"


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 10, "0 %"),
        (1, 0, "0 %"),
        (1, 1_000_000, "less than 0.1 %"),
        (62, 1_000, "6.2 %"),
        (1, 2, "50 %"),
        (999_999, 1_000_000, "more than 99.9 %"),
        (10, 10, "100 %"),
    ],
)
def test_a_share_is_never_rounded_to_none_or_all(part: int, whole: int, text: str) -> None:
    assert percentage(part, whole) == text


# Changes


def test_changes_stand_in_the_order_of_attention_and_crowds_of_a_host_are_gathered() -> None:
    before = d.artefact("10.80.3.40:1").verdict
    many = tuple(
        d.changed(
            ChangeKind.CLOSED, replace(before, endpoint=d.endpoint(f"10.80.3.40:{port}")), None
        )
        for port in range(1, 101)
    )
    opened = d.confirmed("10.80.1.7:443", None, "x", change=ChangeKind.OPENED).change
    assert opened is not None
    comparison = Comparison(
        against="r", against_started=d.START, differences=(), changes=(*many, opened)
    )
    first, second = group_changes(comparison, at_most=10)
    assert (first.kind, first.total, first.left_out) == (ChangeKind.OPENED, 1, 0)
    assert (second.kind, second.total, second.left_out) == (ChangeKind.CLOSED, 100, 0)
    assert str(second.crowds[0].ports) == "1-100"


# Summary


def test_the_summary_counts_in_sentences() -> None:
    summary = summarise(d.small())
    assert summary.scanned == (
        "From 2026-11-03 02:00 to 2026-11-03 02:45 UTC (45 min 10 s): 1,025 addresses with "
        "1,000 ports each, 1,025,000 endpoints in all, seen from office."
    )
    assert summary.found[0].startswith("3 ports on 2 hosts are confirmed open")
    assert summary.found[1].startswith("1 port on 1 host is likely open")
    assert "1 opened, 1 closed, 1 now filtered, 1 service changed and 1 not covered" in (
        summary.changed
    )
    assert summary.missing.startswith("64,001 endpoints (6.2 % of the plan) were not asked")


def test_what_to_do_first_begins_with_what_is_new() -> None:
    steps = summarise(d.small()).first
    assert [str(endpoint) for endpoint in steps[0].endpoints] == ["10.80.1.7:443/tcp"]
    assert steps[0].text.startswith("Find out who opened 1 port since the last run")
    assert [step.text.split()[0] for step in steps] == [
        "Find",
        "Find",
        "Check",
        "Look",
        "Find",
        "Decide",
    ]


def test_a_first_run_asks_whether_everything_that_is_open_is_meant_to_be() -> None:
    findings = (d.confirmed("10.80.1.7:22", d.OPENSSH, "SSH-2.0-x"),)
    (step,) = summarise(replace(d.EMPTY, findings=findings)).first
    assert step.text.startswith("Check that every confirmed port (1) is meant to be reachable")


def test_an_open_port_in_a_gap_is_not_called_closed() -> None:
    gaps = (Gap(what="10.80.1.0/24", why="the window closed", endpoints=1),)
    summary = summarise(replace(d.EMPTY, gaps=gaps))
    assert summary.found == ("No open port was found among those that were asked.",)
    assert "1 endpoint (less than 0.1 % of the plan) was not asked" in summary.missing
    assert "unknown, not closed" in summary.first[0].text


# Method


def test_tasks_are_counted_by_method_and_by_what_became_of_them() -> None:
    uses = {use.method: use for use in methods_used(d.tasks())}
    syn = uses[Method.NMAP_SYN]
    assert (syn.settled, syn.failed, syn.unfinished, syn.attempts, syn.endpoints) == (2, 1, 0, 5, 4)
    assert uses[Method.MASSCAN_SYN].rate == 8_000
    assert list(uses) == [method for method in METHODS if method in uses]


# Inventory


def test_the_inventory_gives_back_every_endpoint_in_its_order() -> None:
    findings = d.small().findings
    data = inventory(findings)
    words, columns = data["words"], data["columns"]
    rows = [
        (
            words["address"][columns["address"][row]],
            columns["port"][row],
            words["verdict"][columns["verdict"][row]],
            words["reason"][columns["reason"][row]],
        )
        for row in range(data["rows"])
    ]
    assert rows == [
        (
            str(f.verdict.endpoint.address),
            f.verdict.endpoint.port,
            str(f.verdict.kind),
            f.verdict.reason,
        )
        for f in findings
    ]


def test_the_words_of_a_column_stand_in_the_order_in_which_they_sort() -> None:
    findings = [
        d.confirmed(text, service, "x")
        for text, service in (
            ("10.80.1.10:80", d.OPENSSH),
            ("10.80.1.9:80", None),
            ("[2001:db8::1]:80", d.NGINX),
        )
    ]
    words = inventory([*findings, d.unknown("10.80.1.9:81")])["words"]
    assert words["address"] == ["10.80.1.9", "10.80.1.10", "2001:db8::1"]
    assert words["verdict"] == ["confirmed", "unknown"]
    assert words["service"] == ["ssh OpenSSH 9.2p1 Debian 2+deb12u3", "ssl/http nginx 1.25.3", ""]


def test_a_long_inventory_is_packed_and_a_short_one_is_not() -> None:
    short, long = d.small().findings, d.large(5_000, heard=False).findings
    assert embedded(short).plain == inventory(short)
    assert embedded(short).packed == ""
    packed = embedded(long)
    assert packed.plain is None
    assert unpacked(packed.packed) == inventory(long)


def test_the_inventory_names_hosts_and_tells_since_when_they_are_known() -> None:
    data = inventory(d.small().findings)
    assert data["words"]["names"] == ["www.example.test", ""]
    assert data["words"]["first"] == ["2026-10-13", "2026-11-03", ""]


def test_what_the_table_has_is_told_in_words() -> None:
    found = [d.likely("10.80.1.9:80"), d.likely("10.80.1.9:81"), d.unknown("10.80.1.7:80")]
    assert contents_told(found) == "3 on 2 hosts (2 likely and 1 unknown)"


def test_evidence_in_short_is_in_time_order_and_counts_repetitions() -> None:
    at = d.endpoint("10.80.1.7:80")
    told = evidence_in_short(
        (
            d.discovered(at),
            d.seen(at, Method.NMAP_SYN),
            d.seen(at, Method.NMAP_SYN),
            *d.artefact("10.80.1.7:80").observations[2:],
        )
    )
    assert told == ("masscan-syn open, nmap-syn open (2 times), handshake open: unacknowledged")


# Hosts, and how much was missed


def test_hosts_that_could_not_be_believed_are_told_by_network_and_sound_ones_are_not() -> None:
    told = unbelieved(d.neighbourhoods())
    assert [each.title for each in told] == [
        "10.80.2.14: dropped us for a time",
        "10.80.3.40: answering for every port",
    ]
    first, second = ("\n".join(each.sentences) for each in told)
    assert "Between 2026-11-03 02:00:00 and 02:00:40, it stopped answering" in first
    assert "was itself again at 02:01:40" in first
    assert "3 tasks asked this network gently, at 8 probes per second at most." in first
    assert "2 answered as if open and none refused" in second
    assert 'said the same: "220 ready\\x1b[2J"' in second
    assert "answered the sweep within 1 s" in second


def test_hosts_of_one_network_that_did_the_same_are_one_entry() -> None:
    pretending = HostFacts(asked=2, open_=2)
    hosts = tuple(d.host(f"10.80.3.{n}", controls=pretending) for n in range(1, 21))
    network = replace(d.neighbourhoods().networks[2], hosts=tuple(h.address for h in hosts))
    (told,) = unbelieved(Neighbourhoods(hosts=hosts, networks=(network,)))
    assert told.title == "20 hosts of 10.80.3.0/24: answering for every port"
    assert "2,000 ports asked on 20 hosts" in told.sentences[0]
    assert "10.80.3.6 and 14 more." in told.sentences[0]


@pytest.mark.parametrize(
    ("mood", "until", "words"),
    [
        (Mood.SILENT, 100.0, "kept silent about meanwhile counts for nothing"),
        (Mood.SILENT, None, "was not heard again"),
        (Mood.REFUSING, 100.0, "Neither its refusals nor its silence"),
        (Mood.REFUSING, None, "Neither its refusals nor its silence meanwhile count"),
        (Mood.DECEIVING, 100.0, "Nothing that it said"),
        (Mood.DECEIVING, None, "its control ports decide"),
    ],
)
def test_a_host_that_ceased_to_be_a_witness_is_told_with_what_that_means(
    mood: Mood, until: float | None, words: str
) -> None:
    checks = [(0.0, Mood.SOUND), (40.0, mood)] + ([(until, Mood.SOUND)] if until else [])
    told = " ".join(host_sentences(d.host("10.80.2.14", standing=d.standing(*checks))))
    assert words in told


def test_a_host_whose_ports_came_and_went_together_is_told_and_counts_as_a_deceiver() -> None:
    host = d.host("10.80.2.14", wavering=27)
    (told,) = unbelieved(Neighbourhoods(hosts=(host,)))
    assert told.title == "10.80.2.14: many ports open now and refused then"
    assert "27 ports answered as if open at one time" in told.sentences[-1]
    assert deceivers(Neighbourhoods(hosts=(host,))) == {host.address}
    assert not deceivers(Neighbourhoods(hosts=(d.host("10.80.2.14", wavering=9),)))


def test_a_turn_names_the_rate_of_the_task_and_a_port_that_may_be_a_trap() -> None:
    network = d.neighbourhoods().networks[1]
    (turn,) = network.turns
    told = " ".join(network_sentences(network))
    assert "while a task asked at 8,000 packets per second (2,000 of them to this network)" in told
    assert "trap" not in told
    trapped = replace(network, turns=(replace(turn, ports=PortSet.of((23,)), until=None),))
    told = " ".join(network_sentences(trapped))
    assert "Only port 23 was searched then: a trap may be tied to it" in told
    assert "It was not seen to end." in told


@pytest.mark.parametrize(
    ("why", "word"),
    [(Suspicion.RATE_LIMIT, "a rate limit"), (Suspicion.PICKY_FILTER, "drop the sweep's kind")],
)
def test_a_search_that_missed_much_is_told_with_what_is_suspected(
    why: Suspicion, word: str
) -> None:
    searches = (
        Search(number=0, found=1, missed=9, rate_here=100.0),
        Search(number=1, found=9, missed=0, rate_here=None),
    )
    known = d.neighbourhoods()
    network = replace(known.networks[0], searches=searches, suspicion=why)
    (told,) = unbelieved(Neighbourhoods(hosts=known.hosts[:1], networks=(network,)))
    assert "The sweep missed 9 of 10 open endpoints here" in told.sentences[0]
    assert word in told.sentences[0]
    assert "the sweep at 100/s found 1 and missed 9; look 1 found 9" in " ".join(
        network_sentences(network)
    )


def test_the_summary_mentions_doubted_hosts_idle_ones_and_how_much_was_missed() -> None:
    summary = summarise(d.small())
    assert summary.doubted == (
        "2 hosts could not be believed, or not all the time "
        "(1: answering for every port; 1: dropped us for a time)."
    )
    assert summary.idle == "1 host answers and has nothing open: 10.80.2.99."
    assert "there are about 240 (95 %: 233 to 250)" in summary.missed
    assert "no more than 8,942 are" in summary.missed
    assert summarise(d.EMPTY).doubted == summarise(d.EMPTY).idle == ""


def test_where_there_is_no_estimate_there_is_no_number_but_the_reason() -> None:
    none = Completeness(
        sample=sample_bound(0, 0, 500), passes=two_passes(40, 40, 40, independent=False)
    )
    document = replace(d.small(), completeness=none)
    told = completeness_told(document)
    assert not any(each.is_number for each in told)
    sentence = completeness_sentence(document)
    assert sentence.startswith("There is no estimate of what was missed.")
    assert not re.search(r"\d", sentence)


def test_an_unfinished_run_has_no_estimate() -> None:
    (told,) = completeness_told(d.cut_short())
    assert told.sentence == "There is no estimate of what was missed: the run is not finished."


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.booleans())
def test_a_number_is_never_told_without_its_interval_and_its_assumptions(
    first: int, second: int, both: int, independent: bool
) -> None:
    passes = two_passes(first, second, min(first, second, both), independent=independent)
    none = sample_bound(0, 0, 0)
    document = replace(d.small(), completeness=Completeness(sample=none, passes=passes))
    told, _ = completeness_told(document)
    assert told.is_number is isinstance(passes, Estimate)
    assert ("(95 %: " in told.sentence) is told.is_number
