"""What the tunnel's daemon answers and when it sends on, packet by packet. No lab needed."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from fixtures.lab.respond import ACK, RST, SYN, TTL, Desk, Segment, build, checksum, parse, reply

FOUR = st.tuples(*[st.ip_addresses(v=4).map(lambda a: a.packed)] * 2)
SIX = st.tuples(*[st.ip_addresses(v=6).map(lambda a: a.packed)] * 2)
NUMBERS = st.integers(0, 2**32 - 1)
PORTS = st.integers(0, 65535)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    source, destination = draw(FOUR | SIX)
    return Segment(
        source=source,
        destination=destination,
        source_port=draw(PORTS),
        port=draw(PORTS),
        sequence=draw(NUMBERS),
        acknowledgement=draw(NUMBERS),
        flags=draw(st.sampled_from([SYN, ACK, SYN | ACK, RST, RST | ACK])),
        length=0,
    )


@given(segments(), PORTS)
def test_what_is_built_can_be_read_and_has_right_checksums(segment: Segment, window: int) -> None:
    packet = build(segment, window)
    assert parse(packet) == segment
    start = 40 if len(segment.source) == 16 else 20
    assert packet[7 if start == 40 else 8] == TTL
    pseudo = segment.source + segment.destination + bytes([0, 6, 0, len(packet) - start])
    assert checksum(pseudo + packet[start:]) == 0
    assert start == 40 or checksum(packet[:20]) == 0


@given(st.binary(max_size=80))
def test_no_packet_is_too_strange_to_be_read(packet: bytes) -> None:
    segment = parse(packet)
    assert segment is None or len(packet) >= 40


@given(segments())
def test_a_tarpit_answers_syns_and_nothing_else(segment: Segment) -> None:
    answer = reply("tarpit", segment)
    if segment.flags != SYN:
        assert answer is None
        return
    assert answer is not None
    said = parse(answer)
    assert said is not None
    assert said.flags == SYN | ACK
    assert said.acknowledgement == (segment.sequence + 1) % 2**32
    assert (said.source, said.source_port) == (segment.destination, segment.port)
    assert (said.destination, said.port) == (segment.source, segment.source_port)


@given(segments())
def test_the_other_one_resets_what_follows_where_the_peer_expects_it(segment: Segment) -> None:
    answer = reply("reset", segment)
    if segment.flags not in (SYN, ACK, SYN | ACK):
        assert answer is None
        return
    assert answer is not None
    said = parse(answer)
    assert said is not None
    if segment.flags == SYN:
        assert said.flags == SYN | ACK
    else:
        assert (said.flags, said.sequence) == (RST, segment.acknowledgement)


@given(st.lists(st.tuples(st.sampled_from(["10.80.64.1", "fd00:80::4001"]), st.floats(0, 9))))
def test_packets_of_slow_hosts_leave_after_their_delay_and_in_its_order(
    arrivals: list[tuple[str, float]],
) -> None:
    seconds = {"10.80.64.1": 1.5, "fd00:80::4001": 4.0}
    desk = Desk.of([{"address": a, "manner": "delay", "seconds": s} for a, s in seconds.items()])
    due: list[float] = []
    for number, (address, now) in enumerate(arrivals):
        own = ip_address(address).packed
        segment = Segment(
            source=own,
            destination=own[::-1],
            source_port=number,
            port=9,
            sequence=0,
            acknowledgement=0,
            flags=SYN | ACK,
            length=0,
        )
        assert desk.take(build(segment, 0), now) is None
        due.append(now + seconds[address])
    left: list[float] = []
    for moment in sorted(due):
        while (packet := desk.due(moment)) is not None:
            said = parse(packet)
            assert said is not None
            left.append(due[said.source_port])
            assert left[-1] <= moment
    assert left == sorted(due)


def test_a_desk_answers_for_its_own_addresses_only() -> None:
    desk = Desk.of([{"address": "10.80.64.1", "manner": "tarpit", "seconds": 0.0}])
    segment = Segment(
        source=ip_address("198.18.80.2").packed,
        destination=ip_address("10.80.64.1").packed,
        source_port=40000,
        port=22,
        sequence=1,
        acknowledgement=0,
        flags=SYN,
        length=0,
    )
    assert desk.take(build(segment, 1024), 0.0) is not None
    stranger = replace(segment, destination=ip_address("10.80.64.2").packed)
    assert desk.take(build(stranger, 1024), 0.0) is None
