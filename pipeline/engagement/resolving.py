"""Host names: resolved once, pinned, and admitted or refused."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.addresses import Address, AddressSet, number_of
from pipeline.engagement.values import Engagement, NamedHost, ResolvedScope
from pipeline.engagement.wording import printable
from pipeline.errors import NotAdmitted
from pipeline.scope import Scope

Resolver = Callable[[str], tuple[Address, ...]]
"""All addresses of a name; none, or ``OSError``, when it does not resolve."""


def resolve_scope(engagement: Engagement, resolver: Resolver) -> ResolvedScope:
    """Resolve each name of the scope once, and add it up.

    Raises :class:`NotAdmitted` with every name that does not resolve, or any address of which is
    excluded or lies outside of what the engagement includes or expects. A name that is excluded
    must resolve, too: else nobody knows what must not be asked.
    """
    pinned = _resolve(engagement, resolver)
    permitted = engagement.authorisation.permits.targets
    out = engagement.exclude | _pinned(engagement.exclude_names, pinned)
    problems = [
        f"{host.where}: {host.name} is excluded, but does not resolve: its addresses are unknown"
        for host in engagement.exclude_names
        if not pinned[host.name]
    ]
    for host in engagement.include_names:
        inside = engagement.include if host.expect is None else host.expect
        problems.extend(_problems(host, pinned[host.name], inside, out))
        problems.extend(
            f"{host.where}: {host.name} is {address}, which authorisation.permits.targets does not "
            "permit"
            for address in pinned[host.name]
            if permitted is not None and address not in permitted
        )
    if problems:
        raise NotAdmitted(
            "the scope names hosts that are not admitted:\n  " + "\n  ".join(problems),
            hint="correct the scope, or the name service; nothing was sent",
        )
    scope = Scope(
        included=engagement.include | _pinned(engagement.include_names, pinned),
        excluded=out,
        permitted=permitted,
    )
    _check_whole(engagement, scope)
    return ResolvedScope(scope=scope, names=tuple(pinned.items()))


def _check_whole(engagement: Engagement, scope: Scope) -> None:
    where = printable(str(engagement.path))
    admitted = scope.admitted
    if not admitted:
        raise NotAdmitted(
            "the scope is empty once the excluded names are resolved",
            where=where,
            hint="correct scope.exclude",
        )
    for canary in engagement.canaries:
        if canary.address not in admitted:
            raise NotAdmitted(
                f"the canary {canary} is not in the scope once the names are resolved",
                where=where,
                hint="correct canaries, or the scope",
            )


def _resolve(engagement: Engagement, resolver: Resolver) -> dict[str, tuple[Address, ...]]:
    pinned: dict[str, tuple[Address, ...]] = {}
    for host in engagement.include_names + engagement.exclude_names:
        if host.name not in pinned:
            try:
                found = resolver(host.name)
            except OSError:
                found = ()
            pinned[host.name] = tuple(sorted(set(found), key=number_of))
    return pinned


def _pinned(hosts: tuple[NamedHost, ...], pinned: dict[str, tuple[Address, ...]]) -> AddressSet:
    return AddressSet.from_addresses(address for host in hosts for address in pinned[host.name])


def _problems(
    host: NamedHost, found: tuple[Address, ...], inside: AddressSet, out: AddressSet
) -> list[str]:
    if not found:
        return [f"{host.where}: {host.name} does not resolve"]
    of_what = "scope.include" if host.expect is None else "the networks it is expected in"
    problems = []
    for address in found:
        if address in out:
            problems.append(f"{host.where}: {host.name} is {address}, which is excluded")
        elif address not in inside:
            problems.append(f"{host.where}: {host.name} is {address}, outside {of_what}")
    return problems
