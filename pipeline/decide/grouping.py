"""Exact asking: cut a set of endpoints into the fewest calls that ask nothing else.

nmap takes one port list for all hosts of a call. Handing over all hosts with the union of their
ports asks a hundred times too much; one call for each host starts nmap a thousand times. Every
rectangle here lies wholly inside the wanted set, so nothing is asked that nobody named.

The fewest rectangles that cover a bipartite graph cannot be found quickly (biclique cover is
NP-hard), but the shape of real networks helps: a few ports are open on many hosts, and the rest
makes up the hosts' individual sets. So: ports seen on at least t hosts become columns (one call
for all their hosts), what is left of each host becomes rows (one call for each distinct set), and
the best t is found by trying.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import reduce
from operator import xor
from random import Random
from typing import Final

from pipeline.addresses import Address, AddressSet, number_of
from pipeline.model import Endpoint
from pipeline.ports import PortSet

Group = tuple[AddressSet, PortSet]

_SPARE_SHARE: Final = 10
_SPARE_PROBES: Final = 5


def exact_groups(endpoints: Iterable[Endpoint]) -> tuple[Group, ...]:
    """Disjoint rectangles (addresses x ports) whose union is exactly ``endpoints``.

    All endpoints must share one protocol. The result is sorted and depends on the set only.
    """
    ports_of: dict[Address, set[int]] = defaultdict(set)
    hosts_of: dict[int, set[Address]] = defaultdict(set)
    for endpoint in endpoints:
        ports_of[endpoint.address].add(endpoint.port)
        hosts_of[endpoint.port].add(endpoint.address)
    if not ports_of:
        return ()
    best = _cut(ports_of, hosts_of, _best_threshold(ports_of, hosts_of))
    groups = ((AddressSet.from_addresses(hosts), PortSet.of(ports)) for ports, hosts in best)
    return tuple(sorted(groups, key=lambda group: (group[1].ranges, group[0].ranges)))


def _best_threshold(
    ports_of: Mapping[Address, set[int]], hosts_of: Mapping[int, set[Address]]
) -> int:
    """The lowest threshold of those that make the fewest calls, which are counted and not made.

    From nothing wide on, one port after the other leaves the rows of its hosts. The rest of a row
    is known by an exclusive or of random marks: two rests with the same one would cost a call.
    """
    chance = Random(0)
    mark = {port: chance.getrandbits(64) for port in sorted(hosts_of)}
    rest = {address: reduce(xor, map(mark.__getitem__, p)) for address, p in ports_of.items()}
    left = {address: len(ports) for address, ports in ports_of.items()}
    rows = Counter(rest.values())
    columns: set[frozenset[Address]] = set()
    wide_from: dict[int, list[int]] = defaultdict(list)
    for port, hosts in hosts_of.items():
        wide_from[len(hosts)].append(port)
    fewest, best = len(rows), len(ports_of) + 1
    for threshold in sorted(wide_from, reverse=True):
        for port in wide_from[threshold]:
            columns.add(frozenset(hosts_of[port]))
            for address in hosts_of[port]:
                rows[rest[address]] -= 1
                if not rows[rest[address]]:
                    del rows[rest[address]]
                rest[address] ^= mark[port]
                left[address] -= 1
                if left[address]:
                    rows[rest[address]] += 1
        if len(columns) + len(rows) <= fewest:
            fewest, best = len(columns) + len(rows), threshold
    return best


def _cut(
    ports_of: Mapping[Address, set[int]], hosts_of: Mapping[int, set[Address]], threshold: int
) -> list[tuple[frozenset[int], frozenset[Address]]]:
    columns: dict[frozenset[Address], set[int]] = defaultdict(set)
    wide: set[int] = set()
    for port, hosts in hosts_of.items():
        if len(hosts) >= threshold:
            wide.add(port)
            columns[frozenset(hosts)].add(port)
    rows: dict[frozenset[int], set[Address]] = defaultdict(set)
    for address, ports in ports_of.items():
        rest = frozenset(ports - wide)
        if rest:
            rows[rest].add(address)
    merged = [(frozenset(ports), hosts) for hosts, ports in columns.items()]
    return merged + [(ports, frozenset(hosts)) for ports, hosts in rows.items()]


def order_of(group: Group) -> tuple[int, int]:
    """Sort key for starting the large groups first: they take longest."""
    addresses, ports = group
    return -addresses.size * len(ports), number_of(next(iter(addresses)))


def covering_groups(wanted: Mapping[Address, PortSet]) -> tuple[Group, ...]:
    """Rectangles that together cover each host's ports, and a little more.

    For questions whose answer is known or harmless where they ask too much: ports that are open or
    refused. Hosts join a rectangle while what is asked in vain stays below a tenth of it, or below
    a few probes for each host. All addresses must share one family. Sorted, disjoint by address.
    """
    groups: list[tuple[list[Address], set[int], int]] = []
    order = sorted(wanted.items(), key=lambda item: (-len(item[1]), item[1].ranges, int(item[0])))
    for address, ports in order:
        own = set(ports)
        if not own:
            continue
        for place, (hosts, union, needed) in enumerate(groups):
            joined = union | own
            total = len(joined) * (len(hosts) + 1)
            spare = total - needed - len(own)
            if spare <= max(total // _SPARE_SHARE, _SPARE_PROBES * (len(hosts) + 1)):
                groups[place] = ([*hosts, address], joined, needed + len(own))
                break
        else:
            groups.append(([address], own, len(own)))
    return tuple(
        sorted(
            ((AddressSet.from_addresses(hosts), PortSet.of(union)) for hosts, union, _ in groups),
            key=order_of,
        )
    )
