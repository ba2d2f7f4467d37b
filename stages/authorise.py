"""Check that somebody allowed this, admit the targets, and bind the run to what was allowed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline import __version__
from pipeline.addresses import EVERY_IPV6, Address, AddressSet
from pipeline.datagrams import GUESSED_PORTS, QUESTION_PORTS
from pipeline.decide import udp_tasks
from pipeline.decide.pace import MARGIN, Ceilings, batch_size
from pipeline.decide.permits import Permits, Technique
from pipeline.decide.third_parties import judge, old_files, told
from pipeline.engagement import Engagement, Limits, Profile, Resolver, resolve_scope
from pipeline.engagement.calendars import described, openings_of
from pipeline.engagement.values import Permitted
from pipeline.engagement.wording import printable
from pipeline.errors import NotAdmitted, NotAuthorised, ToolError
from pipeline.model import Batch, Endpoint, Method, Protocol
from pipeline.plan import Fragile, Policy, RunPlan
from pipeline.ports import ALL_PORTS, PortSet, PortSpec, ProtocolPorts
from pipeline.render.extras import require
from pipeline.render.text import counted
from pipeline.tools.nmap import affordable_scripts, version_packets
from pipeline.tools.script_check import require_safe
from pipeline.vantage import Survey, Tool, ports_by_frequency

_UDP_WITHOUT_PRIVILEGE = (
    "without the privilege to send raw packets UDP ports are only asked by portproof's own "
    "questions: what answers them is likely to be open, and nothing confirms it"
)
_NO_SYN = (
    "the authorisation permits no SYN scans: there is no masscan, and discovery and corroboration "
    "are connect scans and handshakes"
)
_NO_CONTROLS = (
    "no control ports: the authorisation permits no port besides those that are asked, so a device "
    "that answers for every port is harder to tell"
)
_MANY = 1000
_HIGH_PORTS = PortSet(((20000, 60999),))


def authorise(
    engagement: Engagement,
    survey: Survey,
    *,
    now: float,
    resolver: Resolver,
    seed: int,
    previous_run: int | None = None,
) -> RunPlan:
    """The plan of a run, or a refusal.

    Raises ``NotAuthorised`` outside the authorisation's validity or bounds, ``NotAdmitted`` when a
    name resolves outside the scope or everything belongs to others, :class:`ToolError` when nmap
    cannot be used, and :class:`Error` when the package behind an output is missing.
    """
    engagement.authorisation.require(now)
    require(engagement.outputs)
    resolved = resolve_scope(engagement, resolver)
    permits = _permits(engagement, survey)
    policy, notes = _policy(engagement, survey, permits, seed, resolved.scope.admitted.size)
    others = judge(
        resolved.scope.admitted,
        engagement.third_parties,
        now=now,
        names=((name, AddressSet.from_addresses(at)) for name, at in resolved.names),
    )
    if not resolved.scope.admitted - others.foreign:
        raise NotAdmitted(
            "nothing is left to ask: everything belongs to others\n  "
            + "\n  ".join(map(told, others.refused)),
            where=printable(str(engagement.path)),
            hint="acknowledge their policies under third_parties.acknowledged",
        )
    notes += tuple(old_files(engagement.third_parties, now))
    allowed = engagement.authorisation
    return RunPlan(
        engagement_file=str(engagement.path),
        engagement_text=engagement.text,
        engagement_sha256=engagement.text_sha256,
        client=engagement.client,
        engagement=engagement.name,
        authorisation=(
            ("reference", allowed.reference),
            ("signatory", allowed.signatory),
            ("role", allowed.role),
            ("contacts", "; ".join(map(str, allowed.contacts))),
            ("valid from", allowed.valid_from_text),
            ("valid until", allowed.valid_until_text),
            *_document(engagement),
            *_bounds(allowed.permits),
        ),
        permits=permits,
        third_parties=others,
        authorised_from=allowed.valid_from,
        authorised_until=allowed.valid_until,
        included=resolved.scope.included,
        excluded=resolved.scope.excluded,
        names=tuple((name, tuple(map(str, addresses))) for name, addresses in resolved.names),
        ports=str(ProtocolPorts(tcp=engagement.ports, udp=engagement.udp_ports)),
        profile=engagement.profile.name,
        outputs=engagement.outputs,
        policy=policy,
        tools=tuple((tool.name, tool.version) for tool in survey.tools),
        portproof_version=__version__,
        previous_run=previous_run,
        seed=seed,
        notes=notes,
        privacy=engagement.privacy,
        signing_key=str(engagement.signing_key or ""),
        openings=openings_of(engagement, now),
        windows=described(engagement.hours),
        expected=engagement.expected,
        assets=engagement.inventory.sources,
        vulnerabilities=engagement.vulnerabilities,
        act_on=engagement.act_on,
        suppressions=engagement.suppressions,
        against_baseline=engagement.against_baseline,
    )


def _document(engagement: Engagement) -> Iterator[tuple[str, str]]:
    allowed = engagement.authorisation
    if allowed.document is not None:
        yield "document", allowed.document.name
        yield "document SHA-256", allowed.document_sha256 or ""


def _bounds(permitted: Permitted) -> Iterator[tuple[str, str]]:
    """What the authorisation permits, in words, where it sets a bound."""
    if permitted.techniques is not None:
        yield "permitted methods", ", ".join(t for t in Technique if t in permitted.techniques)
    if permitted.ports is not None:
        yield "permitted ports", str(permitted.ports)
    if permitted.rate is not None:
        yield "permitted packets per second", str(permitted.rate)
    if permitted.rate_per_host is not None:
        yield "permitted packets per second and host", str(permitted.rate_per_host)
    if permitted.targets is not None:
        yield "permitted targets", ", ".join(permitted.targets.networks())


def _nmap(survey: Survey) -> Tool:
    nmap = survey.tool("nmap")
    if nmap is None:
        raise next((e for e in survey.missing if "nmap" in e.what), ToolError("nmap is missing"))
    return nmap


def _permits(engagement: Engagement, survey: Survey) -> Permits:
    """The bounds of the authorisation with its ports looked up.

    Raises :class:`NotAuthorised` when the engagement asks ports beyond them: only now is it known
    which ones ``top:N`` are.
    """
    permitted, nmap = engagement.authorisation.permits, _nmap(survey).path
    tcp = udp = None
    if permitted.ports is not None:
        tcp = _resolve(permitted.ports.tcp, nmap, Protocol.TCP)
        udp = _resolve(permitted.ports.udp, nmap, Protocol.UDP)
        for protocol, asked, allowed in (
            (Protocol.TCP, engagement.ports, tcp),
            (Protocol.UDP, engagement.udp_ports, udp),
        ):
            beyond = _resolve(asked, nmap, protocol) - allowed
            if beyond:
                raise NotAuthorised(
                    f"ports asks {counted(len(beyond), f'{protocol.upper()} port')} that "
                    f"authorisation.permits.ports ({permitted.ports_at}) does not permit: "
                    f"{_few(beyond)}",
                    where=printable(str(engagement.path)),
                    hint="have them permitted, or leave them out",
                )
    return Permits(
        techniques=permitted.techniques,
        tcp=tcp,
        udp=udp,
        rate=permitted.rate,
        rate_per_host=permitted.rate_per_host,
        targets=permitted.targets,
    )


def _few(ports: PortSet) -> str:
    text = str(ports)
    return text if len(text) <= 80 else f"{text[:80].rpartition(',')[0]},…"


def _policy(
    engagement: Engagement, survey: Survey, permits: Permits, seed: int, addresses: int
) -> tuple[Policy, tuple[str, ...]]:
    nmap = _nmap(survey)
    profile, limits = engagement.profile, engagement.limits
    ports = _resolve(engagement.ports, nmap.path, Protocol.TCP)
    udp_ports = _resolve(engagement.udp_ports, nmap.path, Protocol.UDP)
    sweep, methods, notes = _methods(survey, syn=permits.allow(Technique.SYN))
    if udp_ports and not nmap.raw:
        notes += (_UDP_WITHOUT_PRIVILEGE,)
    require_safe(profile.scripts if profile.version_probe else (), nmap.path)
    notes += tuple(_fragile_notes(engagement.fragile))
    version_probe, scripts, more = _versions(profile, _to_one_host(limits))
    notes += more
    usable = _common(permits.tcp if ports else None, permits.udp if udp_ports else None)
    control_ports = _control_ports(ports | udp_ports, profile.control_ports, seed, usable)
    if profile.control_ports and not control_ports:
        notes += (_NO_CONTROLS,)
    policy = Policy(
        ports=ports,
        udp_ports=udp_ports,
        question_ports=udp_ports & QUESTION_PORTS,
        no_guess_ports=PortSet() if profile.snmp_public else GUESSED_PORTS,
        ceilings=Ceilings(
            rate=limits.rate,
            rate_per_host=limits.rate_per_host,
            rate_per_network=limits.rate_per_network,
            network=limits.network,
        ),
        concurrency=limits.concurrency,
        sweep=sweep,
        sweep_instead=methods[0],
        beyond_sweep=_beyond_masscan(survey) if sweep is Method.MASSCAN_SYN else AddressSet(),
        methods=methods,
        control_ports=control_ports,
        canary_ports=_first(control_ports) if profile.canary_waits else PortSet(),
        canary_waits=profile.canary_waits,
        gentle_pace=min(profile.gentle_pace, limits.rate_per_host),
        second_looks=profile.second_looks,
        watch_looks=profile.watch_looks,
        closer_looks=profile.closer_looks,
        sample_share=profile.sample / max(1, addresses * len(ports)),
        seed=seed,
        fragile_ports=profile.fragile_ports | engagement.fragile.ports,
        fragile=engagement.fragile,
        slow_start=profile.slow_start,
        recover=profile.recover,
        rescan_delays=engagement.rescan_delays,
        until_settled=engagement.until_settled,
        error=engagement.rescan_error,
        rescan_packets_per_endpoint=engagement.rescan_packets_per_endpoint,
        rescan_packets_share=(
            engagement.rescan_packets / max(1, addresses * len(ports))
            if engagement.rescan_packets
            else None
        ),
        masscan_retries=profile.masscan_retries,
        masscan_wait=profile.masscan_wait,
        nmap_max_retries=profile.nmap_max_retries,
        connect_timeout=profile.handshake_connect_timeout,
        listen=profile.handshake_listen,
        speaks=profile.handshake_speaks,
        version_probe=version_probe,
        version_intensity=profile.version_intensity,
        scripts=scripts,
        attempts=profile.attempts,
        privileged=nmap.raw,
        syn=permits.allow(Technique.SYN),
        interface=engagement.vantage.interface,
        source_address=engagement.vantage.source_address,
        vantage=engagement.vantage.name,
    )
    return policy, notes


def _resolve(spec: PortSpec, nmap: Path, protocol: Protocol) -> PortSet:
    return spec.resolve(ports_by_frequency(nmap, protocol) if spec.top else ())


def _fragile_notes(fragile: Fragile) -> Iterator[str]:
    if fragile.hosts:
        named = ", ".join(fragile.hosts.networks())
        yield f"fragile, and asked by nothing but a handshake that never speaks: {named}"
    if fragile.ports:
        yield f"fragile ports of this engagement, besides those of the profile: {fragile.ports}"
    for entry in fragile.sturdy:
        where = ", ".join(entry.hosts.networks())
        what = "all ports" if entry.ports is None else f"port {entry.ports}"
        yield f"not spared as fragile, as the engagement says: {what} of {where}: {entry.reason}"


def _to_one_host(limits: Limits) -> int:
    if limits.rate_per_network is None:
        return limits.rate_per_host
    return min(limits.rate_per_host, int(limits.rate_per_network * MARGIN))


def _versions(profile: Profile, ceiling: int) -> tuple[bool, tuple[str, ...], tuple[str, ...]]:
    """Whether version probes, and which scripts, stay below what one host may get in a second."""
    if not profile.version_probe:
        return False, (), ()
    needed = version_packets(profile.version_intensity, ())
    if ceiling < needed:
        return (
            False,
            (),
            (
                f"no version probes: nmap sends up to {needed} packets to a host in one second "
                f"and cannot be slowed down, and limits.rate_per_host is {ceiling}",
            ),
        )
    scripts = affordable_scripts(profile.version_intensity, profile.scripts, ceiling)
    missing = [name for name in profile.scripts if name not in scripts]
    if not missing:
        return True, scripts, ()
    needed = version_packets(profile.version_intensity, profile.scripts)
    return (
        True,
        scripts,
        (
            f"without {', '.join(missing)}: with all scripts nmap sends up to {needed} packets to "
            f"a host in one second, and limits.rate_per_host is {ceiling}",
        ),
    )


def _methods(survey: Survey, *, syn: bool) -> tuple[Method, tuple[Method, ...], tuple[str, ...]]:
    """The sweep's method, the methods of corroboration, and what had to be left out."""
    nmap, masscan = survey.tool("nmap"), survey.tool("masscan")
    assert nmap is not None
    if not nmap.raw:
        return (
            Method.NMAP_CONNECT,
            (Method.NMAP_CONNECT, Method.HANDSHAKE),
            (
                "without the privilege to send raw packets there is no masscan and no SYN scan: "
                "discovery and corroboration are connect scans and handshakes",
            ),
        )
    if not syn:
        return Method.NMAP_CONNECT, (Method.NMAP_CONNECT, Method.HANDSHAKE), (_NO_SYN,)
    methods = (Method.NMAP_SYN, Method.NMAP_CONNECT, Method.HANDSHAKE)
    if masscan is not None and masscan.raw:
        return Method.MASSCAN_SYN, methods, ()
    why = next((e.what for e in survey.missing if "masscan" in str(e)), "it may not send packets")
    return Method.NMAP_SYN, methods, (f"discovery without masscan ({why}): nmap sweeps instead",)


def _beyond_masscan(survey: Survey) -> AddressSet:
    """What masscan cannot reach: the links of this host, and IPv6.

    masscan 1.3.2 finds neither its own IPv6 address nor the router's hardware address for it.
    """
    return survey.on_link | EVERY_IPV6


def _control_ports(ports: PortSet, count: int, seed: int, usable: PortSet | None) -> PortSet:
    """High ports that the engagement does not name, drawn anew for each run.

    Of those that are ``usable``; where all of them are asked anyway, of those, if they are many.
    """
    usable = ALL_PORTS if usable is None else usable
    high = _HIGH_PORTS & usable
    some = high - ports or usable - ports or (high if len(high) >= _MANY else PortSet())
    pool = list(some)
    return PortSet.of(random.Random(seed).sample(pool, min(count, len(pool))))


def _common(one: PortSet | None, other: PortSet | None) -> PortSet | None:
    return (one if other is None else other) if one is None or other is None else one & other


def _first(ports: PortSet) -> PortSet:
    return PortSet.of(list(ports)[:1])


def batches(plan: RunPlan, expected: Sequence[Endpoint]) -> Iterator[Batch]:
    """Cut the scope into host-complete batches of one protocol, those of TCP first.

    Each knows what is expected to be open in it.
    """
    policy = plan.policy
    tcp = batch_size(len(policy.ports), policy.ceilings, passes=policy.masscan_retries + 1)
    parts = (
        (Protocol.TCP, policy.ports, tcp),
        (Protocol.UDP, policy.udp_ports, udp_tasks.hosts_per_batch(policy)),
    )
    number = 0
    for protocol, ports, size in parts:
        by_address: dict[Address, list[Endpoint]] = {}
        for endpoint in sorted({e for e in expected if e.protocol is protocol}):
            by_address.setdefault(endpoint.address, []).append(endpoint)
        for targets in plan.scope.targets().slices(size) if ports else ():
            number += 1
            yield Batch(
                number=number,
                targets=targets,
                protocol=protocol,
                ports=ports,
                expected=tuple(
                    endpoint
                    for address, endpoints in by_address.items()
                    if address in targets
                    for endpoint in endpoints
                ),
            )
