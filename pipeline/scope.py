"""The only place where a target is made.

A :class:`Target` is an address, and :class:`Targets` a set of addresses, that the scope of an
engagement has admitted. Both can be made by a :class:`Scope` only, and everything that sends a
packet takes nothing else: command lines (``process.py``) and sockets (``wire/``). *Out* always
wins over *in*, whatever the order in which they were named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.addresses import Address, AddressSet, address_at
from pipeline.errors import NotAdmitted

_KEY: Final = object()
_NOBODY: Final = AddressSet()


class Target:
    """One admitted address. Raises ``TypeError`` when anything but a scope tries to make one."""

    __slots__ = ("_address",)

    def __init__(self, address: Address, *, key: object) -> None:
        if key is not _KEY:
            raise TypeError("only a Scope makes targets: use Scope.admit")
        self._address = address

    @property
    def address(self) -> Address:
        """The admitted address."""
        return self._address

    def __str__(self) -> str:
        return str(self._address)

    def __repr__(self) -> str:
        return f"Target({self._address})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Target) and other._address == self._address

    def __hash__(self) -> int:
        return hash(self._address)


class Targets:
    """A set of admitted addresses. Any part of it is admitted, too."""

    __slots__ = ("_addresses",)

    def __init__(self, addresses: AddressSet, *, key: object) -> None:
        if key is not _KEY:
            raise TypeError("only a Scope makes targets: use Scope.admit_all")
        self._addresses = addresses

    @property
    def addresses(self) -> AddressSet:
        """The admitted addresses."""
        return self._addresses

    def only(self, addresses: AddressSet) -> Targets:
        """The part of these targets that lies in ``addresses``."""
        return Targets(self._addresses & addresses, key=_KEY)

    def slices(self, size: int) -> Iterator[Targets]:
        """Consecutive sets of at most ``size`` targets, in numeric order."""
        for part in self._addresses.slices(size):
            yield Targets(part, key=_KEY)

    def family(self, version: int) -> Targets:
        """The targets of one address family, 4 or 6."""
        return Targets(self._addresses.family(version), key=_KEY)

    def __iter__(self) -> Iterator[Target]:
        for address in self._addresses:
            yield Target(address, key=_KEY)

    def __contains__(self, address: Address) -> bool:
        return address in self._addresses

    def __len__(self) -> int:
        return len(self._addresses)

    def __bool__(self) -> bool:
        return bool(self._addresses)

    def __repr__(self) -> str:
        return f"Targets({', '.join(self._addresses.texts())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Targets) and other._addresses == self._addresses

    def __hash__(self) -> int:
        return hash(self._addresses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The addresses in and the addresses out; ``excluded`` always wins."""

    included: AddressSet
    excluded: AddressSet = _NOBODY

    @property
    def admitted(self) -> AddressSet:
        """What may be asked: included less excluded."""
        return self.included - self.excluded

    def admit(self, address: Address) -> Target:
        """Make a target of an address. Raises :class:`NotAdmitted` with the reason."""
        if address in self.excluded:
            raise NotAdmitted(
                f"{address} is excluded by the engagement", hint="exclusions always win"
            )
        if address not in self.included:
            raise NotAdmitted(
                f"{address} is not in the scope of the engagement",
                hint="add it to scope.include if the authorisation covers it",
            )
        return Target(address, key=_KEY)

    def admit_all(self, addresses: AddressSet) -> Targets:
        """Make targets of a set. Raises :class:`NotAdmitted` unless every address is admitted."""
        outside = addresses - self.admitted
        if outside:
            first = address_at(outside.ranges[0][0])
            self.admit(first)
        return Targets(addresses, key=_KEY)

    def targets(self) -> Targets:
        """Everything that the scope admits."""
        return Targets(self.admitted, key=_KEY)

    def without(self, addresses: Iterable[AddressSet]) -> Scope:
        """The same scope with more exclusions."""
        excluded = self.excluded
        for more in addresses:
            excluded = excluded | more
        return Scope(included=self.included, excluded=excluded)
