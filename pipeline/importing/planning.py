"""What an imported run is bound to: what its files say about themselves, and no authorisation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.addresses import AddressSet
from pipeline.decide.pace import Ceilings
from pipeline.importing.arguments import asks_versions
from pipeline.importing.question import Ended
from pipeline.model import Method, Protocol, Purpose
from pipeline.plan import ImportedFile, Policy, RunPlan
from pipeline.ports import PortSet

PROFILE = "imported"


def plan_of(
    ends: Sequence[Ended],
    files: Sequence[ImportedFile],
    *,
    engagement: str,
    client: str,
    version: str,
    previous: int | None,
    decided: bool = False,
) -> RunPlan:
    """The plan of a run that others made. Rates, vantage and waits are not known, and are 0."""
    ports = {
        protocol: PortSet.from_ranges(
            r for e in ends if e.question.protocol is protocol for r in e.ports.ranges
        )
        for protocol in Protocol
    }
    methods = tuple(dict.fromkeys(e.question.method for e in ends)) or (Method.IMPORTED,)
    return RunPlan(
        engagement_file="",
        engagement_text="",
        engagement_sha256="",
        client=client,
        engagement=engagement,
        authorisation=(),
        authorised_from=0.0,
        authorised_until=0.0,
        included=AddressSet.of(r for ended in ends for r in ended.addresses.ranges),
        excluded=AddressSet(),
        names=(),
        ports=_ports(ports),
        profile=PROFILE,
        outputs=("html", "json"),
        policy=_policy(ports, methods, versions=_ask_for_versions(ends, files)),
        tools=tuple(dict.fromkeys((f.tool, f.version) for f in files if f.tool)),
        portproof_version=version,
        previous_run=previous,
        seed=0,
        notes=tuple(_notes(ends, files)),
        imported=tuple(files),
        decided=decided,
    )


def _ask_for_versions(ends: Sequence[Ended], files: Sequence[ImportedFile]) -> bool:
    """What nmap was told, also where no service was found; otherwise what was found."""
    return any(ended.question.purpose is Purpose.VERSION for ended in ends) or any(
        file.tool == "nmap" and asks_versions(file.arguments) for file in files
    )


def _ports(ports: dict[Protocol, PortSet]) -> str:
    tcp, udp = ports[Protocol.TCP], ports[Protocol.UDP]
    parts = [str(tcp)] if tcp else []
    return ",".join([*parts, f"U:{udp}"] if udp else parts) or "only what answered"


def _policy(
    ports: dict[Protocol, PortSet], methods: tuple[Method, ...], *, versions: bool
) -> Policy:
    return Policy(
        ports=ports[Protocol.TCP],
        udp_ports=ports[Protocol.UDP],
        ceilings=Ceilings(rate=0, rate_per_host=0),
        concurrency=0,
        sweep=methods[0],
        sweep_instead=methods[0],
        beyond_sweep=AddressSet(),
        methods=methods[1:],
        control_ports=PortSet(),
        fragile_ports=PortSet(),
        rescan_delays=(),
        masscan_retries=0,
        masscan_wait=0,
        nmap_max_retries=0,
        connect_timeout=0.0,
        listen=0.0,
        speaks=False,
        version_probe=versions,
        version_intensity=0,
        scripts=(),
        attempts=1,
        privileged=False,
    )


def _notes(ends: Sequence[Ended], files: Sequence[ImportedFile]) -> Iterator[str]:
    for place, file in enumerate(files, 1):
        tool = " ".join(part for part in (file.tool, file.version) if part) or "an unknown tool"
        yield f"imported from {file.name} ({file.format} of {tool}, SHA-256 {file.sha256})"
        if file.problem:
            yield f"{file.name}: {file.problem}; what it does not tell is not covered"
        mine = [ended for ended in ends if ended.question.file == place]
        if not any(ended.ports for ended in mine):
            yield (
                f"{file.name} does not tell what was asked: it covers what answered, and nothing "
                "else"
            )
