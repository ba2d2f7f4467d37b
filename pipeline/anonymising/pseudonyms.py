"""Pseudonyms of addresses and names, the same in all copies of one workspace.

They are made with a secret of the workspace (HMAC-SHA-256), so that nobody else can try all
addresses until one fits. An address becomes one that belongs to nobody: IPv4 in 240.0.0.0/4, which
is reserved (RFC 1112, section 4), IPv6 in 3fff::/20, which is for documentation (RFC 9637). A /16
(/48 of IPv6) becomes another one; there is less room than there are real ones, so that what each
became is kept in the file of the secret. Below that, addresses share as many first bits as before
(prefix preservation as in Xu, Fan, Ammar and Moon, "Prefix-preserving IP address anonymization",
ICNP 2002, with HMAC for their cipher): networks stay together, and stay networks.
"""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from pathlib import Path
from typing import Final

from pipeline.addresses import Address, AddressSet
from pipeline.errors import Error
from pipeline.files import open_private, write_whole, writing_to

KEY_BYTES: Final = 32
_DIGITS: Final = 12
"""Of a name: of 100,000 names two share them with a chance of one in 50,000."""


class _Family:
    """Where the addresses of one family go: the first ``block`` bits are drawn, the others veiled.

    ``base`` is the room, ``places`` how many blocks it has.
    """

    def __init__(self, room: str, block: int) -> None:
        network = ip_network(room)
        self.base = int(network.network_address)
        self.size, self.block = network.max_prefixlen, block
        # The last block of IPv4 has the address that is everybody's (255.255.255.255).
        self.places = (1 << block - network.prefixlen) - 1


_FAMILIES: Final = {4: _Family("240.0.0.0/4", 16), 6: _Family("3fff::/20", 48)}
_MOST: Final = 4096
"""Blocks of one family: all that IPv4 has room for."""
_BLOCK: Final = re.compile(r"[46]/[0-9a-f]{1,12}")


class Pseudonyms:
    """One secret, and the blocks that were drawn with it so far.

    ``blocks`` are places by family and first bits (``4/0a50`` for 10.80.0.0/16); more are added as
    they are needed.
    """

    def __init__(self, key: bytes, blocks: Mapping[str, int] | None = None) -> None:
        self.key = key
        self.blocks = dict(blocks or {})
        self._taken = {(name[0], place) for name, place in self.blocks.items()}
        self._bit = cache(self._bit_of)
        self.address = cache(self._address_of)
        self.addresses = cache(self._addresses_of)
        self.name = cache(self._name_of)

    def _digest(self, what: str) -> bytes:
        return hmac.digest(self.key, what.encode("utf-8", "surrogatepass"), "sha256")

    def _name_of(self, kind: str, text: str) -> str:
        """``host-1f0c93ab5d20``; nothing of nothing. The digits are those of the name alone."""
        digits = self._digest(f"name {text.strip().casefold()}").hex()[:_DIGITS]
        return f"{kind}-{digits}" if text.strip() else ""

    def _bit_of(self, version: int, length: int, prefix: int) -> int:
        return self._digest(f"bit {version}/{length}/{prefix:x}")[0] & 1

    def _block(self, version: int, prefix: int) -> int:
        name = f"{version}/{prefix:x}"
        known = self.blocks.get(name)
        if known is not None:
            return known
        family = _FAMILIES[version]
        if sum(taken[0] == name[0] for taken in self._taken) >= min(_MOST, family.places):
            raise _too_many()
        found = next(
            place
            for attempt in range(1 << 20)
            if (name[0], place := self._place(name, attempt) % family.places) not in self._taken
        )
        self._taken.add((name[0], found))
        self.blocks[name] = found
        return found

    def _place(self, name: str, attempt: int) -> int:
        return int.from_bytes(self._digest(f"block {name} {attempt}")[:8])

    def _address_of(self, address: Address) -> Address:
        """Nobody's address for somebody's."""
        return self._first(address.version, int(address), address.max_prefixlen)

    def _first(self, version: int, number: int, length: int) -> Address:
        """The address with its first bits veiled, at least those of its block, the rest as is."""
        family = _FAMILIES[version]
        rest = family.size - family.block
        veiled = family.base | self._block(version, number >> rest) << rest
        for place in range(family.block, family.size):
            bit = number >> family.size - place - 1 & 1
            if place < length:
                bit ^= self._bit(version, place, number >> family.size - place)
            veiled |= bit << family.size - place - 1
        return IPv4Address(veiled) if version == 4 else IPv6Address(veiled)

    def _network(self, real: IPv4Network | IPv6Network) -> str:
        first = self._first(real.version, int(real.network_address), real.prefixlen)
        return f"{first}/{real.prefixlen}"

    def _addresses_of(self, some: AddressSet) -> AddressSet:
        """A set of as many addresses. Raises :class:`Error` for whole parts of the internet."""
        return AddressSet.parse(
            self._network(network) for text in some.networks() for network in _blocks_of(text)
        )


def _blocks_of(text: str) -> Iterator[IPv4Network | IPv6Network]:
    """A network, or the blocks that a larger one has."""
    network = ip_network(text)
    missing = _FAMILIES[network.version].block - network.prefixlen
    if missing <= 0:
        yield network
    elif 1 << missing > _MOST:
        raise _too_many()
    else:
        yield from network.subnets(prefixlen_diff=missing)


def _too_many() -> Error:
    return Error(
        f"there are no pseudonyms for more than {_MOST:,} networks (/16, or /48 of IPv6)",
        hint="anonymise a run of a smaller scope",
    )


@contextlib.contextmanager
def pseudonyms_in(path: Path, *, secret: bytes) -> Iterator[Pseudonyms]:
    """The pseudonyms of a workspace, and what was drawn meanwhile is kept there (0600).

    ``secret`` is the key of a file that is not there yet. Others wait until it is written.
    Raises :class:`Error` for a file that is none, and when it cannot be written.
    """
    with writing_to(path):
        lock = open_private(path.with_name(f"{path.name}.lock"), os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _read(path) if path.exists() else Pseudonyms(secret)
        key = found.key
        before = len(found.blocks) if path.exists() else -1
        yield found
        if len(found.blocks) != before:
            kept = {"key": key.hex(), "blocks": dict(sorted(found.blocks.items()))}
            write_whole(path, json.dumps(kept, indent=1) + "\n")
    finally:
        os.close(lock)


def _read(path: Path) -> Pseudonyms:
    try:
        kept = json.loads(path.read_text())
        key, blocks = bytes.fromhex(kept["key"]), dict(kept["blocks"])
        sound = len(key) == KEY_BYTES and all(
            _BLOCK.fullmatch(name) and type(place) is int and place >= 0
            for name, place in blocks.items()
        )
        distinct = {(name[0], place) for name, place in blocks.items()}
        if not sound or len(distinct) != len(blocks):
            raise ValueError("not what we wrote")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Error(
            "holds no secret for pseudonyms, or not all of it",
            where=str(path),
            hint="bring it back from a copy; without it, move it away, and pseudonyms are others",
        ) from error
    return Pseudonyms(key, blocks)
