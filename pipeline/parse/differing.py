"""Two files of nmap against each other: which hosts are not the same, and all that both say.

Most hosts of two scans are the same, so each file is first read for a digest of every host, and
only hosts with unequal digests are looked at in full. Times of a scan (``starttime``, ``endtime``,
``times``) are no difference, nor is the order in which a file lists hosts, ports or
``extraports``. Memory grows with the number of hosts by some two hundred bytes each, and not with
what is said of them::

    found = differing_hosts(Path("june.xml"), Path("july.xml.gz"))
    found.before.run.scans           # what was asked: one for each protocol and scan type
    found.after.timed_out            # addresses about which nmap gave up
    for host in found:               # in the order of addresses
        host.address
        host.before, host.after      # HostResult, HostResult; () where the file has no such host

Equal hosts have equal answers, and so no change, whatever the two scans asked. masscan writes a
``host`` for every answer: ``before`` and ``after`` then have several for one address.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from typing import Final

from pipeline.addresses import Address, AddressSet, address_at, number_of
from pipeline.model import Protocol
from pipeline.parse import ParseError
from pipeline.parse.nmap_plain import PlainHosts
from pipeline.parse.nmap_xml import HostResult, NmapRun, PortResult, read_nmap_file
from pipeline.parse.packed import opened

AT_ONCE: Final = 20_000
"""Differing hosts that are held at a time; where there are more, the files are read again."""

_DIGEST: Final = 16
_PIECE: Final = 16 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What one file says about the scan, and for which hosts.

    ``hosts`` are all that were finished, whatever became of them; ``down`` and ``timed_out`` are
    among them. Where ``run.truncated``, nothing follows for a host that is not in ``hosts``.
    """

    run: NmapRun
    hosts: AddressSet
    down: AddressSet
    timed_out: AddressSet


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferingHost:
    """Everything that both files say of one host; empty where a file does not have it."""

    address: Address
    before: tuple[HostResult, ...]
    after: tuple[HostResult, ...]


class Differing:
    """Two files that were read for what differs. Iterating reads them once more, in part."""

    def __init__(self, before: _Sketch, after: _Sketch, at_once: int) -> None:
        self._at_once = at_once
        self._files = before, after
        self._numbers = _unequal(before.digests, after.digests)

    @property
    def before(self) -> FileFacts:
        """What the first file says about its scan."""
        return self._files[0].facts

    @property
    def after(self) -> FileFacts:
        """What the second file says about its scan."""
        return self._files[1].facts

    def __iter__(self) -> Iterator[DifferingHost]:
        """The hosts that differ, by numeric address. Raises ``ParseError`` if a file changed."""
        for start in range(0, len(self._numbers), self._at_once):
            wanted = self._numbers[start : start + self._at_once]
            before, after = (file.hosts(wanted) for file in self._files)
            for number in wanted:
                then, now = tuple(before.get(number, ())), tuple(after.get(number, ()))
                if not _same(then, now):
                    yield DifferingHost(address=address_at(number), before=then, after=now)


def differing_hosts(before: Path, after: Path, *, at_once: int = AT_ONCE) -> Differing:
    """Read both files, plain or packed. A truncated file is read as far as it goes.

    Raises ``ParseError`` for what is not nmap's XML, and ``OSError`` for what cannot be read.
    """
    first = _Sketch(before, at_once=at_once)
    return Differing(first, _Sketch(after, at_once=at_once, other=first), at_once)


class _Sketch:
    """One file: a digest of every host, by the place of its address on the number line.

    Hosts that are not like those of ``other`` are kept, unless they are more than ``at_once``.
    """

    def __init__(self, path: Path, *, at_once: int, other: _Sketch | None = None) -> None:
        self._path = path
        self._version = _version(path)
        self._others: Mapping[int, bytes] = other.digests if other else {}
        self._room = at_once if other else 0
        self._kept: dict[int, list[HostResult]] | None = {} if other else None
        with opened(path) as file:
            self._packed = bool(file.packing)
        self._places: dict[int, int] = {}
        self.digests: dict[int, bytes] = {}
        self._down: list[int] = []
        self._timed_out: list[int] = []
        run = read_nmap_file(path, self._add, by_text=self._add_text)
        self.facts = FileFacts(
            run=run,
            hosts=_addresses(self.digests),
            down=_addresses(self._down),
            timed_out=_addresses(self._timed_out),
        )

    def _add(self, host: HostResult) -> None:
        essence = repr(_essence((host,))).encode()
        digest = blake2b(essence, digest_size=_DIGEST, person=b"values").digest()
        number = number_of(host.address)
        self._file(number, digest, down=not host.up, timed_out=host.timed_out)
        self._keep(number, host)

    def _add_text(self, plain: PlainHosts, data: bytes, start: int, end: int, place: int) -> bool:
        told = plain.told(data, start, end)
        if told is None:
            return False
        salt = bytes((plain.masscan, told.timed_out))
        digest = blake2b(told.text, digest_size=_DIGEST, salt=salt).digest()
        # Like a host of the other file, which was plain, this one is plain, too.
        if self._others.get(told.number) != digest:
            text = plain.match(data, start, end)
            host = text.host() if text and self._room else None
            if text is None or (self._room and host is None):
                return False
            if host is not None:
                self._keep(told.number, host)
        if self._kept is None and not self._packed and told.number not in self.digests:
            self._places[told.number] = place
        self._file(told.number, digest, down=told.down, timed_out=told.timed_out)
        return True

    def _file(self, number: int, digest: bytes, *, down: bool, timed_out: bool) -> None:
        if down:
            self._down.append(number)
        if timed_out:
            self._timed_out.append(number)
        # Several of one address: in whichever order, they come to the same.
        if number in self.digests:
            digest = _sum(self.digests[number], digest)
            # Others of this address may have been taken for the same, and are not kept.
            self._kept = None
            self._places.pop(number, None)
        self.digests[number] = digest

    def _keep(self, number: int, host: HostResult) -> None:
        if self._kept is None:
            return
        if len(self._kept) >= self._room:
            self._kept = None
        else:
            self._kept.setdefault(number, []).append(host)

    def hosts(self, wanted: Sequence[int]) -> Mapping[int, list[HostResult]]:
        """What the file says of some hosts, which may take another reading."""
        if self._kept is not None:
            return self._kept
        if _version(self._path) != self._version:
            raise ParseError("the file was changed while it was being read", where=str(self._path))
        quickly = self._at_their_places(wanted)
        if quickly is not None:
            return quickly
        found: dict[int, list[HostResult]] = {number: [] for number in wanted}
        # What could be skipped is not looked at, so damage in it ends the reading here instead.
        left = self.facts.run.hosts_read

        def keep(host: HostResult) -> None:
            nonlocal left
            number = number_of(host.address)
            if left > 0 and number in found:
                found[number].append(host)
            left -= 1

        def skip(plain: PlainHosts, data: bytes, start: int, end: int, _: int) -> bool:
            nonlocal left
            number = plain.number(data, start, end)
            if number is None or number in found:
                return False
            left -= 1
            return True

        read_nmap_file(self._path, keep, by_text=skip)
        return found

    def _at_their_places(self, wanted: Sequence[int]) -> Mapping[int, list[HostResult]] | None:
        """The same from where the hosts lie in the file; ``None`` if that is not known of all."""
        numbers = [number for number in wanted if number in self.digests]
        if any(number not in self._places for number in numbers):
            return None
        plain = PlainHosts(masscan=self.facts.run.scanner == "masscan")
        found: dict[int, list[HostResult]] = {}
        with self._path.open("rb", buffering=0) as file:
            for number in numbers:
                file.seek(self._places[number])
                data = _until(file, b"</host>")
                text = plain.match(data, 0, len(data))
                host = text.host() if text else None
                if host is None:
                    return None
                found[number] = [host]
        return found


def _until(file: FileIO, end: bytes) -> bytes:
    """What comes up to the next ``end``, which is among it."""
    data = b""
    while end not in data and (more := file.read(_PIECE)):
        data += more
    return data[: data.find(end) + len(end)]


def _version(path: Path) -> tuple[int, ...]:
    about = path.stat()
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns


def _addresses(numbers: Iterable[int]) -> AddressSet:
    return AddressSet.of((number, number) for number in numbers)


def _sum(one: bytes, other: bytes) -> bytes:
    total = int.from_bytes(one) + int.from_bytes(other)
    return (total % (1 << 8 * _DIGEST)).to_bytes(_DIGEST)


def _unequal(before: Mapping[int, bytes], after: Mapping[int, bytes]) -> list[int]:
    return sorted(
        number for number in before.keys() | after.keys() if before.get(number) != after.get(number)
    )


def _same(then: tuple[HostResult, ...], now: tuple[HostResult, ...]) -> bool:
    """Whether both are told alike but for times and order. Most that come here are not."""
    return _ports(then) == _ports(now) and _essence(then) == _essence(now)


def _ports(hosts: tuple[HostResult, ...]) -> dict[tuple[Protocol, int], list[PortResult]]:
    found: dict[tuple[Protocol, int], list[PortResult]] = {}
    for host in hosts:
        for port in host.ports:
            key = port.protocol, port.port
            if key not in found:
                found[key] = [port]
            elif port not in found[key]:
                found[key] = sorted((*found[key], port), key=repr)
    return found


def _essence(hosts: tuple[HostResult, ...]) -> tuple[object, ...]:
    """All that is said of a host and does not depend on when it was asked, in one order."""
    ports = {repr(port) for host in hosts for port in host.ports}
    extra = {repr((e.state, e.count, sorted(map(repr, e.reasons)))) for h in hosts for e in h.extra}
    about = {
        repr((host.up, host.reason, host.timed_out, host.host_scripts, sorted(host.names)))
        for host in hosts
    }
    return sorted(ports), sorted(extra), sorted(about)
