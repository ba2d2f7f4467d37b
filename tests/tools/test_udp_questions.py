"""What is asked by UDP: small, harmless, and with answers that nobody gives by chance.

The replies come from the responders of the lab, which were written from the same documents by other
hands: whoever misreads one of them fails here.
"""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.lab import datagrams as responders
from pipeline.datagrams import (
    GUESSED_PORTS,
    QUESTION_PORTS,
    QUESTIONS,
    Question,
    carriers,
    clocks,
    dns,
    ike,
    ldap,
    lines,
    questions_for,
    snmp,
)
from pipeline.datagrams.question import LONGEST_DESCRIPTION, LONGEST_REQUEST, TOKEN_SIZE
from pipeline.tools.datagram import questioning

TOKEN = bytes(range(0x21, 0x21 + TOKEN_SIZE))
OTHER = bytes(range(0x61, 0x61 + TOKEN_SIZE))
ANSWERS: tuple[tuple[Question, responders.Answer, str], ...] = (
    (dns.DNS, responders.dns, "dns: NOERROR, version 9.18.24-lab"),
    (dns.MDNS, responders.mdns, "mdns: 1 answers, the first is _http._tcp.local"),
    (dns.NETBIOS, responders.netbios, "netbios-ns: LABHOST, LABGROUP"),
    (clocks.NTP, responders.ntp, "ntp: version 4, stratum 3"),
    (snmp.PUBLIC, responders.snmp, "snmp: Laboratory router, software 4.2"),
    (snmp.ENGINE, responders.snmp, "snmpv3: v3 engine 80001f88806c61626f7261746f7279"),
    (snmp.ENGINE, responders.snmp3, "snmpv3: v3 engine 80001f88806c61626f7261746f7279"),
    (lines.SIP, responders.sip, "sip: 200 OK, Laboratory PBX 1.0"),
    (lines.SSDP, responders.ssdp, "ssdp: Linux/6.1 UPnP/1.0 Laboratory/1.0"),
    (lines.MEMCACHED, responders.memcached, "memcached: 1.6.18"),
    (ike.IKE_V2, responders.ike, "ike: version 2, INVALID_KE_PAYLOAD"),
    (ike.IKE_V1, responders.ike, "ike: version 1, NO_PROPOSAL_CHOSEN"),
    (carriers.STUN, responders.stun, "stun: binding"),
    (carriers.QUIC, responders.quic, "quic: versions 00000001"),
    (carriers.OPENVPN, responders.openvpn, "openvpn: a server without tls-auth"),
    (carriers.COAP, responders.coap, "coap: reset, as to a ping"),
    *(
        (q, responders.rpc, f"{q.name}: success")
        for q in QUESTIONS
        if q.name in ("portmapper", "nfs")
    ),
)
WITHOUT_NUMBERS = ("daytime", "time", "ssdp", "nat-pmp")
"""Protocols whose answers repeat nothing of the request."""
answers = pytest.mark.parametrize(
    ("question", "responder", "told"),
    ANSWERS,
    ids=[f"{q.name} {a.__name__}" for q, a, _ in ANSWERS],
)
every_question = pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: f"{q.name} {q.ports}")


def reply_of(question: Question, responder: responders.Answer, token: bytes = TOKEN) -> bytes:
    reply = responder(question.request(token))
    assert reply is not None, "the responder does not take the request"
    return reply


# --- answers -----------------------------------------------------------------------------------


@answers
def test_a_service_takes_the_request_and_its_answer_is_understood(
    question: Question, responder: responders.Answer, told: str
) -> None:
    assert question.answer(reply_of(question, responder), TOKEN) == told


@answers
def test_an_answer_to_somebody_else_is_none_to_us(
    question: Question, responder: responders.Answer, told: str
) -> None:
    if question.name not in WITHOUT_NUMBERS:
        assert question.answer(reply_of(question, responder, OTHER), TOKEN) is None


@every_question
def test_what_merely_sends_our_request_back_is_no_service(question: Question) -> None:
    reflected = question.answer(question.request(TOKEN), TOKEN)
    assert (reflected is not None) == (question.name == "echo")


@answers
def test_a_reply_that_is_cut_off_anywhere_is_read_or_refused_and_never_fails(
    question: Question, responder: responders.Answer, told: str
) -> None:
    reply = reply_of(question, responder)
    for length in range(len(reply)):
        found = question.answer(reply[:length], TOKEN)
        assert found is None or len(found) <= LONGEST_DESCRIPTION


@given(data=st.data())
def test_a_damaged_reply_never_fails(data: st.DataObject) -> None:
    question, responder, _ = data.draw(st.sampled_from(ANSWERS))
    reply = bytearray(reply_of(question, responder))
    for _ in range(data.draw(st.integers(1, 8))):
        reply[data.draw(st.integers(0, len(reply) - 1))] = data.draw(st.integers(0, 255))
    reply += data.draw(st.binary(max_size=40))
    found = question.answer(bytes(reply), TOKEN)
    assert found is None or len(found) <= LONGEST_DESCRIPTION


@given(question=st.sampled_from(QUESTIONS), reply=st.binary(max_size=300))
def test_noise_never_fails_and_is_no_answer_where_the_request_is_repeated(
    question: Question, reply: bytes
) -> None:
    found = question.answer(reply, TOKEN)
    assert found is None or question.name in WITHOUT_NUMBERS


@pytest.mark.parametrize(
    "name",
    [
        b"\xc0\x0c",  # points at itself
        b"\x01a\xc0\x0c",  # goes round
        b"\xc0\xff",  # points beyond the end
        b"\x41" + b"a" * 65 + b"\x00",  # a label of a kind that does not exist
        b"\x3f" + b"a" * 5,  # ends early
    ],
)
def test_a_name_that_does_not_end_ends_the_reading(name: bytes) -> None:
    head = TOKEN[:2] + struct.pack(">5H", 0x8400, 1, 1, 0, 0)
    assert dns.DNS.answer(head + name + b"\x00\x10\x00\x03", TOKEN) is None
    record = b"\x07version\x04bind\x00\x00\x10\x00\x03" + name
    assert dns.DNS.answer(head + record, TOKEN) is None


def test_a_server_that_refuses_the_question_speaks_dns_all_the_same() -> None:
    request = dns.DNS.request(TOKEN)
    refused = request[:2] + b"\x80\x05" + request[4:]
    assert dns.DNS.answer(refused, TOKEN) == "dns: REFUSED"
    # Some servers repeat nothing but the head.
    empty = request[:2] + b"\x80\x04" + bytes(8)
    assert dns.DNS.answer(empty, TOKEN) == "dns: NOTIMP"


def test_a_root_entry_and_a_refusal_are_answers_of_a_directory() -> None:
    number = ldap.CLDAP.request(TOKEN)[2:8]
    done = b"\x65\x07\x0a\x01\x20\x04\x00\x04\x00"
    entry = b"\x64\x04\x04\x00\x30\x00"
    for content, told in ((done, "cldap: result 32"), (entry, "cldap: root entry")):
        message = number + content
        assert ldap.CLDAP.answer(bytes((0x30, len(message))) + message, TOKEN) == told


def test_a_kiss_of_death_is_an_answer_of_a_clock() -> None:
    reply = bytearray(reply_of(clocks.NTP, responders.ntp))
    reply[1:2], reply[12:16] = b"\0", b"RATE"
    assert clocks.NTP.answer(bytes(reply), TOKEN) == "ntp: version 4, kiss of death RATE"


def test_text_of_a_reply_is_cut_and_has_no_bytes_that_are_none() -> None:
    request = dns.DNS.request(TOKEN)
    text = b"\xff\x1b[2J" * 50
    rdata = bytes([255]) + text[:255]
    record = b"\xc0\x0c" + struct.pack(">HHIH", 16, 3, 0, len(rdata)) + rdata
    head = request[:2] + struct.pack(">5H", 0x8400, 1, 1, 0, 0)
    told = dns.DNS.answer(head + request[12:] + record, TOKEN)
    assert told is not None
    assert len(told) == LONGEST_DESCRIPTION
    assert "\\xff" in told


# --- requests ----------------------------------------------------------------------------------


@every_question
def test_a_request_is_small_and_says_where_it_comes_from_and_why_it_is_harmless(
    question: Question,
) -> None:
    size = len(question.request(TOKEN))
    assert size <= (LONGEST_REQUEST if question.name == "quic" else 400)
    assert question.source
    assert question.harmless
    assert question.ports


@every_question
def test_a_request_is_new_for_each_exchange_and_the_same_for_the_same_token(
    question: Question,
) -> None:
    assert question.request(TOKEN) == question.request(TOKEN)
    if question.name not in WITHOUT_NUMBERS:
        assert question.request(TOKEN) != question.request(OTHER)


def test_no_answer_is_much_longer_than_its_request() -> None:
    """Nobody who spoofs our address could make much of these services by our questions."""
    for question, responder, _ in ANSWERS:
        assert len(reply_of(question, responder)) <= 4 * len(question.request(TOKEN)), question.name


def test_clocks_are_asked_as_every_client_asks_them() -> None:
    request = clocks.NTP.request(TOKEN)
    assert len(request) == 48
    assert request[0] & 7 == 3, "mode 6 and 7 control a server, and are abused for floods"


def test_no_community_is_guessed_where_that_is_unwanted() -> None:
    assert questions_for(161, guess=True) == (snmp.PUBLIC, snmp.ENGINE)
    assert questions_for(161, guess=False) == (snmp.ENGINE,)
    assert 161 in GUESSED_PORTS
    with_guess = [q for q in QUESTIONS if b"public" in q.request(TOKEN)]
    assert with_guess == [snmp.PUBLIC]


@pytest.mark.parametrize("port", [19, 67, 69, 88, 162, 514, 1812, 47808, 51820])
def test_ports_of_protocols_that_are_not_spoken_get_an_empty_datagram(port: int) -> None:
    assert questions_for(port, guess=True) == ()
    assert port not in QUESTION_PORTS
    asked = questioning(port, guess=True)
    assert list(asked.requests) == [b""]
    assert asked.told(b"anything") is None


def test_every_exchange_has_numbers_of_its_own() -> None:
    asked = [questioning(53, guess=True) for _ in range(20)]
    assert len({tuple(one.requests) for one in asked}) == 20
    reply = responders.dns(asked[0].requests[0])
    assert reply is not None
    assert asked[0].told(reply) == "dns: NOERROR, version 9.18.24-lab"
    assert asked[1].told(reply) is None


def test_several_questions_of_one_port_are_told_apart() -> None:
    asked = questioning(161, guess=True)
    told = []
    for request in asked.requests:
        reply = responders.snmp(request)
        assert reply is not None
        told.append(asked.told(reply))
    assert [str(text).partition(":")[0] for text in told] == ["snmp", "snmpv3"]
