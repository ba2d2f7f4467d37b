"""What may stand under ``scope``, and what it adds up to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.addresses import AddressSet
from pipeline.engagement import Engagement, NamedHost
from pipeline.errors import Mistake

Mistakes = Callable[[str | bytes], list[Mistake]]
Engage = Callable[[str | bytes], Engagement]
Edit = Callable[..., str]


def _include(with_line: Edit, *entries: str) -> str:
    return with_line("  include", "  include:", *(f"    - {entry}" for entry in entries))


def test_networks_ranges_and_addresses_of_both_families_are_included(
    with_line: Edit, engage: Engage
) -> None:
    entries = ["10.80.0.0/16", "192.0.2.5-9", "198.51.100.7", '"2001:db8::/120"', '"2001:db8:1::1"']
    found = engage(_include(with_line, *entries))
    assert found.include == AddressSet.parse(
        ["10.80.0.0/16", "192.0.2.5-192.0.2.9", "198.51.100.7", "2001:db8::/120", "2001:db8:1::1"]
    )
    assert found.include_names == ()


@pytest.mark.parametrize(
    ("entry", "mistake"),
    [
        ("10.0.0.256", "'10.0.0.256' is not an IP address"),
        ("10.1", "must be an address, a network, a range, a host name"),
        ("'10.1'", "'10.1' is not an IP address"),
        ("010.0.0.1", "'010.0.0.1' is not an IP address"),
        ("10.0.0.1/8", "write 10.0.0.0/8 for the network or 10.0.0.1 for the address"),
        ("10.0.0.0/33", "'10.0.0.0/33' is not a network"),
        ("10.0.0.0/0.0.0.255", "needs a prefix length"),
        ("10.0.0.9-10.0.0.1", "ends before it begins"),
        ("'2001:db8::/129'", "is not a network"),
        ("'fe80::1%eth0'", "zone identifier"),
        ("1.2.3.4:80", "names a port; ports stand under `ports`"),
        ("http://www.example.com/", "is a URL; write only the host in it"),
        ("-oN/etc/passwd", "begins with a dash, like an option"),
        ("--script=x", "begins with a dash, like an option"),
        ("'-'", "begins with a dash, like an option"),
        ("a b", "is neither an address nor a host name"),
        ("a;b", "is neither an address nor a host name"),
        ("a,b", "is neither an address nor a host name"),
        ("$(id)", "is neither an address nor a host name"),
        ("'*'", "is neither an address nor a host name"),
        ("'@x'", "is neither an address nor a host name"),
        ("a_b.example.com", "is neither an address nor a host name"),
        ("-a.example.com", "begins with a dash"),
        ("a-.example.com", "is neither an address nor a host name"),
        ("a.-b.example.com", "is neither an address nor a host name"),
        ("a..example.com", "is neither an address nor a host name"),
        ("example.com..", "is neither an address nor a host name"),
        ("'.'", "is not an IP address"),
        ("''", "is neither an address nor a host name"),
        ("host.5", "ends in a number, which no host name does"),
        ("0x7f.1", "ends in a number, which no host name does"),
        ("bücher.example", "write its ASCII form, xn--"),
        (f"{'a' * 64}.example", "is neither an address nor a host name"),
        (".".join(["a" * 60] * 5), "is neither an address nor a host name"),
        (f"'{'1' * 5000}'", "is too long for an address"),
        ('"a\\nb"', "is neither an address nor a host name"),
        ("224.0.0.1", "contains multicast addresses"),
        ("239.255.0.0/16", "contains multicast addresses"),
        ("0.0.0.0", "contains addresses of 0.0.0.0/8"),
        ("255.255.255.255", "contains the broadcast address"),
        ("240.0.0.1", "contains reserved addresses"),
        ("223.255.255.0-224.0.0.0", "contains multicast addresses"),
        ("0.0.0.0/0", "contains the broadcast address"),
        ("'::'", "contains the unspecified address"),
        ("'ff02::1'", "contains multicast addresses"),
        ("'fe80::1'", "contains link-local addresses"),
        ("'::ffff:10.0.0.1'", "is an IPv4 address inside IPv6; write it as IPv4"),
        ("'::ffff:0:0/96'", "is an IPv4 address inside IPv6"),
        ("'2001:db8::/64'", "holds more than 1,048,576 IPv6 addresses and cannot be swept"),
        ("{host: www.example.com}", "is missing"),
        ("{host: www.example.com, expect: []}", "must not be empty"),
        ("{host: www.example.com, expect: [x.y]}", "'x.y' is not an IP address"),
        ("{host: www.example.com, expect: ['0.0.0.0/0']}", "contains the broadcast address"),
        ("{host: www.example.com, expect: ['::ffff:0:0/96']}", "is an IPv4 address inside IPv6"),
        ("{host: -oX, expect: [192.0.2.1]}", "begins with a dash"),
        ("{host: 192.0.2.1, expect: [192.0.2.1]}", "ends in a number"),
        ("{host: a, expect: [192.0.2.1], port: 1}", "is not a key here; known here: expect"),
        ("{hots: a, expect: [192.0.2.1]}", "did you mean 'host'?"),
        ("{file: none.txt}", "there is no file"),
        ("{file: [x]}", "must be text (got a list)"),
        ("[192.0.2.1]", "must be an address, a network, a range, a host name"),
        ("7", "must be an address, a network, a range, a host name"),
    ],
)
def test_an_entry_that_is_no_target_is_refused(
    entry: str, mistake: str, with_line: Edit, mistakes: Mistakes
) -> None:
    found = mistakes(_include(with_line, "192.0.2.0/24", entry))
    assert any(mistake in each.what and each.line == 11 for each in found), found
    assert all(each.field.startswith("scope.include[1]") for each in found)


def test_an_ipv6_scope_too_large_in_sum_is_refused_although_each_part_is_not(
    with_line: Edit, mistakes: Mistakes
) -> None:
    text = _include(with_line, '"2001:db8::/108"', '"2001:db8:1::/108"')
    assert "holds 2,097,152 IPv6 addresses" in mistakes(text)[0].what


def test_an_ipv6_scope_is_measured_after_its_exclusions(with_line: Edit, engage: Engage) -> None:
    text = _include(with_line, '"2001:db8::/108"', '"2001:db8:1::/108"')
    assert engage(text.replace("[192.0.2.9]", '["2001:db8:1::/108"]'))


def test_a_large_ipv4_scope_is_allowed(with_line: Edit, engage: Engage) -> None:
    assert engage(_include(with_line, "10.0.0.0/8", "172.16.0.0/12")).include.size > 2**24


def test_a_scope_that_is_empty_after_its_exclusions_is_a_mistake_of_the_scope(
    with_line: Edit, mistakes: Mistakes
) -> None:
    found = mistakes(with_line("  exclude", "  exclude: [192.0.2.0/25, 192.0.2.128-255]"))
    assert [(each.line, each.column, each.field) for each in found] == [(8, 1, "scope")]
    assert found[0].what == "is empty: everything that it includes is excluded again"


def test_exclusions_may_be_anything_that_inclusions_may_not(
    with_line: Edit, engage: Engage
) -> None:
    found = engage(with_line("  exclude", '  exclude: [0.0.0.0/8, "ff00::/8", www.example.com]'))
    assert found.exclude == AddressSet.parse(["0.0.0.0/8", "ff00::/8"])
    assert [host.name for host in found.exclude_names] == ["www.example.com"]


@pytest.mark.parametrize(
    ("entry", "mistake"),
    [
        ("'::ffff:192.0.2.1'", "is an IPv4 address inside IPv6"),
        ("-x", "begins with a dash"),
        ("{host: a, expect: [192.0.2.1]}", "is not a key here; known here: file"),
        ("10.0.0.300", "is not an IP address"),
    ],
)
def test_an_exclusion_that_excludes_nothing_is_refused(
    entry: str, mistake: str, with_line: Edit, mistakes: Mistakes
) -> None:
    found = mistakes(with_line("  exclude", f"  exclude: [{entry}]"))
    assert any(mistake in each.what for each in found), found


def test_names_are_kept_with_their_place_and_what_is_expected_of_them(
    with_line: Edit, engage: Engage, tmp_path: Path
) -> None:
    entry = "{host: mail.example.com, expect: [203.0.113.0/24, 198.51.100.1]}"
    found = engage(_include(with_line, "192.0.2.0/24", "www.example.com", entry))
    path = tmp_path / "engagement.yml"
    assert found.include_names == (
        NamedHost(name="www.example.com", where=f"{path}:11:7"),
        NamedHost(
            name="mail.example.com",
            where=f"{path}:12:7",
            expect=AddressSet.parse(["203.0.113.0/24", "198.51.100.1"]),
        ),
    )
    assert found.include == AddressSet.parse(["192.0.2.0/24"])


def test_a_name_alone_authorises_no_address(with_line: Edit, mistakes: Mistakes) -> None:
    entry = "{host: mail.example.com, expect: [203.0.113.0/24]}"
    found = mistakes(_include(with_line, "www.example.com", entry, "ftp.example.com"))
    assert [(each.line, each.column) for each in found] == [(10, 7), (12, 7)]
    assert "write {host: NAME, expect: [NETWORK]}" in found[0].what


def test_a_scope_of_expected_names_alone_is_sound(with_line: Edit, engage: Engage) -> None:
    found = engage(_include(with_line, "{host: mail.example.com, expect: [203.0.113.0/24]}"))
    assert not found.include
    assert len(found.include_names) == 1


def test_a_canary_may_lie_where_a_name_is_expected(with_line: Edit, engage: Engage) -> None:
    text = _include(with_line, "{host: mail.example.com, expect: [203.0.113.0/24]}")
    assert engage(text + "canaries: ['203.0.113.7:25']\n").canaries


def test_a_broken_scope_does_not_blame_the_canaries(with_line: Edit, mistakes: Mistakes) -> None:
    text = _include(with_line, "192.0.2.300") + "canaries: ['192.0.2.1:25']\n"
    assert [each.field for each in mistakes(text)] == ["scope.include[0]"]


def test_targets_may_stand_in_a_plain_file(with_line: Edit, engage: Engage, tmp_path: Path) -> None:
    (tmp_path / "targets.txt").write_bytes(
        b"\xef\xbb\xbf# the office\r\n192.0.2.0/25\r\n\r\n"
        b"  198.51.100.7  # printer room\r\n2001:db8::1\r\nwww.example.com"
    )
    found = engage(_include(with_line, "{file: targets.txt}"))
    assert found.include == AddressSet.parse(["192.0.2.0/25", "198.51.100.7", "2001:db8::1"])
    where = f"{tmp_path / 'targets.txt'}:6:1"
    assert found.include_names == (NamedHost(name="www.example.com", where=where),)
    assert tmp_path / "targets.txt" in [file.path for file in found.files]


def test_exclusions_may_stand_in_a_plain_file(
    with_line: Edit, engage: Engage, tmp_path: Path
) -> None:
    (tmp_path / "out.txt").write_text("192.0.2.9\nwww.example.com\n224.0.0.0/4\n")
    found = engage(with_line("  exclude", "  exclude: [{file: out.txt}, 192.0.2.1]"))
    assert found.exclude == AddressSet.parse(["192.0.2.1", "192.0.2.9", "224.0.0.0/4"])
    assert [host.where for host in found.exclude_names] == [f"{tmp_path / 'out.txt'}:2:1"]


def test_mistakes_in_a_plain_file_have_its_own_lines_and_columns(
    with_line: Edit, mistakes: Mistakes, tmp_path: Path
) -> None:
    (tmp_path / "targets.txt").write_text(
        "192.0.2.1\n  10.0.0.300 # x\n-iL /etc/passwd\n224.0.0.1\n"
    )
    found = mistakes(_include(with_line, "{file: targets.txt}", "10.0.0.300"))
    places = [(Path(each.file).name, each.line, each.column) for each in found]
    assert places == [
        ("engagement.yml", 11, 7),
        ("targets.txt", 2, 3),
        ("targets.txt", 3, 1),
        ("targets.txt", 4, 1),
    ]


def test_a_lonely_name_in_a_plain_file_is_reported_there(
    with_line: Edit, mistakes: Mistakes, tmp_path: Path
) -> None:
    (tmp_path / "targets.txt").write_text("\nwww.example.com\n")
    found = mistakes(_include(with_line, "{file: targets.txt}"))
    assert [(Path(each.file).name, each.line, each.column) for each in found] == [
        ("targets.txt", 2, 1)
    ]


def test_a_file_full_of_mistakes_is_cut_short(
    with_line: Edit, mistakes: Mistakes, tmp_path: Path
) -> None:
    (tmp_path / "targets.txt").write_bytes(b"\x01\x02 ;\n" * 10_000)
    found = mistakes(_include(with_line, "{file: targets.txt}"))
    assert len(found) == 51
    assert found[-1].what == "and 9950 more lines with mistakes"
    assert all(str(each).isprintable() for each in found)


@pytest.mark.parametrize(
    ("data", "mistake"),
    [(b"192.0.2.1\n\xff", "2:1: the byte 0xff is not UTF-8"), (b"# 1\n\n", "holds no entries")],
)
def test_a_plain_file_that_is_no_text_or_has_no_targets_is_a_mistake(
    data: bytes, mistake: str, with_line: Edit, mistakes: Mistakes, tmp_path: Path
) -> None:
    (tmp_path / "targets.txt").write_bytes(data)
    found = mistakes(_include(with_line, "{file: targets.txt}"))
    assert any(mistake in str(each) for each in found), found


def test_tens_of_thousands_of_targets_are_read_quickly(
    with_line: Edit, engage: Engage, tmp_path: Path
) -> None:
    lines = [f"10.{number >> 8 & 255}.{number & 255}.0/25" for number in range(40_000)]
    (tmp_path / "targets.txt").write_text("\n".join(lines))
    found = engage(_include(with_line, "{file: targets.txt}"))
    assert found.include.size == 40_000 * 128
