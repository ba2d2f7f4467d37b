"""The only place where a target is made.

A :class:`Target` is an address, and :class:`Targets` a set of addresses, that the scope of an
engagement has admitted. Both can be made by a :class:`Scope` only, and everything that sends a
packet takes nothing else: command lines (``process/``) and sockets (``wire/``). *Out* always
wins over *in*, whatever the order in which they were named.

What others scanned is on record only: its scope names addresses so that tables and reports can be
made of them, and admits none of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
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
    """A set of admitted addresses. Any part of it is admitted, too.

    Those ``on_record_only`` were asked by others: no single :class:`Target` comes out of them, and
    ``process/`` refuses them.
    """

    __slots__ = ("_addresses", "_on_record_only")

    def __init__(self, addresses: AddressSet, *, key: object, on_record_only: bool = False) -> None:
        if key is not _KEY:
            raise TypeError("only a Scope makes targets: use Scope.admit_all")
        self._addresses = addresses
        self._on_record_only = on_record_only

    @property
    def on_record_only(self) -> bool:
        """True for what may be told of, and not be asked."""
        return self._on_record_only

    def _part(self, addresses: AddressSet) -> Targets:
        return Targets(addresses, key=_KEY, on_record_only=self._on_record_only)

    @property
    def addresses(self) -> AddressSet:
        """The admitted addresses."""
        return self._addresses

    def only(self, addresses: AddressSet) -> Targets:
        """The part of these targets that lies in ``addresses``."""
        return self._part(self._addresses & addresses)

    def slices(self, size: int) -> Iterator[Targets]:
        """Consecutive sets of at most ``size`` targets, in numeric order."""
        for part in self._addresses.slices(size):
            yield self._part(part)

    def family(self, version: int) -> Targets:
        """The targets of one address family, 4 or 6."""
        return self._part(self._addresses.family(version))

    def __iter__(self) -> Iterator[Target]:
        """One by one, as sockets want them. Raises :class:`NotAdmitted` for what is on record."""
        if self._on_record_only:
            raise _on_record()
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
        return (
            isinstance(other, Targets)
            and other._addresses == self._addresses
            and other._on_record_only is self._on_record_only
        )

    def __hash__(self) -> int:
        return hash(self._addresses)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The addresses in and the addresses out; ``excluded`` always wins, and so does ``foreign``.

    Of ``foreign`` addresses others are the owners, and nobody acknowledged their policy. Where the
    authorisation bounds its targets, nothing but what is ``permitted`` is admitted.
    A scope that is ``record_only`` admits nothing, whatever is in it; it can only :meth:`recall`.
    """

    included: AddressSet
    excluded: AddressSet = _NOBODY
    foreign: AddressSet = _NOBODY
    permitted: AddressSet | None = None
    record_only: bool = False
    admitted: AddressSet = field(init=False, repr=False, compare=False)
    """What may be asked: included, less excluded and foreign, as far as it is permitted."""

    def __post_init__(self) -> None:
        # Asked for each task that is read, and long lists take milliseconds to subtract.
        rest = self.included - self.excluded - self.foreign
        rest = rest if self.permitted is None else rest & self.permitted
        object.__setattr__(self, "admitted", rest)

    def admit(self, address: Address) -> Target:
        """Make a target of an address. Raises :class:`NotAdmitted` with the reason."""
        if self.record_only:
            raise _on_record()
        if address in self.excluded:
            raise NotAdmitted(
                f"{address} is excluded by the engagement", hint="exclusions always win"
            )
        if address not in self.included:
            raise NotAdmitted(
                f"{address} is not in the scope of the engagement",
                hint="add it to scope.include if the authorisation covers it",
            )
        if address in self.foreign:
            raise NotAdmitted(
                f"{address} belongs to somebody else",
                hint="`portproof check` says to whom, and what is missing in third_parties",
            )
        if self.permitted is not None and address not in self.permitted:
            raise NotAdmitted(
                f"{address} is not among the targets that the authorisation permits",
                hint="have it permitted, or leave it out of scope.include",
            )
        return Target(address, key=_KEY)

    def admit_all(self, addresses: AddressSet) -> Targets:
        """Make targets of a set. Raises :class:`NotAdmitted` unless every address is admitted."""
        if self.record_only:
            raise _on_record()
        return self.recall(addresses)

    def recall(self, addresses: AddressSet) -> Targets:
        """What was asked of these addresses, as the ledger has it: for reading, not for asking.

        From a scope that admits, they are targets like any other. Raises :class:`NotAdmitted`
        unless every address is in the scope.
        """
        outside = addresses - self.admitted
        if outside:
            first = address_at(outside.ranges[0][0])
            replace(self, record_only=False).admit(first)
        return Targets(addresses, key=_KEY, on_record_only=self.record_only)

    def targets(self) -> Targets:
        """Everything that the scope admits, or has on record."""
        return Targets(self.admitted, key=_KEY, on_record_only=self.record_only)

    def without(self, addresses: Iterable[AddressSet]) -> Scope:
        """The same scope with more exclusions."""
        more = (range_ for some in addresses for range_ in some.ranges)
        return replace(self, excluded=AddressSet.of((*self.excluded.ranges, *more)))


def _on_record() -> NotAdmitted:
    return NotAdmitted(
        "these addresses are on record only: others scanned them, and nobody authorised us",
        hint="write an engagement for what you may scan, and start a run of it",
    )
