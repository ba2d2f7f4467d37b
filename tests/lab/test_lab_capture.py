"""What a capture amounts to, from frames made by hand."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from fixtures.lab.capture import add_frame
from fixtures.lab.watch import SECOND, Log, Statistics, busiest_second, summarise

NETWORKS = (IPv4Network("10.80.0.0/16"), IPv6Network("fd00:80::/64"))
ETHERNET = bytes(14)
SYN, RST = 0x02, 0x04


def tcp(port: int, flags: int) -> bytes:
    return struct.pack("!HHIIBBHHH", 40000, port, 0, 0, 0x50, flags, 1024, 0, 0)


def over_ipv4(
    destination: str, protocol: int, payload: bytes, options: int = 0, fragment: int = 0
) -> bytes:
    header = bytes([0x45 + options, 0, 0, 0, 0, 0, fragment >> 8, fragment & 255, 64, protocol])
    return (
        ETHERNET
        + header
        + bytes(6)
        + IPv4Address(destination).packed
        + bytes(options * 4)
        + payload
    )


def over_ipv6(destination: str, protocol: int, payload: bytes) -> bytes:
    header = bytes([0x60, 0, 0, 0, 0, 0, protocol, 64])
    return ETHERNET + header + bytes(16) + IPv6Address(destination).packed + payload


def test_the_busiest_second_slides_and_is_half_open() -> None:
    assert busiest_second([]) == 0
    assert busiest_second([5]) == 1
    assert busiest_second([0, SECOND]) == 1
    assert busiest_second([0, SECOND - 1]) == 2
    # Six in the middle of two calendar seconds that hold four each.
    tenths = [0, 7, 8, 9, 10, 11, 12, 20]
    assert busiest_second([t * SECOND // 10 for t in tenths]) == 6


def test_syns_are_counted_by_destination_and_port_and_other_packets_as_packets() -> None:
    log = Log()
    add_frame(log, 1, over_ipv4("10.80.1.1", 6, tcp(22, SYN)))
    add_frame(log, 2, over_ipv4("10.80.1.1", 6, tcp(22, SYN), options=3))
    add_frame(log, 3, over_ipv4("10.80.1.1", 6, tcp(22, RST)))
    add_frame(log, 4, over_ipv6("fd00:80::101", 6, tcp(443, SYN)))
    add_frame(log, 5, over_ipv4("10.80.1.2", 17, struct.pack("!HHHH", 1, 53, 8, 0) + bytes(8)))
    found = summarise(log, NETWORKS)
    assert [(d.address, d.packets, d.syns) for d in found.destinations] == [
        ("10.80.1.1", 3, {22: 2}),
        ("10.80.1.2", 1, {}),
        ("fd00:80::101", 1, {443: 1}),
    ]
    assert found.kinds == {"tcp S": 3, "tcp R": 1, "udp": 1}
    assert (found.packets, found.syns, found.first_ns, found.last_ns) == (5, 3, 1, 5)
    assert (found.max_per_second, found.max_per_second_and_destination) == (5, 3)
    assert found.max_per_second_and_network == {"10.80.1.0/24": 4, "fd00:80::/64": 1}


def test_only_the_labs_own_networks_and_three_protocols_count() -> None:
    log = Log()
    add_frame(log, 1, over_ipv4("198.18.80.1", 6, tcp(22, SYN)))
    add_frame(log, 2, over_ipv6("ff02::1:ff00:1", 58, bytes(24)))
    add_frame(log, 3, over_ipv4("10.80.1.1", 2, bytes(8)))
    add_frame(log, 4, ETHERNET + b"\x00\x01" + bytes(26))
    assert summarise(log, NETWORKS).packets == 0


def test_a_later_fragment_and_a_cut_frame_have_no_port() -> None:
    log = Log()
    add_frame(log, 1, over_ipv4("10.80.1.1", 6, tcp(22, SYN), fragment=7))
    add_frame(log, 2, over_ipv4("10.80.1.1", 6, tcp(22, SYN)[:6]))
    found = summarise(log, NETWORKS)
    assert (found.packets, found.syns) == (2, 0)


def test_packets_to_excluded_and_unlisted_networks_stand_out() -> None:
    log = Log()
    for last in (1, 9, 9, 17):
        add_frame(log, 1, over_ipv4(f"10.80.8.{last}", 6, tcp(22, SYN)))
    found = summarise(
        log,
        NETWORKS,
        excluded=(IPv4Network("10.80.8.8/29"),),
        unlisted=(IPv4Network("10.80.8.16/29"), IPv6Network("fd00:80::880/125")),
    )
    assert (found.to_excluded, found.to_unlisted) == (2, 1)


def test_statistics_survive_being_written() -> None:
    log = Log()
    add_frame(log, 1, over_ipv4("10.80.1.1", 6, tcp(22, SYN)))
    found = summarise(log, NETWORKS, dropped=3)
    assert Statistics.from_json(found.to_json()) == found
