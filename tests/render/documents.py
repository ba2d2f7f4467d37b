"""Runs as values, for tests of the renderers: small, empty, cut short, crowded, large, hostile."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any, Final

from pipeline.addresses import AddressSet, parse_address
from pipeline.decide import reasons
from pipeline.decide.completeness import sample_bound, two_passes
from pipeline.decide.facts import HostRecord, Neighbourhoods, NetworkRecord, Turn
from pipeline.decide.history import Spell
from pipeline.decide.standing import Check, Mood, Standing, network_of
from pipeline.decide.trends import Occasion, Trends, trends
from pipeline.decide.verdict import HostFacts
from pipeline.model import (
    Aftermath,
    Change,
    ChangeKind,
    Endpoint,
    Hole,
    Method,
    Observation,
    PortState,
    Protocol,
    Purpose,
    RunState,
    Service,
    StageName,
    Task,
    TaskRecord,
    TaskState,
    Verdict,
    VerdictKind,
)
from pipeline.plan import EvidenceKept
from pipeline.ports import PortSet
from pipeline.render.document import (
    Comparison,
    Completeness,
    Conduct,
    Event,
    Finding,
    Gap,
    RunDocument,
)
from pipeline.scope import Scope

START: Final = 1_793_671_200.0
"""2026-11-03 02:00:00 UTC."""
WEEK: Final = 604_800.0

SCOPE: Final = Scope(
    included=AddressSet.parse(["10.80.0.0/16", "2001:db8:80::/64"]),
    excluded=AddressSet.parse(["10.80.9.0/24"]),
)

NGINX: Final = Service(
    name="http",
    product="nginx",
    version="1.25.3",
    tunnel="ssl",
    confidence=10,
    method="probed",
    cpes=("cpe:/a:igor_sysoev:nginx:1.25.3",),
    scripts=(
        (
            "ssl-cert",
            "\nSubject: commonName=www.example.test\n"
            "Subject Alternative Name: DNS:www.example.test, DNS:example.test\n"
            "Issuer: commonName=Example Test CA\n"
            "Public Key type: rsa\nPublic Key bits: 2048\n"
            "Not valid before: 2026-01-10T00:00:00\nNot valid after:  2027-01-10T00:00:00",
        ),
        ("http-title", "Example Ltd, customer portal"),
    ),
)
OPENSSH: Final = Service(
    name="ssh",
    product="OpenSSH",
    version="9.2p1 Debian 2+deb12u3",
    extra="protocol 2.0",
    confidence=10,
    method="probed",
    cpes=("cpe:/a:openbsd:openssh:9.2p1", "cpe:/o:linux:linux_kernel"),
    scripts=(("ssh-hostkey", "\n  256 2c:1e:95:0d:38:aa:6f:10:5e:77:ab:40:c1:05:1c:9e (ED25519)"),),
)
REDIS: Final = Service(
    name="redis", product="Redis key-value store", version="7.0.15", method="probed"
)
GUESSED: Final = Service(name="ms-wbt-server", confidence=3, method="table")


def endpoint(text: str) -> Endpoint:
    return Endpoint.parse(text)


def seen(
    where: Endpoint,
    method: Method,
    state: PortState = PortState.OPEN,
    *,
    after: float = 0.0,
    reason: str = "",
    purpose: Purpose = Purpose.NAMED,
    round_: int = 1,
    ttl: int | None = None,
    aftermath: Aftermath | None = None,
    banner: str = "",
    service: Service | None = None,
    number: int = 0,
) -> Observation:
    """One observation, ``after`` seconds after the start of the run."""
    usual = {
        PortState.OPEN: "syn-ack",
        PortState.CLOSED: "reset",
        PortState.FILTERED: "no-response",
    }
    return Observation(
        endpoint=where,
        method=method,
        purpose=purpose,
        state=state,
        reason=reason or usual[state],
        time=START + after,
        round=round_,
        ttl=ttl,
        aftermath=aftermath,
        banner=banner,
        service=service,
        task=1,
        number=number,
    )


def discovered(where: Endpoint, after: float = 2.0) -> Observation:
    return seen(
        where, Method.MASSCAN_SYN, after=after, purpose=Purpose.SWEEP, round_=0, ttl=63, number=1
    )


def finding(
    where: Endpoint,
    kind: VerdictKind,
    reason: str,
    confidence: float,
    *evidence: Observation,
    service: Service | None = None,
    change: Change | None = None,
    names: tuple[str, ...] = (),
) -> Finding:
    numbered = tuple(replace(each, number=place) for place, each in enumerate(evidence, 1))
    return Finding(
        verdict=Verdict(
            endpoint=where,
            kind=kind,
            reason=reason,
            confidence=confidence,
            observations=tuple(each.number for each in numbered),
            service=service,
        ),
        observations=numbered,
        change=change,
        names=names,
    )


def confirmed(
    text: str,
    service: Service | None,
    banner: str,
    *,
    after: float = 2.0,
    confidence: float = 0.9988,
    change: ChangeKind | None = None,
    names: tuple[str, ...] = (),
) -> Finding:
    where = endpoint(text)
    evidence = [
        discovered(where, after),
        seen(where, Method.NMAP_SYN, after=after + 41, ttl=63),
        seen(where, Method.NMAP_CONNECT, after=after + 44),
        seen(where, Method.HANDSHAKE, after=after + 47.5, aftermath=Aftermath.DATA, banner=banner),
    ]
    if service is not None:
        evidence.append(
            seen(
                where,
                Method.NMAP_VERSION,
                after=after + 95,
                purpose=Purpose.VERSION,
                service=service,
            )
        )
    found = finding(
        where,
        VerdictKind.CONFIRMED,
        reasons.SERVICE_SPOKE,
        confidence,
        *evidence,
        service=service,
        names=names,
    )
    if change is None:
        return found
    before = replace(found.verdict, service=REDIS) if change is ChangeKind.SERVICE_CHANGED else None
    return replace(found, change=changed(change, before, found.verdict))


def changed(
    kind: ChangeKind, before: Verdict | None, after: Verdict | None, reason: str = "service-spoke"
) -> Change:
    side = after or before
    assert side is not None
    return Change(
        endpoint=side.endpoint,
        kind=kind,
        reason=reason,
        confidence=0.95,
        before=before,
        after=after,
    )


def artefact(text: str, after: float = 5.0) -> Finding:
    where = endpoint(text)
    return finding(
        where,
        VerdictKind.ARTEFACT,
        reasons.CONTROL_PORTS_ANSWER,
        0.97,
        discovered(where, after),
        seen(where, Method.NMAP_SYN, after=after + 40, ttl=64),
        seen(
            where,
            Method.HANDSHAKE,
            after=after + 47,
            ttl=64,
            aftermath=Aftermath.UNACKNOWLEDGED,
        ),
    )


def likely(text: str, service: Service | None = None) -> Finding:
    where = endpoint(text)
    return finding(
        where,
        VerdictKind.LIKELY,
        reasons.ONE_METHOD,
        0.6,
        discovered(where, 9),
        seen(where, Method.NMAP_SYN, PortState.FILTERED, after=62),
        seen(where, Method.NMAP_CONNECT, PortState.FILTERED, after=68),
        service=service,
    )


def transient(text: str) -> Finding:
    where = endpoint(text)
    return finding(
        where,
        VerdictKind.TRANSIENT,
        reasons.OPEN_THEN_CLOSED,
        0.9,
        discovered(where, 11),
        seen(where, Method.NMAP_SYN, PortState.CLOSED, after=58, ttl=63),
        seen(where, Method.NMAP_SYN, after=389, round_=2, ttl=63),
        seen(where, Method.NMAP_SYN, PortState.CLOSED, after=2_189, round_=3, ttl=63),
    )


def unresolved(text: str) -> Finding:
    where = endpoint(text)
    return finding(
        where,
        VerdictKind.UNRESOLVED,
        reasons.METHODS_DISAGREE,
        0.5,
        discovered(where, 12),
        seen(where, Method.NMAP_SYN, PortState.CLOSED, after=60),
        seen(where, Method.NMAP_CONNECT, after=64),
        seen(where, Method.HANDSHAKE, PortState.FILTERED, after=70),
        seen(where, Method.NMAP_SYN, PortState.CLOSED, after=2_190, round_=3),
        seen(where, Method.NMAP_CONNECT, after=2_194, round_=3),
    )


def refuted(text: str) -> Finding:
    where = endpoint(text)
    return finding(
        where,
        VerdictKind.REFUTED,
        reasons.CLOSED_WHEN_ASKED_AGAIN,
        0.98,
        discovered(where, 13),
        seen(where, Method.NMAP_SYN, PortState.CLOSED, after=61, ttl=63),
        seen(where, Method.NMAP_CONNECT, PortState.CLOSED, after=65, reason="conn-refused"),
    )


def filtered(text: str, before: Service | None = OPENSSH) -> Finding:
    where = endpoint(text)
    found = finding(
        where,
        VerdictKind.FILTERED,
        reasons.NO_ANSWER,
        0.86,
        seen(where, Method.NMAP_SYN, PortState.FILTERED, after=63),
        seen(where, Method.NMAP_CONNECT, PortState.FILTERED, after=72),
    )
    was = replace(
        found.verdict, kind=VerdictKind.CONFIRMED, reason=reasons.SERVICE_SPOKE, service=before
    )
    return replace(
        found, change=changed(ChangeKind.NOW_FILTERED, was, found.verdict, reasons.NO_ANSWER)
    )


def unknown(text: str) -> Finding:
    return finding(endpoint(text), VerdictKind.UNKNOWN, reasons.GAVE_UP, 0.0)


def record(
    number: int,
    stage: StageName,
    method: Method,
    purpose: Purpose,
    targets: str,
    ports: str,
    *,
    state: TaskState = TaskState.SETTLED,
    attempt: int = 1,
    round_: int = 1,
    rate: float | None = 2_000.0,
    outcome: str = "complete",
) -> TaskRecord:
    started = None if state is TaskState.PLANNED else START + 10.0 * number
    ended = started + 9.25 if started and state is TaskState.SETTLED else None
    return TaskRecord(
        number=number,
        task=Task(
            batch=1,
            stage=stage,
            method=method,
            purpose=purpose,
            targets=SCOPE.admit_all(AddressSet.parse(targets.split(","))),
            protocol=Protocol.TCP,
            ports=PortSet.parse(ports),
            vantage="office",
            round=round_,
        ),
        state=state,
        attempt=attempt,
        started=started,
        ended=ended,
        outcome=outcome,
        argv=("nmap", "-n", "-Pn", "-p", ports) if started else (),
        rate=rate,
        evidence=f"tasks/{number:06d}/out.xml" if ended else "",
        evidence_sha256="ab" * 32 if ended else "",
    )


def tasks() -> tuple[TaskRecord, ...]:
    return (
        record(
            1,
            StageName.DISCOVER,
            Method.MASSCAN_SYN,
            Purpose.SWEEP,
            "10.80.0.0/22",
            "1-1000",
            round_=0,
            rate=8_000.0,
        ),
        record(2, StageName.CORROBORATE, Method.NMAP_SYN, Purpose.NAMED, "10.80.1.7", "22,443"),
        record(3, StageName.CORROBORATE, Method.NMAP_SYN, Purpose.CONTROL, "10.80.1.7", "51,9911"),
        record(4, StageName.CORROBORATE, Method.NMAP_CONNECT, Purpose.NAMED, "10.80.1.7", "22,443"),
        record(5, StageName.CORROBORATE, Method.HANDSHAKE, Purpose.NAMED, "10.80.1.7", "22,443"),
        record(
            6,
            StageName.RESCAN,
            Method.NMAP_SYN,
            Purpose.NAMED,
            "10.80.2.14",
            "8080",
            round_=2,
            state=TaskState.FAILED,
            attempt=3,
            outcome="nmap was ended by signal 9",
        ),
        record(7, StageName.PROBE, Method.NMAP_VERSION, Purpose.VERSION, "10.80.1.7", "22,443"),
    )


CONDUCT: Final = Conduct(
    authorised_from=START - 2 * 86_400,
    authorised_until=START + 360 * 86_400,
    openings=((START, START + 4 * 3_600),),
    rate=10_000,
    rate_per_host=50,
    methods=(Method.MASSCAN_SYN, Method.NMAP_SYN, Method.NMAP_CONNECT, Method.HANDSHAKE),
    control_ports=PortSet.of((51, 9_911)),
    fragile_ports=PortSet.of((102, 502)),
    speaks=True,
    scripts=("ssl-cert", "http-title"),
    evidence=EvidenceKept.REDACTED,
    raw_expires=False,
    redactions=0,
    engagement_sha256="cd" * 32,
)

EMPTY: Final = RunDocument(
    run="20261103-020000-7f3a",
    client="Example Ltd",
    engagement="weekly-perimeter",
    state=RunState.COMPLETE,
    started=START,
    ended=START + 2_710.4,
    portproof_version="0.1.0",
    authorisation=(
        ("reference", "EX-2026-17"),
        ("signatory", "Head of IT"),
        ("valid_from", "2026-11-01"),
        ("valid_until", "2027-10-31"),
    ),
    scope_included=("10.80.0.0/22", "2001:db8:80::7"),
    scope_excluded=("10.80.9.0/24",),
    addresses=1_025,
    ports="top:1000",
    port_count=1_000,
    vantage="office",
    profile="balanced",
    limits=(
        ("packets per second", "10000"),
        ("packets per second and host", "50"),
        ("commands at once", "8"),
    ),
    rescan_delays=(30.0, 300.0, 1_800.0),
    tools=(("masscan", "1.3.2"), ("nmap", "7.93")),
    findings=(),
    gaps=(),
    holes=(),
    tasks=tasks()[:1],
    events=(),
    conduct=CONDUCT,
)
"""Everything was asked, and nothing was open."""


def host(text: str, **known: Any) -> HostRecord:
    """A host of which a hundred ports were asked; one is open and 90 refused unless told."""
    usual: dict[str, Any] = {
        "address": parse_address(text),
        "protocol": Protocol.TCP,
        "asked": 100,
        "opened": PortSet.of((443,)),
        "refused": 90,
        "silent": 9,
        "controls": HostFacts(asked=2, refused=2),
        "standing": Standing(),
    }
    return HostRecord(**(usual | known))


def standing(*checks: tuple[float, Mood], pretends: bool = False) -> Standing:
    """(seconds after the start, mood) for each round of canaries."""
    return Standing(
        checks=tuple(
            Check(round=number, time=START + after, mood=mood)
            for number, (after, mood) in enumerate(checks)
        ),
        answered_before=True,
        pretends=pretends,
    )


def neighbourhoods() -> Neighbourhoods:
    """A sound host, one that dropped us and stood alone, a tarpit, and one with nothing open."""
    dropped = standing((0, Mood.SOUND), (40, Mood.SILENT), (100, Mood.SOUND))
    hosts = (
        host("10.80.1.7", answer_ttls=(63,), refusal_ttls=(63,)),
        host("10.80.2.14", standing=dropped),
        host("10.80.2.99", opened=PortSet(), refused=91),
        host(
            "10.80.3.40",
            opened=PortSet.parse("100-129"),
            asked=40,
            refused=0,
            silent=10,
            controls=HostFacts(asked=2, open_=2),
            banner="220 ready\x1b[2J",
            answered_within=0.6,
        ),
    )
    turned = Turn(
        mood=Mood.SILENT,
        hosts=(hosts[1].address,),
        after=START,
        noticed=START + 40,
        until=START + 100,
        ports=PortSet.parse("1-1000"),
        rate=8_000.0,
        rate_here=2_000.0,
    )
    networks = tuple(
        NetworkRecord(
            network=network_of(some[0].address),
            protocol=Protocol.TCP,
            hosts=tuple(record.address for record in some),
            asked=sum(record.asked for record in some),
            opened=sum(len(record.opened) for record in some),
            refused=sum(record.refused for record in some),
            silent=sum(record.silent for record in some),
            turns=turns,
            gentle=3 if turns else 0,
            pace=8.0 if turns else 0.0,
        )
        for some, turns in ((hosts[:1], ()), (hosts[1:3], (turned,)), (hosts[3:], ()))
    )
    return Neighbourhoods(hosts=hosts, networks=networks)


def small() -> RunDocument:
    """A run with every verdict, changes, gaps, holes and events."""
    findings = (
        confirmed("10.80.1.7:22", OPENSSH, "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
        confirmed(
            "10.80.1.7:443",
            NGINX,
            "HTTP/1.1 400 Bad Request\r\nServer: nginx/1.25.3\r\n",
            change=ChangeKind.OPENED,
            names=("www.example.test",),
        ),
        likely("10.80.1.9:3389", GUESSED),
        transient("10.80.2.14:8080"),
        unresolved("10.80.2.20:5432"),
        refuted("10.80.2.33:81"),
        filtered("10.80.3.2:22"),
        unknown("10.80.3.9:161"),
        *(artefact(f"10.80.3.40:{port}") for port in range(100, 130)),
        artefact("10.80.3.41:80"),
        confirmed("[2001:db8:80::7]:6379", NGINX, "-ERR\r\n", change=ChangeKind.SERVICE_CHANGED),
    )
    gone = Verdict(
        endpoint=endpoint("10.80.1.8:21"),
        kind=VerdictKind.CONFIRMED,
        reason=reasons.SERVICE_SPOKE,
        confidence=0.99,
        service=Service(name="ftp", product="vsftpd", version="3.0.3"),
    )
    closed = replace(gone, kind=VerdictKind.REFUTED, reason=reasons.REFUSED, service=None)
    changes = (
        changed(ChangeKind.CLOSED, gone, closed, reasons.REFUSED),
        changed(
            ChangeKind.NOT_COVERED,
            replace(gone, endpoint=endpoint("10.80.3.70:25")),
            None,
            reasons.NOT_ASKED,
        ),
        *(found.change for found in findings if found.change is not None),
    )
    since = {"10.80.1.7:22/tcp": START - 3 * WEEK, "10.80.1.7:443/tcp": START}
    return replace(
        EMPTY,
        findings=tuple(
            replace(found, first_seen=since.get(str(found.verdict.endpoint))) for found in findings
        ),
        trends=developed(),
        gaps=(
            Gap(
                what="10.80.3.64-10.80.3.127, all ports",
                why="it was stopped at the close of the window, and no window is long enough "
                "for it",
                endpoints=64_000,
            ),
            Gap(what="10.80.2.14, port 8080", why="nmap was ended by signal 9", endpoints=1),
        ),
        holes=(
            (2, Hole(address=IPv4Address("10.80.1.7"), ports=None, reason="host timed out")),
            (2, Hole(address=IPv4Address("10.80.1.8"), ports=None, reason="host timed out")),
            (
                4,
                Hole(
                    address=IPv4Address("10.80.3.9"),
                    ports=PortSet.of([161]),
                    reason="nmap gave up on the port",
                ),
            ),
        ),
        tasks=tasks(),
        events=(
            Event(
                time=START + 612,
                kind="throttle",
                text="canaries fell silent or turned: 50% of the rate from now on",
            ),
            Event(
                time=START + 900, kind="throttle", text="all is well: 100% of the rate from now on"
            ),
            Event(
                time=START + 2_700, kind="failed", text="task 6 failed: nmap was ended by signal 9"
            ),
        ),
        comparison=Comparison(
            against="20261027-020000-11c9",
            against_started=START - 604_800,
            differences=("the tools differ: masscan 1.3.1 before, masscan 1.3.2 now",),
            changes=changes,
        ),
        packets=1_238_114,
        neighbourhoods=neighbourhoods(),
        completeness=Completeness(
            sample=sample_bound(300, 0, 900_000), passes=two_passes(200, 180, 150)
        ),
    )


def developed() -> Trends:
    """Four weeks, in which ports opened, went, and were not looked at."""
    kinds = (VerdictKind.CONFIRMED, None, VerdictKind.LIKELY, VerdictKind.REFUTED)
    histories = [
        (Spell(first=1, last=4, kind=kinds[0], missed=(3,)),),
        (Spell(first=1, last=1, kind=None), Spell(first=2, last=4, kind=kinds[0])),
        (Spell(first=1, last=2, kind=kinds[2]), Spell(first=3, last=4, kind=kinds[3])),
        (
            Spell(first=2, last=2, kind=None),
            *(Spell(first=n, last=n, kind=kinds[n - 3]) for n in (3, 4)),
        ),
    ]
    weeks = [
        Occasion(number=n, id=f"2026-week-{n}", started=START - (4 - n) * WEEK) for n in range(1, 5)
    ]
    return trends(histories, weeks)


def cut_short() -> RunDocument:
    """A run that was stopped in the middle of the first batch."""
    some = small()
    unfinished = tuple(
        replace(each, state=TaskState.PLANNED, started=None, ended=None, attempt=0)
        for each in some.tasks[3:]
    )
    return replace(
        some,
        state=RunState.INCOMPLETE,
        ended=None,
        findings=tuple(replace(found, change=None) for found in some.findings[:2]),
        tasks=some.tasks[:3] + unfinished,
        gaps=(Gap(what="10.80.0.0-10.80.3.255", why="the run was stopped", endpoints=900_000),),
        comparison=None,
        completeness=None,
        trends=None,
    )


def tarpit(ports: int = 20_000) -> RunDocument:
    """One host that answers on every third port, and one real service."""
    answering = tuple(artefact(f"10.80.3.40:{3 * port + 1}") for port in range(ports))
    real = confirmed("10.80.1.7:22", OPENSSH, "SSH-2.0-OpenSSH_9.2p1\r\n")
    return replace(EMPTY, ports="all", port_count=65_535, findings=(real, *answering))


def large(endpoints: int = 100_000, *, heard: bool = True) -> RunDocument:
    """As many endpoints as a /16 may have, with everything in them that compresses badly.

    Unless ``heard``, without the observations, which take longest to make.
    """
    services = tuple(
        Service(name="http", product=f"product {n}", version=f"{n % 9}.{n % 31}.{n % 7}")
        for n in range(3_000)
    )
    kinds = tuple(VerdictKind)
    codes = tuple(reasons.EXPLANATIONS)
    findings = []
    for n in range(endpoints):
        where = Endpoint(
            IPv4Address(0x0A500000 + n // 5), Protocol.TCP, (22, 80, 443, 3389, 8080)[n % 5]
        )
        findings.append(
            Finding(
                verdict=Verdict(
                    endpoint=where,
                    kind=kinds[n * 7919 % len(kinds)],
                    reason=codes[n * 31 % len(codes)],
                    confidence=n * 37 % 101 / 100,
                    service=services[n * 104729 % len(services)] if n % 3 else None,
                ),
                observations=(
                    discovered(where, n / 50),
                    seen(where, Method.NMAP_SYN, after=60 + n / 40),
                    seen(where, Method.HANDSHAKE, after=90 + n / 40, aftermath=Aftermath.DATA),
                )
                if heard
                else (),
            )
        )
    return replace(EMPTY, addresses=65_536, findings=tuple(findings))


NOISE: Final = "".join(chr(1 + n * 7 % 0x2FF) for n in range(65_536))
HOSTILE: Final = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}{% raw %}",
    '=HYPERLINK("http://evil.test","x")',
    "\x1b[2J\x1b]0;owned\x07",
    "\u202egnp.exe\u2066",
    "nul\x00byte",
    "\ud800 lone \udfff",
    "</script></noscript></template><!--<script>",
    "]]>&amp;' onmouseover='alert(1)",
    "e" + "\u0301" * 4_000,
    NOISE,
)


def hostile() -> RunDocument:
    """Every text that comes from a network or a file is an attack."""
    findings = []
    for place, text in enumerate(HOSTILE):
        service = Service(
            name=text,
            product=text,
            version=text,
            extra=text,
            tunnel=text,
            hostname=text,
            cpes=(text,),
            scripts=((text, text), ("http-title", f"line\n{text}\n")),
            banner=text,
            method="probed",
        )
        found = confirmed(f"10.80.1.{place + 1}:80", service, text, names=(text,))
        findings.append(
            replace(found, change=changed(ChangeKind.OPENED, found.verdict, found.verdict, text))
        )
    first = HOSTILE[0]
    return replace(
        EMPTY,
        client=first,
        engagement=HOSTILE[1],
        vantage=HOSTILE[5],
        authorisation=tuple((text, text) for text in HOSTILE[:8]),
        limits=((first, first),),
        tools=((first, first),),
        findings=tuple(findings),
        gaps=tuple(Gap(what=text, why=text, endpoints=1) for text in HOSTILE),
        holes=tuple(
            (1, Hole(address=parse_address("10.80.1.1"), ports=None, reason=text))
            for text in HOSTILE
        ),
        events=tuple(Event(time=START, kind=text, text=text) for text in HOSTILE),
        comparison=Comparison(
            against=first,
            against_started=START - 1,
            differences=HOSTILE,
            changes=tuple(found.change for found in findings if found.change),
        ),
    )
