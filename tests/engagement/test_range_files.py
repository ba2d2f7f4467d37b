"""Files of ranges: what providers publish is read as it is, and what is broken is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.addresses import AddressSet
from pipeline.engagement.range_files import read_ranges, sets_of

FOLDER = Path(__file__).parents[2] / "fixtures" / "ranges"
GOOD = (FOLDER / "ip-ranges.json").read_text()


@pytest.mark.parametrize(
    ("name", "provider", "day", "networks"),
    [
        (
            "ip-ranges.json",
            "AWS",
            "2026-11-02",
            ["192.0.2.0/28", "198.51.100.64/26", "2001:db8:a::/48"],
        ),
        (
            "ServiceTags_Public_20261026.json",
            "Azure",
            "2026-10-26",
            ["192.0.2.32/28", "2001:db8:b::/48"],
        ),
        ("cloud.json", "Google", "2026-11-02", ["192.0.2.48/28", "2001:db8:c00::/44"]),
        ("goog.json", "Google", "2026-11-02", ["203.0.113.0/25", "2001:db8:d00::/40"]),
    ],
)
def test_the_formats_of_providers_are_told_by_what_is_in_them(
    name: str, provider: str, day: str, networks: list[str]
) -> None:
    found = read_ranges(name, (FOLDER / name).read_text())
    assert found.provider == provider
    assert sets_of(found.entries) == {"": AddressSet.parse(networks)}
    assert found.dated is not None
    assert f"{datetime.fromtimestamp(found.dated, UTC):%Y-%m-%d}" == day


def test_own_lists_are_text_csv_or_yaml() -> None:
    both = AddressSet.parse(["192.0.2.0/30", "2001:db8::1"])
    text = read_ranges("x.txt", "# ours\n192.0.2.0/30\n2001:db8::1 # one\n")
    assert sets_of(text.entries) == {"": both}
    table = read_ranges("x.csv", "provider;network\nA;192.0.2.0/30\nB;2001:db8::1\n")
    assert sets_of(table.entries)["A"] | sets_of(table.entries)["B"] == both
    written = "provider: A\ndated: 2026-11-01\nnetworks: [192.0.2.0/30, '2001:db8::1']\n"
    mapping = read_ranges("x.yml", written)
    assert (mapping.provider, sets_of(mapping.entries)) == ("A", {"": both})
    assert mapping.dated == datetime(2026, 11, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("x.json", "", "is no JSON, or was cut off, at line 1"),
        ("x.json", "[" * 200_000, "is JSON that no provider writes"),
        ("x.json", "[1]", "is JSON, but neither AWS's"),
        ("x.json", '{"prefixes": []}', "holds no ranges at all"),
        ("x.json", '{"prefixes": [{"ip_prefix": 7}]}', "prefixes[0] is no network (got 7)"),
        ("x.json", '{"prefixes": [{"ip_prefix": "192.0.2.1/24"}]}', "is no network"),
        ("x.json", '{"prefixes": [{"ipv4Prefix": "\\u001b[2J/8"}]}', "is no network (got '\\x1b"),
        ("x.json", '{"prefixes": [3]}', "prefixes[0] has no ipv4Prefix"),
        ("x.json", '{"values": [{"name": "x"}]}', "addressPrefixes is no list"),
        ("x.json", f'{{"prefixes": [{"1" * 5000}]}}', "is JSON that no provider writes"),
        ("x.txt", "# nothing\n", "holds no ranges at all"),
        ("x.txt", "192.0.2.0/24\nwww.example.com\n", "line 2 is no address, network or range"),
        ("x.csv", "a,b\n1,2\n", "needs a column network"),
        ("x.csv", 'network\n"192.0.2.1', "is no CSV"),
        ("x.yml", "networks: 7", "needs provider: and networks:"),
        ("x.yml", "networks: [192.0.2.1]\nowner: x", "has 'owner'; known here"),
        ("x.yml", "a: &x [*x]", "has a mistake"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused_with_a_sentence(
    name: str, text: str, what: str
) -> None:
    with pytest.raises(ValueError) as caught:  # the sentence is what is tested
        read_ranges(name, text)
    assert what in str(caught.value)
    assert str(caught.value).isprintable()


@given(st.integers(0, len(GOOD) - 2))
def test_a_file_that_was_cut_off_never_passes_for_a_whole_one(length: int) -> None:
    if GOOD[:length].rstrip() == GOOD.rstrip():
        return
    with pytest.raises(ValueError, match=r"cut off|got"):
        read_ranges("ip-ranges.json", GOOD[:length])


def test_ten_thousand_prefixes_are_a_set_of_sorted_ranges() -> None:
    prefixes = [{"ip_prefix": f"198.{18 + n // 16384 % 2}.{n // 64 % 256}.{n % 64 * 4}/31"}
                for n in range(10_000)]  # fmt: skip
    found = read_ranges("ip-ranges.json", json.dumps({"prefixes": prefixes}))
    (addresses,) = sets_of(found.entries).values()
    assert addresses.size == 20_000
    assert list(addresses.ranges) == sorted(addresses.ranges)
