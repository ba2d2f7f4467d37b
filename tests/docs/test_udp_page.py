"""The page on UDP says what the code does: its questions, weights and packets."""

from __future__ import annotations

import re

from pipeline.datagrams import GUESSED_PORTS, QUESTIONS
from pipeline.decide import reasons, udp
from pipeline.decide.udp_pace import PACKETS_PER_PAYLOAD, payloads
from pipeline.model import Method
from pipeline.ports import PortSet, parse_ports
from pipeline.wire import PACKETS_PER_EXCHANGE, SENDS
from tests.docs.pages import DOCS, plain, rows, section, text_of

UDP = DOCS / "udp.md"


def test_every_question_has_its_row() -> None:
    told = [
        (plain(name), PortSet.parse(ports), source)
        for name, ports, source, _ in rows(section(UDP, "The questions"))
    ]
    assert told == [(q.name, q.ports, q.source) for q in QUESTIONS]


def test_what_is_said_not_to_be_asked_is_not() -> None:
    told = section(UDP, "What is not asked")
    named = {int(port) for port in re.findall(r"\((\d+)\)", told)}
    assert {69, 19, 51820, 514} == named
    assert not any(port in question.ports for port in named for question in QUESTIONS)


def test_the_ports_that_nmap_is_kept_away_from_are_those_of_the_code() -> None:
    told = section(UDP, "SNMP")
    assert "the ports 161, 260 and 3401" in told
    assert PortSet.parse("161,260,3401") == GUESSED_PORTS


def test_every_reason_of_the_rules_is_told() -> None:
    told = set(re.findall(r"verdicts\.md#([a-z-]+)", section(UDP, "Verdicts")))
    used = {
        getattr(reasons, name)
        for name in re.findall(
            r"reasons\.([A-Z_]+)", text_of(UDP.parents[1] / "pipeline/decide/udp.py")
        )
    }
    assert used - {reasons.BLOCKED} == told - {"the-eight-verdicts"}


def test_the_weights_are_those_of_the_code() -> None:
    weights = [float(weight) for _, weight in rows(section(UDP, "Confidence"))]
    assert weights == [
        udp.WEIGHTS[Method.NMAP_UDP],
        udp.WEIGHTS[Method.DATAGRAM],
        udp.ANSWER_WEIGHT,
        udp.WEIGHTS[Method.NMAP_VERSION],
        udp.SILENCE_WEIGHT,
    ]


def test_the_packets_that_are_counted_are_those_of_the_code() -> None:
    told = section(UDP, "Rates, and hosts that limit their refusals")
    assert (PACKETS_PER_EXCHANGE, SENDS, PACKETS_PER_PAYLOAD) == (4, 3, 2)
    assert "4 packets (three sends, and" in told
    assert "2 packets for each of its payloads" in told
    assert payloads(PortSet.parse("1-65535")) == 4
    assert "up to four payloads for a port" in told


def test_the_example_of_ports_holds_every_question() -> None:
    (line,) = re.findall(r"^ports: (.*)$", section(UDP, "How long it takes"), flags=re.MULTILINE)
    asked = parse_ports(line).udp.explicit
    old = PortSet.parse("7,13,37")
    for question in QUESTIONS:
        assert question.ports & (asked | old), question.name
