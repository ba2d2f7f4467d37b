"""Which addresses are other machines than before, by their SSH host keys and certificates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipeline.addresses import Address, number_of
from pipeline.decide.services import another_key, certificate, host_keys, same_subject
from pipeline.model import Endpoint, Service, Verdict


class IdentityKind(StrEnum):
    """What happened to the machine behind an address."""

    ANOTHER_MACHINE = "another-machine"
    """Everything that identifies a host there differs from before, and nothing is the same."""
    MOVED = "moved"
    """A machine of before is at another address now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityNote:
    """What is said of the machine at ``address``; ``came_from`` is where a moved one was before.

    ``endpoints`` are those whose host keys or certificates say so.
    """

    kind: IdentityKind
    address: Address
    endpoints: tuple[Endpoint, ...]
    came_from: Address | None = None


def identities(
    before: Mapping[Endpoint, Verdict], after: Mapping[Endpoint, Verdict]
) -> tuple[IdentityNote, ...]:
    """Notes by address. Both sides must be whole for each address in them.

    A host key outweighs certificates: keys last as long as a machine, and certificates move with
    the services.
    """
    notes = [*_others(before, after), *_moved(before, after)]
    return tuple(sorted(notes, key=lambda note: (number_of(note.address), note.kind)))


def _others(
    before: Mapping[Endpoint, Verdict], after: Mapping[Endpoint, Verdict]
) -> Iterator[IdentityNote]:
    keys: dict[Address, dict[Endpoint, bool]] = {}
    certificates: dict[Address, dict[Endpoint, bool]] = {}
    for endpoint in before.keys() & after.keys():
        old, new = before[endpoint].service, after[endpoint].service
        if old is None or new is None:
            continue
        was, now = host_keys(old), host_keys(new)
        if was.keys() & now.keys():
            keys.setdefault(endpoint.address, {})[endpoint] = another_key(was, now)
        if certificate(old).get("Subject") and certificate(new).get("Subject"):
            changed = not same_subject(old, new)
            certificates.setdefault(endpoint.address, {})[endpoint] = changed
    for address in keys.keys() | certificates.keys():
        told = keys.get(address) or certificates[address]
        if all(told.values()):
            yield IdentityNote(
                kind=IdentityKind.ANOTHER_MACHINE, address=address, endpoints=tuple(sorted(told))
            )


def _moved(
    before: Mapping[Endpoint, Verdict], after: Mapping[Endpoint, Verdict]
) -> Iterator[IdentityNote]:
    """A host key that exactly one address had before, and exactly one other address has now."""
    was, now = _addresses_of_keys(before), _addresses_of_keys(after)
    moves: dict[tuple[Address, Address], set[Endpoint]] = {}
    for key in was.keys() & now.keys():
        old, new = ([*{endpoint.address for endpoint in side[key]}] for side in (was, now))
        if len(old) == len(new) == 1 and old != new:
            moves.setdefault((old[0], new[0]), set()).update(now[key])
    for (source, address), endpoints in moves.items():
        yield IdentityNote(
            kind=IdentityKind.MOVED,
            address=address,
            endpoints=tuple(sorted(endpoints)),
            came_from=source,
        )


def _addresses_of_keys(
    verdicts: Mapping[Endpoint, Verdict],
) -> dict[tuple[str, str], set[Endpoint]]:
    found: dict[tuple[str, str], set[Endpoint]] = {}
    for endpoint, verdict in verdicts.items():
        for key in host_keys(verdict.service or Service()).items():
            found.setdefault(key, set()).add(endpoint)
    return found


def identifies(service: Service) -> bool:
    """True when a host key or a certificate is known of a service."""
    return bool(host_keys(service) or certificate(service))
