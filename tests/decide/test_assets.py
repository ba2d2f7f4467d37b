"""What an inventory says of an address, and where a run does not agree with it."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import AddressSet
from pipeline.decide.along import Along
from pipeline.decide.assets import Assets, Listing, disagreements
from pipeline.decide.compare import Side
from pipeline.decide.inventory import AssetSource, Entry, Inventory
from pipeline.decide.risk_rules import Criticality, Ports, Zone, ZoneEntry, position
from pipeline.model import ChangeKind, Endpoint, Verdict, VerdictKind
from pipeline.ports import PortSet

SOURCE = AssetSource(name="assets.csv", kind="csv", sha256="", entries=1)


def entry(network: str, expected: str | None = None, **said: object) -> Entry:
    ports = (
        None if expected is None else Ports(tcp=PortSet.parse(expected) if expected else PortSet())
    )
    return Entry(networks=AddressSet.parse([network]), expected=ports, **said)  # type: ignore[arg-type]  # texts and enums


def assets(*entries: Entry) -> Assets:
    return Assets(Inventory(sources=(SOURCE,), entries=entries))


def run(asked: str = "1-65535", refused: bool = True, **found: VerdictKind) -> Side:
    """A run that asked these ports everywhere; ``found`` is by address and port: ``a7_22``."""
    verdicts = {}
    for name, kind in found.items():
        host, _, port = name[1:].partition("_")
        where = Endpoint.parse(f"192.0.2.{host}:{port}")
        verdicts[where] = Verdict(endpoint=where, kind=kind, reason="", confidence=1.0)
    ports = PortSet.parse(asked)
    return Side(
        verdicts=verdicts,
        asked=lambda e: e.port in ports,
        refused=lambda e: refused and e.port in ports,
    )


WITHIN = AddressSet.parse(["192.0.2.0/24"])
OPEN = VerdictKind.CONFIRMED


def test_the_entry_with_the_fewest_addresses_answers_first_and_only_what_it_says() -> None:
    known = assets(
        entry("192.0.2.0/24", owner="Network team", zone=Zone.INTERNAL, name="office"),
        entry("192.0.2.0/28", owner="Web team"),
        entry("192.0.2.7", name="shop"),
    )
    found = known.of(ip_address("192.0.2.7"))
    assert (found.name, found.owner, found.zone) == ("shop", "Web team", Zone.INTERNAL)
    assert found.listing is Listing.LISTED
    assert known.of(ip_address("192.0.2.200")).owner == "Network team"


def test_of_two_entries_for_the_same_address_the_first_one_counts() -> None:
    known = assets(entry("192.0.2.7", name="a"), entry("192.0.2.7", name="b", owner="B"))
    found = known.of(ip_address("192.0.2.7"))
    assert (found.name, found.owner) == ("a", "B")


def test_a_host_by_name_is_found_through_the_names_of_the_run_and_nowhere_else() -> None:
    inventory = Inventory(
        sources=(SOURCE,), entries=(Entry(hosts=("Shop.example.com.",), owner="Web team"),)
    )
    names = {"shop.example.com": (ip_address("192.0.2.7"), ip_address("192.0.2.8"))}
    for address in ("192.0.2.7", "192.0.2.8"):
        found = Assets(inventory, names).of(ip_address(address))
        assert (found.owner, found.listing) == ("Web team", Listing.LISTED)
    assert Assets(inventory).of(ip_address("192.0.2.7")).listing is Listing.UNKNOWN


def test_a_host_is_unlisted_only_where_its_network_lists_others() -> None:
    crowded = assets(entry("192.0.2.0/24"), entry("192.0.2.7"))
    assert crowded.of(ip_address("192.0.2.9")).listing is Listing.UNLISTED
    plain = assets(entry("192.0.2.0/24"))
    assert plain.of(ip_address("192.0.2.9")).listing is Listing.NETWORK
    assert plain.of(ip_address("203.0.113.9")).listing is Listing.UNKNOWN


def test_hosts_that_only_pretend_are_no_strangers() -> None:
    known = assets(entry("192.0.2.7"))
    found = disagreements(
        known,
        run(a9_22=OPEN, a10_22=VerdictKind.ARTEFACT, a11_22=VerdictKind.REFUTED),
        within=WITHIN,
    )
    assert [str(stranger.address) for stranger in found.strangers] == ["192.0.2.9"]
    assert found.strangers[0].listing is Listing.UNKNOWN


def test_an_open_port_is_unexpected_only_where_expected_ports_are_listed() -> None:
    known = assets(entry("192.0.2.7", "22"), entry("192.0.2.8"))
    found = disagreements(known, run(a7_22=OPEN, a7_80=OPEN, a8_80=OPEN), within=WITHIN)
    assert [(str(c.endpoint), c.kind) for c in found.ports] == [
        ("192.0.2.7:80/tcp", ChangeKind.OPENED)
    ]
    assert found.untold == 1


def test_a_host_that_expects_nothing_is_told_of_everything() -> None:
    found = disagreements(assets(entry("192.0.2.7", "")), run(a7_22=OPEN), within=WITHIN)
    assert [c.kind for c in found.ports] == [ChangeKind.OPENED]


def test_a_missing_port_is_closed_only_where_it_was_asked_and_refused() -> None:
    known = assets(entry("192.0.2.7", "22,80"), entry("192.0.2.0/24", "443"))
    kinds = {
        (asked, refused): [
            (c.endpoint.port, c.kind)
            for c in disagreements(known, run(asked, refused, a7_22=OPEN), within=WITHIN).ports
        ]
        for asked, refused in (("1-100", True), ("1-100", False), ("1-79", True))
    }
    assert kinds["1-100", True] == [(80, ChangeKind.CLOSED)]
    assert kinds["1-100", False] == [(80, ChangeKind.NOW_FILTERED)]
    assert kinds["1-79", True] == [(80, ChangeKind.NOT_COVERED)]


def test_the_ports_of_the_host_itself_count_and_not_those_of_its_network() -> None:
    known = assets(entry("192.0.2.0/24", "22,161"), entry("192.0.2.7", "22"))
    found = disagreements(known, run(a7_22=OPEN, a7_161=OPEN, a8_161=OPEN), within=WITHIN)
    assert [str(c.endpoint) for c in found.ports] == ["192.0.2.7:161/tcp"]


def test_what_lies_outside_of_the_scope_is_not_missed() -> None:
    known = assets(entry("198.51.100.7", "22"))
    assert disagreements(known, run(), within=WITHIN).ports == ()


def test_the_engagement_goes_before_the_inventory_and_the_address_last() -> None:
    address = ip_address("192.0.2.7")
    networks = AddressSet.parse(["192.0.2.0/24"])
    said = (ZoneEntry(networks=networks, zone=Zone.DMZ),)
    high = Criticality.HIGH
    found = position(address, said, zone=Zone.INTERNAL, criticality=high)
    assert (found.zone, found.criticality, found.assumed) == (Zone.DMZ, high, False)
    both = (ZoneEntry(networks=networks, zone=Zone.DMZ, criticality=Criticality.LOW),)
    assert position(address, both, criticality=high).criticality is Criticality.LOW
    found = position(address, (), zone=Zone.INTERNAL)
    assert (found.zone, found.criticality, found.assumed) == (
        Zone.INTERNAL,
        Criticality.NORMAL,
        False,
    )
    assert position(address, ()).assumed


RANGES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda r: (r[0], r[0] + r[1])),
    max_size=12,
)


@settings(max_examples=60)
@given(RANGES, st.integers(0, 90))
def test_along_the_line_an_address_has_what_holds_for_it(
    ranges: list[tuple[int, int]], number: int
) -> None:
    line = Along((AddressSet((span,)), place) for place, span in enumerate(ranges))
    expected = tuple(place for place, (a, b) in enumerate(ranges) if a <= number <= b)
    assert line.at(ip_address(number)) == expected
