"""Documents in which every text is an unmistakable secret, built from the types alone."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import cache
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from pipeline.addresses import AddressSet
from pipeline.decide.assets import Listing
from pipeline.model import RunState, TaskState
from pipeline.ports import PortSet
from pipeline.render.document import RunDocument
from pipeline.scope import Scope, Targets

V4: Final = IPv4Address("198.18.77.201")
V6: Final = IPv6Address("2001:db8:5ec:e7::9")
SCOPE: Final = Scope(included=AddressSet.parse(["198.18.77.0/24", "2001:db8:5ec:e7::/64"]))
_MEMBERS: Final[Mapping[Any, Enum]] = {
    TaskState: TaskState.SETTLED,
    Listing: Listing.UNLISTED,
    RunState: RunState.COMPLETE,
}
ADDRESSES: Final = ("198.18.77.", "2001:db8:5ec", "c6124dc9")


def reachable(kind: Any = RunDocument, *, through: Any = lambda _kind, _name: True) -> list[type]:
    """All dataclasses in a document, except behind fields that ``through`` turns away."""
    found: dict[type, None] = {}

    def walk(hint: Any) -> None:
        for inner in get_args(hint):
            walk(inner)
        if isinstance(hint, type) and is_dataclass(hint) and hint not in found:
            found[hint] = None
            for name, each in hints_of(hint).items():
                if through(hint, name):
                    walk(each)

    walk(kind)
    return list(found)


@cache
def hints_of(kind: type) -> Mapping[str, Any]:
    """The types of the fields that a value is made of."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind) if field.init}


def texts_in(hint: Any) -> bool:
    """True where a text or bytes may stand that no enum bounds."""
    if get_args(hint):
        return any(texts_in(inner) for inner in get_args(hint))
    return isinstance(hint, type) and issubclass(hint, str | bytes) and not issubclass(hint, Enum)


class Planter:
    """Builds a value of each type; ``arm`` says which of several types it is."""

    def __init__(self, arm: int) -> None:
        self.arm = arm
        self.secrets: list[str] = []

    def document(self) -> RunDocument:
        """A document whose every text is a secret, and whose every address is one of ours."""
        planted: RunDocument = self.value(RunDocument, "")
        return replace(
            planted,
            scope_included=tuple(map(str, SCOPE.included.networks())),
            scope_excluded=("198.18.77.128/25",),
        )

    def value(self, hint: Any, where: str) -> Any:
        """One value; the name of its place is in its texts."""
        origin, inner = get_origin(hint), get_args(hint)
        if origin in (Union, types.UnionType):
            return self._one_of(inner, where)
        if origin is tuple:
            several = inner[:1] if inner[-1] is Ellipsis else inner
            return tuple(self.value(each, where) for each in several)
        if origin is frozenset:
            return frozenset({self.value(inner[0], where)})
        if origin is not None:
            return {self.value(inner[0], where): self.value(inner[1], where)}
        return self._plain(hint, where)

    def _one_of(self, kinds: tuple[Any, ...], where: str) -> Any:
        some = [each for each in kinds if each is not type(None)]
        if IPv4Address in some:
            return (V4, V6)[self.arm]
        return self.value(some[min(self.arm, len(some) - 1)], where)

    def _plain(self, kind: Any, where: str) -> Any:
        if kind is AddressSet:
            return AddressSet.parse([("198.18.77.0/28", f"{V6}")[self.arm]])
        if kind is Targets:
            return SCOPE.admit_all(AddressSet.from_addresses([(V4, V6)[self.arm]]))
        if kind is PortSet:
            return PortSet.of((443,))
        if is_dataclass(kind):
            assert isinstance(kind, type)
            name = kind.__name__
            return kind(**{n: self.value(h, f"{name} {n}") for n, h in hints_of(kind).items()})
        if issubclass(kind, Enum):
            return _MEMBERS.get(kind) or next(iter(kind))
        if issubclass(kind, str | bytes):
            return self._secret(where) if kind is str else self._secret(where).encode()
        return kind(1)

    def _secret(self, where: str) -> str:
        secret = f"zq{len(self.secrets)}qz {where} Ächme"
        self.secrets.append(secret)
        return secret


def marks(planter: Planter) -> Iterator[tuple[str, str]]:
    """What to look for, and the whole secret."""
    for place, secret in enumerate(planter.secrets):
        yield f"zq{place}qz", secret
