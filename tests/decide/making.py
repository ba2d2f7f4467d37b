"""Evidence, policies and plans as values, for the tests of what decides, plans and files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from pipeline.addresses import AddressSet
from pipeline.decide.pace import Ceilings
from pipeline.decide.verdict import HostFacts, host_facts
from pipeline.model import (
    Aftermath,
    Batch,
    Endpoint,
    Evidence,
    Hole,
    Method,
    Observation,
    PortState,
    Protocol,
    Purpose,
    Service,
    StageName,
    Task,
    TaskRecord,
    TaskState,
    Verdict,
    VerdictKind,
)
from pipeline.plan import Policy, RunPlan
from pipeline.ports import PortSet
from pipeline.scope import Scope, Targets

START: Final = 1_793_671_200.0
"""2026-11-03 02:00:00 UTC."""

SCOPE: Final = Scope(
    included=AddressSet.parse(["192.0.2.0/24", "198.51.100.0/24", "2001:db8::/64"]),
    excluded=AddressSet.parse(["198.51.100.128/25"]),
)
WHERE: Final = Endpoint.parse("192.0.2.7:22")
PROBED: Final = Service(name="ssh", product="OpenSSH", version="9.2", method="probed")
WRAPPED: Final = Service(name="tcpwrapped", method="probed", confidence=8)
GUESSED: Final = Service(name="ssh", method="table", confidence=3)

_USUAL: Final = {
    PortState.OPEN: "syn-ack",
    PortState.CLOSED: "reset",
    PortState.FILTERED: "no-response",
}

POLICY: Final = Policy(
    ports=PortSet.parse("22,80,443"),
    ceilings=Ceilings(rate=1000, rate_per_host=50),
    concurrency=8,
    sweep=Method.MASSCAN_SYN,
    sweep_instead=Method.NMAP_SYN,
    beyond_sweep=AddressSet.parse(["127.0.0.0/8", "::/0"]),
    methods=(Method.NMAP_SYN, Method.NMAP_CONNECT, Method.HANDSHAKE),
    control_ports=PortSet.parse("31001,47003"),
    fragile_ports=PortSet.parse("9100-9107"),
    rescan_delays=(30.0, 300.0),
    masscan_retries=1,
    masscan_wait=3,
    nmap_max_retries=2,
    connect_timeout=3.0,
    listen=1.0,
    speaks=True,
    version_probe=True,
    version_intensity=5,
    scripts=("ssl-cert", "http-title"),
    attempts=3,
    privileged=True,
    vantage="office",
)

PLAN: Final = RunPlan(
    engagement_file="/srv/example/engagement.yml",
    engagement_text="client: Example Ltd\n",
    engagement_sha256="0" * 64,
    client="Example Ltd",
    engagement="weekly-perimeter",
    authorisation=(("reference", "EX-2026-17"), ("signatory", "Head of IT")),
    authorised_from=START - 86_400,
    authorised_until=START + 86_400,
    included=SCOPE.included,
    excluded=SCOPE.excluded,
    names=(("www.example.test", ("192.0.2.7", "2001:db8::7")),),
    ports="22,80,443",
    profile="balanced",
    outputs=("html", "json"),
    policy=POLICY,
    tools=(("nmap", "7.93"), ("masscan", "1.3.2")),
    portproof_version="0.1.0",
    previous_run=None,
    seed=7,
    notes=("a note",),
)


def endpoints(*texts: str) -> tuple[Endpoint, ...]:
    return tuple(Endpoint.parse(text) for text in texts)


def policy(**changes: Any) -> Policy:
    return replace(POLICY, **changes)


def seen(
    method: Method,
    state: PortState = PortState.OPEN,
    *,
    where: Endpoint = WHERE,
    after: float = 0.0,
    reason: str | None = None,
    purpose: Purpose | None = None,
    round_: int | None = None,
    aftermath: Aftermath | None = None,
    banner: str = "",
    service: Service | None = None,
    number: int = 0,
) -> Observation:
    """One observation ``after`` seconds; masscan sweeps and everybody else asks what is named."""
    if purpose is None:
        usual = {Method.MASSCAN_SYN: Purpose.SWEEP, Method.NMAP_VERSION: Purpose.VERSION}
        purpose = usual.get(method, Purpose.NAMED)
    return Observation(
        endpoint=where,
        method=method,
        purpose=purpose,
        state=state,
        reason=_USUAL.get(state, "") if reason is None else reason,
        time=START + after,
        round=(0 if purpose is Purpose.SWEEP else 1) if round_ is None else round_,
        aftermath=aftermath,
        banner=banner,
        service=service,
        number=number,
    )


def shaken(aftermath: Aftermath | None, **more: Any) -> Observation:
    """A completed handshake and what followed it."""
    banner = more.pop("banner", "SSH-2.0-OpenSSH_9.2" if aftermath is Aftermath.DATA else "")
    return seen(Method.HANDSHAKE, aftermath=aftermath, banner=banner, **more)


def controls(state: PortState, *, count: int = 2, **more: Any) -> HostFacts:
    """What control ports say that all answer in the same way."""
    return host_facts(
        seen(
            Method.NMAP_SYN,
            state,
            where=replace(WHERE, port=31000 + place),
            purpose=Purpose.CONTROL,
            **more,
        )
        for place in range(count)
    )


def targets(*texts: str) -> Targets:
    return SCOPE.admit_all(AddressSet.parse(texts))


def batch(*texts: str, ports: str = "22,80,443", expected: Iterable[str] = ()) -> Batch:
    return Batch(
        number=1,
        targets=targets(*(texts or ("192.0.2.0/29",))),
        protocol=Protocol.TCP,
        ports=PortSet.parse(ports),
        expected=endpoints(*expected),
    )


def task(
    method: Method = Method.NMAP_SYN,
    *,
    at: Iterable[str] = ("192.0.2.7",),
    ports: str = "22",
    purpose: Purpose = Purpose.NAMED,
    stage: StageName = StageName.CORROBORATE,
    round_: int = 1,
    batch: int = 1,
    not_before: float = 0.0,
) -> Task:
    return Task(
        batch=batch,
        stage=stage,
        method=method,
        purpose=purpose,
        targets=targets(*at),
        protocol=Protocol.TCP,
        ports=PortSet.parse(ports),
        vantage="office",
        round=round_,
        not_before=not_before,
    )


def sweep(*at: str, ports: str = "22,80,443") -> Task:
    return task(
        Method.MASSCAN_SYN,
        at=at or ("192.0.2.0/29",),
        ports=ports,
        purpose=Purpose.SWEEP,
        stage=StageName.DISCOVER,
        round_=0,
    )


def settled(
    asked: Task, number: int = 1, *, state: TaskState = TaskState.SETTLED, ended: float = 0.0
) -> TaskRecord:
    return TaskRecord(number=number, task=asked, state=state, attempt=1, ended=START + ended)


def evidence(
    of: Batch,
    tasks: Iterable[TaskRecord] = (),
    observations: Iterable[Observation] = (),
    holes: Iterable[tuple[int, Hole]] = (),
) -> Evidence:
    heard: dict[Endpoint, list[Observation]] = {}
    for observation in observations:
        heard.setdefault(observation.endpoint, []).append(observation)
    return Evidence(
        batch=of,
        tasks=tuple(tasks),
        observations={where: tuple(found) for where, found in sorted(heard.items())},
        holes=tuple(holes),
    )


def verdict(
    kind: VerdictKind,
    where: Endpoint = WHERE,
    *,
    reason: str = "service-spoke",
    confidence: float = 0.9,
    service: Service | None = None,
) -> Verdict:
    return Verdict(endpoint=where, kind=kind, reason=reason, confidence=confidence, service=service)
