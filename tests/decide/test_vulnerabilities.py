"""What scanners of others know, held against a run."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decide.compare import Side
from pipeline.decide.risk_rules import Severity
from pipeline.decide.vulnerabilities import (
    Assessed,
    Correlation,
    Gone,
    Reported,
    ScanFile,
    Scanner,
    about_host,
    correlate,
    merged,
)
from pipeline.model import Endpoint, Verdict, VerdictKind
from pipeline.ports import PortSet

SHOP = "192.0.2.10"


def at(port: int, host: str = SHOP) -> Endpoint:
    return Endpoint.parse(f"{host}:{port}")


def said(
    where: Endpoint,
    *cves: str,
    by: Scanner = Scanner.NESSUS,
    ident: str = "1",
    severity: Severity = Severity.HIGH,
    cvss: float | None = None,
    first: float | None = None,
) -> Reported:
    return Reported(
        endpoint=where,
        scanner=by,
        ident=ident,
        title=f"{by} {ident}",
        severity=severity,
        cvss=cvss,
        cves=cves,
        first_seen=first,
    )


def looked(scanner: Scanner, *endpoints: Endpoint, hosts: tuple[str, ...] = (SHOP,)) -> Assessed:
    return Assessed(
        scanner=scanner,
        hosts=frozenset(at(1, host).address for host in hosts),
        endpoints=frozenset(endpoints),
    )


def run(asked: str = "1-1000", refused: str = "", **found: VerdictKind) -> Side:
    verdicts = {
        at(int(name[1:])): Verdict(endpoint=at(int(name[1:])), kind=kind, reason="", confidence=1)
        for name, kind in found.items()
    }
    ports, closed = PortSet.parse(asked), PortSet.parse(refused) if refused else PortSet()
    return Side(
        verdicts=verdicts, asked=lambda e: e.port in ports, refused=lambda e: e.port in closed
    )


FILE = ScanFile(name="a", sha256="", size=1, scanner=Scanner.NESSUS)
OPEN = VerdictKind.CONFIRMED


def held(reported: list[Reported], assessed: list[Assessed], side: Side) -> Correlation:
    return correlate((FILE,), reported, assessed, side)


def test_the_same_cve_of_two_scanners_is_one_line_that_names_both() -> None:
    (line,) = merged(
        [
            said(at(22), "CVE-2023-38408", cvss=9.8, first=20.0),
            said(at(22), "CVE-2023-38408", by=Scanner.OPENVAS, ident="oid", cvss=7.5, first=10.0),
        ]
    )
    assert line.scanners == (Scanner.NESSUS, Scanner.OPENVAS)
    assert (line.cvss, line.first_seen, line.idents) == (9.8, 10.0, ("1", "oid"))


def test_what_has_no_cve_is_told_by_each_scanner_once() -> None:
    lines = merged(
        [said(at(443)), said(at(443)), said(at(443), by=Scanner.OPENVAS), said(at(443), ident="2")]
    )
    assert len(lines) == 3


CVES = st.lists(st.sampled_from([f"CVE-2024-{n}000" for n in range(1, 6)]), max_size=3, unique=True)
REPORTED = st.builds(
    lambda cves, by, ident, severity: said(at(22), *cves, by=by, ident=ident, severity=severity),
    CVES,
    st.sampled_from(Scanner),
    st.sampled_from("123"),
    st.sampled_from(Severity),
)


@settings(max_examples=80)
@given(st.lists(REPORTED, max_size=7), st.randoms(use_true_random=False))
def test_every_cve_stands_in_one_line_whatever_the_order_of_the_files(
    reported: list[Reported], random: object
) -> None:
    lines = merged(reported)
    told = [cve for line in lines for cve in line.cves]
    assert sorted(told) == sorted({cve for one in reported for cve in one.cves})
    shuffled = list(reported)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # a Random, as Hypothesis makes it
    assert merged(shuffled) == lines
    for one in reported:
        for cve in one.cves:
            (line,) = [line for line in lines if cve in line.cves]
            assert one.scanner in line.scanners


def test_two_findings_that_differ_in_their_cves_only_are_told_alike_in_any_order() -> None:
    first = said(at(22), "CVE-2024-1000", "CVE-2024-2000")
    second = said(at(22), "CVE-2024-1000", "CVE-2024-3000")
    assert merged([first, second]) == merged([second, first])


def test_a_finding_is_known_where_something_is_open_and_doubted_where_it_is_not() -> None:
    found = held(
        [said(at(port)) for port in (22, 23, 24, 25, 26, 27, 2000)]
        + [said(about_host(at(1).address))],
        [],
        run(
            refused="26",
            p22=OPEN,
            p23=VerdictKind.REFUTED,
            p24=VerdictKind.FILTERED,
            p25=VerdictKind.ARTEFACT,
        ),
    )
    assert set(found.known) == {at(22)}
    assert {one.endpoint.port: one.gone for one in found.doubted} == {
        23: Gone.CLOSED,
        24: Gone.SILENT,
        25: Gone.ARTEFACT,
        26: Gone.CLOSED,
        27: Gone.SILENT,
    }
    assert found.unasked == 1
    assert [str(address) for address, _ in found.hosts] == [SHOP]


def test_where_the_tool_gave_up_nothing_follows() -> None:
    found = held([said(at(22))], [], run(p22=VerdictKind.UNKNOWN))
    assert (found.doubted, found.unasked) == ((), 1)


def test_a_blind_spot_is_a_confirmed_port_on_a_host_that_was_covered() -> None:
    side = run(p22=OPEN, p80=OPEN, p443=OPEN, p8080=VerdictKind.LIKELY)
    found = held([said(at(22))], [looked(Scanner.NESSUS, at(80))], side)
    assert [(spot.endpoint, spot.looked) for spot in found.blind] == [(at(443), (Scanner.NESSUS,))]
    assert found.unseen == ()


def test_a_host_that_no_scanner_covered_is_told_apart() -> None:
    found = held([], [looked(Scanner.OPENVAS, hosts=("192.0.2.99",))], run(p22=OPEN, p80=OPEN))
    assert found.blind == ()
    assert [(str(address), ports) for address, ports in found.unseen] == [(SHOP, (at(22), at(80)))]


def test_the_silence_of_a_scanner_that_never_says_where_it_looked_means_nothing() -> None:
    found = held([], [looked(Scanner.NUCLEI, at(22))], run(p22=OPEN, p80=OPEN))
    assert (found.blind, found.unseen) == ((), ())
    both = [looked(Scanner.NUCLEI, at(80)), looked(Scanner.NESSUS, at(22))]
    assert held([], both, run(p22=OPEN, p80=OPEN)).blind == ()
