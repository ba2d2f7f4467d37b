"""The same address has the same pseudonym everywhere, nobody's, and networks stay networks."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import AddressSet
from pipeline.anonymising import Pseudonyms, pseudonyms_in
from pipeline.errors import Error

KEY = bytes(range(32))
BOTH = Pseudonyms(KEY)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2**17 - 1))
def test_two_addresses_share_as_many_bits_below_a_sixteenth_as_before(one: int, off: int) -> None:
    other = one ^ off
    a, b = (int(BOTH.address(IPv4Address(number))) for number in (one, other))
    assert (a == b) == (one == other)
    if off < 2**16:
        assert (a ^ b).bit_length() == off.bit_length()


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**128 - 1), st.integers(0, 2**80 - 1))
def test_the_same_holds_for_ipv6_below_a_48th(one: int, off: int) -> None:
    a, b = (int(BOTH.address(IPv6Address(number))) for number in (one, one ^ off))
    assert (a ^ b).bit_length() == off.bit_length()


def test_pseudonyms_belong_to_nobody_and_no_two_networks_share_one() -> None:
    addresses = [IPv4Address(number << 16 | 7) for number in range(0, 65536, 32)]
    told = [BOTH.address(address) for address in addresses]
    assert len({int(address) >> 16 for address in told}) == len(addresses)
    assert all(address.is_reserved for address in told)
    assert IPv4Address("255.255.255.255") not in told
    assert BOTH.address(IPv6Address("2a00::1")) in ip_network("3fff::/20")


@pytest.mark.parametrize("text", ["10.80.0.0/22", "2001:db8:80::/64", "10.2.0.0/15", "10.0.0.9/32"])
def test_a_set_becomes_one_of_as_many_addresses_that_holds_their_pseudonyms(text: str) -> None:
    real = AddressSet.parse([text])
    told = BOTH.addresses(real)
    assert told.size == real.size
    first = ip_network(text)[0]
    assert BOTH.address(first) in told


def test_the_whole_internet_has_no_pseudonym() -> None:
    for text in ("0.0.0.0/0", "2000::/3"):
        with pytest.raises(Error, match="no pseudonyms for more than"):
            Pseudonyms(KEY).addresses(AddressSet.parse([text]))


def test_a_file_keeps_the_secret_and_what_was_drawn(tmp_path: Path) -> None:
    path = tmp_path / "portproof.pseudonyms"
    told = []
    for secret, address in ((KEY, "10.80.1.7"), (bytes(32), "10.80.1.7"), (bytes(32), "10.9.0.1")):
        with pseudonyms_in(path, secret=secret) as pseudonyms:
            told.append((pseudonyms.address(IPv4Address(address)), pseudonyms.name("host", "a")))
    assert told[0] == told[1]
    assert told[0][1] == told[2][1]
    assert path.stat().st_mode & 0o777 == 0o600
    with pseudonyms_in(path, secret=KEY) as pseudonyms:
        assert sorted(pseudonyms.blocks) == ["4/a09", "4/a50"]
    for broken in ("", "{}", path.read_text().replace(KEY.hex(), "00"), '{"key": 1, "blocks": []}'):
        path.write_text(broken)
        with pytest.raises(Error, match="holds no secret"), pseudonyms_in(path, secret=KEY):
            pass
