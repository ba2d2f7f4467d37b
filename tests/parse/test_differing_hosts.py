"""Of two files, exactly the hosts are handed out of which something else is said."""

from __future__ import annotations

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.captures import XML, contents
from pipeline.addresses import Address, AddressSet
from pipeline.parse import ParseError
from pipeline.parse.differing import differing_hosts
from pipeline.parse.nmap_xml import HostResult, read_nmap_file, read_nmap_xml

HEAD = '<nmaprun scanner="nmap" args="nmap"><scaninfo type="syn" protocol="tcp" services="1-99"/>\n'
TAIL = '<runstats><finished exit="success"/></runstats></nmaprun>'


def port(number: int, state: str = "open", more: str = "") -> str:
    reason = "syn-ack" if state == "open" else "reset"
    return (
        f'<port protocol="tcp" portid="{number}">'
        f'<state state="{state}" reason="{reason}" reason_ttl="63"/>{more}</port>\n'
    )


def host(address: str, *ports: str, times: str = "1", state: str = "up", more: str = "") -> str:
    return (
        f'<host starttime="{times}" endtime="{times}"{more}>'
        f'<status state="{state}" reason="user-set" reason_ttl="0"/>\n'
        f'<address addr="{address}" addrtype="ipv4"/>\n<hostnames>\n</hostnames>\n'
        f'<ports>{"".join(ports)}</ports>\n<times srtt="{times}" rttvar="1" to="1"/>\n</host>\n'
    )


def file(path: Path, *hosts: str, tail: str = TAIL) -> Path:
    path.write_text(HEAD + "".join(hosts) + tail)
    return path


def differences(tmp_path: Path, before: list[str], after: list[str]) -> list[str]:
    found = differing_hosts(file(tmp_path / "a", *before), file(tmp_path / "b", *after))
    return [str(each.address) for each in found]


@pytest.mark.parametrize("name", XML)
def test_a_capture_does_not_differ_from_itself(name: str, tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(contents(name))
    packed.write_bytes(gzip.compress(contents(name)))
    assert list(differing_hosts(plain, packed)) == []


def test_both_sides_of_a_differing_host_are_what_the_reader_reads(tmp_path: Path) -> None:
    before, after = tmp_path / "a", tmp_path / "b"
    data = contents("nmap-version.xml")
    before.write_bytes(data)
    after.write_bytes(data.replace(b' tunnel="ssl"', b""))
    (found,) = differing_hosts(before, after)
    for path, ours in ((before, found.before), (after, found.after)):
        hosts: list[HostResult] = []
        read_nmap_file(path, hosts.append)
        assert ours == tuple(hosts)


def test_a_port_that_changed_is_a_difference_and_times_are_none(tmp_path: Path) -> None:
    before = [host("10.0.0.1", port(22), port(80)), host("10.0.0.2", port(22))]
    after = [
        host("10.0.0.1", port(22), port(80, "closed"), times="9"),
        host("10.0.0.2", port(22), times="9"),
    ]
    assert differences(tmp_path, before, after) == ["10.0.0.1"]


def test_the_order_of_hosts_ports_and_counted_ports_is_no_difference(tmp_path: Path) -> None:
    closed = '<extraports state="closed" count="5"><extrareasons reason="reset" count="5"/>'
    silent = '<extraports state="filtered" count="7"><extrareasons reason="no-response" count="7"/>'
    one, two = f"{closed}</extraports>\n", f"{silent}</extraports>\n"
    before = [host("10.0.0.1", one, two, port(22), port(80)), host("10.0.0.2")]
    after = [host("10.0.0.2"), host("10.0.0.1", two, one, port(80), port(22))]
    assert differences(tmp_path, before, after) == []


def test_what_is_written_otherwise_and_means_the_same_is_no_difference(tmp_path: Path) -> None:
    text = host("10.0.0.1", port(22))
    after = text.replace("syn-ack", "syn&#45;ack").replace("<ports>", "<ports><!-- here -->")
    assert differences(tmp_path, [text], [after]) == []


def test_a_host_that_only_one_file_has_is_a_difference_with_an_empty_side(tmp_path: Path) -> None:
    before = file(tmp_path / "a", host("10.0.0.9", port(1)), host("10.0.0.10", port(1)))
    after = file(tmp_path / "b", host("10.0.0.10", port(1)), host("10.0.0.11", port(1)))
    gone, new = differing_hosts(before, after)
    assert (str(gone.address), len(gone.before), gone.after) == ("10.0.0.9", 1, ())
    assert (str(new.address), new.before, len(new.after)) == ("10.0.0.11", (), 1)


def test_the_facts_of_a_file_say_who_was_down_given_up_and_whether_it_is_whole(
    tmp_path: Path,
) -> None:
    before = file(
        tmp_path / "a",
        host("10.0.0.1", port(22)),
        host("10.0.0.2", state="down"),
        host("10.0.0.3", more=' timedout="true"'),
    )
    after = file(tmp_path / "b", host("10.0.0.1", port(22)), tail="<host><stat")
    found = differing_hosts(before, after)
    assert [str(scan.ports) for scan in found.before.run.scans] == ["1-99"]
    assert found.before.hosts == AddressSet.parse(["10.0.0.1-3"])
    assert found.before.down == AddressSet.parse(["10.0.0.2"])
    assert found.before.timed_out == AddressSet.parse(["10.0.0.3"])
    assert found.after.hosts == AddressSet.parse(["10.0.0.1"])
    assert (found.before.run.complete, found.after.run.truncated) == (True, True)


def test_masscan_s_answers_about_one_host_are_one_host_in_any_order(tmp_path: Path) -> None:
    hosts = [host("10.0.0.1", port(number)) for number in (22, 80, 443)]
    assert differences(tmp_path, hosts, hosts[::-1]) == []
    assert differences(tmp_path, hosts, hosts[:2]) == ["10.0.0.1"]
    both = differing_hosts(file(tmp_path / "a", *hosts), file(tmp_path / "b", *hosts[:2]))
    assert [(len(each.before), len(each.after)) for each in both] == [(3, 2)]


def test_more_differing_hosts_than_are_held_at_once_are_handed_out_in_order(
    tmp_path: Path,
) -> None:
    addresses = [f"10.0.0.{n}" for n in range(25)]
    before = [f'<host><address addr="{a}" addrtype="ipv4"/></host>' for a in addresses]
    found = differing_hosts(file(tmp_path / "a", *before[::-1]), file(tmp_path / "b"), at_once=10)
    assert [str(each.address) for each in found] == addresses


def test_a_host_is_read_again_from_where_it_lies_however_long_it_is(tmp_path: Path) -> None:
    ports = [port(number) for number in range(1, 400)]
    around = [host(f"10.0.0.{n}", port(22)) for n in (1, 3)]
    before = file(tmp_path / "a", around[0], host("10.0.0.2", *ports), around[1])
    after = file(tmp_path / "b", around[0], host("10.0.0.2", *ports[1:]), around[1])
    assert len("".join(ports)) > 32_000
    (found,) = differing_hosts(before, after)
    assert [len(each.ports) for each in (*found.before, *found.after)] == [399, 398]


def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    before = file(tmp_path / "a", host("10.0.0.1", port(22)))
    after = file(tmp_path / "b", host("10.0.0.1", port(23)))
    found = differing_hosts(before, after)
    file(tmp_path / "a", host("10.0.0.1", port(23)), host("10.0.0.2", port(23)))
    with pytest.raises(ParseError, match="was changed while it was being read"):
        list(found)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_whatever_two_files_say_the_differing_hosts_are_those_that_read_otherwise(
    data: st.DataObject,
) -> None:
    ports = st.lists(st.sampled_from([port(22), port(80), port(80, "closed")]), max_size=3)
    hosts = st.lists(st.tuples(st.integers(1, 6), ports), max_size=6)
    broken = st.sampled_from([TAIL, "", "&x;" + host("10.0.0.9") + TAIL, "<host", "\x01" + TAIL])
    with TemporaryDirectory() as folder:
        before, after = (
            file(
                Path(folder, name),
                *(host(f"10.0.0.{n}", *said) for n, said in data.draw(hosts)),
                tail=data.draw(broken),
            )
            for name in "ab"
        )
        differing = differing_hosts(before, after, at_once=data.draw(st.integers(1, 4)))
        found = [(each.address, each.before, each.after) for each in differing]
        then, now = by_address(before), by_address(after)
    for address, *both in found:
        assert tuple(both) == (tuple(then.get(address, ())), tuple(now.get(address, ())))
    addresses = {address for address, _, _ in found}
    for address in then.keys() | now.keys():
        one, other = (tuple(each.get(address, ())) for each in (then, now))
        told = [({p for h in hosts for p in h.ports}, bool(hosts)) for hosts in (one, other)]
        assert (address in addresses) is (told[0] != told[1])


def by_address(path: Path) -> dict[Address, list[HostResult]]:
    hosts: dict[Address, list[HostResult]] = {}
    with path.open("rb") as stream:
        read_nmap_xml(
            stream, lambda host: hosts.setdefault(host.address, []).append(host), plainly=False
        )
    return hosts
