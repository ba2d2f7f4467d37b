"""How a run deviates from what is expected, and which changes count."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.addresses import AddressSet
from pipeline.decide import reasons
from pipeline.decide.baseline import ACT_ON, Expected, ExpectedPorts, acted_on
from pipeline.decide.compare import Side
from pipeline.decide.deviations import EXPECTED, deviations
from pipeline.model import Change, ChangeKind, Endpoint, Protocol, Verdict, VerdictKind
from pipeline.ports import PortSet

SCOPE = AddressSet.parse(["192.0.2.0/24"])


def expected(*entries: tuple[str, str], protocol: Protocol = Protocol.TCP) -> ExpectedPorts:
    return ExpectedPorts(
        file="expected.yml",
        sha256="ab" * 32,
        entries=tuple(
            Expected(
                addresses=AddressSet.parse([addresses]),
                protocol=protocol,
                ports=PortSet.parse(ports),
            )
            for addresses, ports in entries
        ),
    )


def verdict(text: str, kind: VerdictKind, reason: str = "some-reason") -> Verdict:
    return Verdict(endpoint=Endpoint.parse(text), kind=kind, reason=reason, confidence=0.9)


def side(*verdicts: Verdict, asked: Callable[[Endpoint], bool] = lambda _: True) -> Side:
    return Side(verdicts={v.endpoint: v for v in verdicts}, asked=asked)


def told(found: tuple[Change, ...]) -> list[tuple[str, str]]:
    return [(str(change.endpoint).removesuffix("/tcp"), change.kind.value) for change in found]


def test_what_is_open_and_expected_is_no_deviation() -> None:
    run = side(
        verdict("192.0.2.7:22", VerdictKind.CONFIRMED), verdict("192.0.2.7:80", VerdictKind.LIKELY)
    )
    assert deviations(expected(("192.0.2.7", "22,80")), run, within=SCOPE) == ()


def test_what_is_open_and_not_expected_is_opened() -> None:
    run = side(verdict("192.0.2.7:8080", VerdictKind.CONFIRMED))
    (found,) = deviations(
        expected(("192.0.2.9", "22")), run, within=AddressSet.parse(["192.0.2.7"])
    )
    assert (found.kind, found.before, found.reason) == (ChangeKind.OPENED, None, "some-reason")


@pytest.mark.parametrize(
    ("now", "kind"),
    [
        (VerdictKind.REFUTED, ChangeKind.CLOSED),
        (VerdictKind.FILTERED, ChangeKind.NOW_FILTERED),
        (VerdictKind.TRANSIENT, ChangeKind.FLAPPING),
        (VerdictKind.UNRESOLVED, ChangeKind.VERDICT_CHANGED),
        (VerdictKind.ARTEFACT, ChangeKind.VERDICT_CHANGED),
        (VerdictKind.UNKNOWN, ChangeKind.NOT_COVERED),
    ],
)
def test_what_is_expected_and_not_open_is_told_by_what_came_back(
    now: VerdictKind, kind: ChangeKind
) -> None:
    other = verdict("192.0.2.7:443", VerdictKind.CONFIRMED)  # the host is there
    run = side(verdict("192.0.2.7:22", now), other)
    (found,) = deviations(expected(("192.0.2.7", "22,443")), run, within=SCOPE)
    assert found.kind is kind
    assert found.before is not None
    assert found.before.reason == EXPECTED


def test_what_is_expected_is_missing_only_where_somebody_asked() -> None:
    def asked(endpoint: Endpoint) -> bool:
        return endpoint.port == 22

    (a, b) = deviations(
        expected(("192.0.2.7", "22,23")), side(asked=asked), within=AddressSet.parse(["192.0.2.7"])
    )
    assert (a.kind, a.reason) == (ChangeKind.UNREACHABLE, reasons.NO_ANSWER)
    assert (b.kind, b.reason) == (ChangeKind.NOT_COVERED, reasons.NOT_ASKED)


def test_a_network_allows_ports_and_misses_none() -> None:
    run = side(
        verdict("192.0.2.7:22", VerdictKind.CONFIRMED),
        verdict("192.0.2.8:22", VerdictKind.REFUTED),
        verdict("192.0.2.9:23", VerdictKind.CONFIRMED),
        verdict("192.0.2.10:22", VerdictKind.TRANSIENT),
    )
    found = deviations(expected(("192.0.2.0/24", "22,443")), run, within=SCOPE)
    assert told(found) == [("192.0.2.9:23", "opened"), ("192.0.2.10:22", "flapping")]


def test_what_lies_outside_the_scope_is_not_missed() -> None:
    assert deviations(expected(("198.51.100.7", "22")), side(), within=SCOPE) == ()


def test_a_port_of_the_other_protocol_is_another_port() -> None:
    run = side(verdict("192.0.2.7:53", VerdictKind.CONFIRMED))
    entries = expected(("192.0.2.7", "53"), protocol=Protocol.UDP)
    found = deviations(entries, run, within=SCOPE)
    assert told(found) == [("192.0.2.7:53", "opened"), ("192.0.2.7:53/udp", "now-filtered")]


kinds = st.sampled_from(list(VerdictKind))


@given(
    st.dictionaries(st.tuples(st.integers(1, 4), st.integers(20, 24)), kinds),
    st.lists(st.tuples(st.integers(1, 4), st.integers(20, 24)), min_size=1, max_size=6),
    st.sets(st.integers(20, 24)),
)
@settings(max_examples=100, deadline=None)
def test_nothing_that_was_not_asked_is_ever_missing_and_nothing_expected_is_ever_opened(
    found: dict[tuple[int, int], VerdictKind],
    wanted: list[tuple[int, int]],
    asked: set[int],
) -> None:
    verdicts = [verdict(f"192.0.2.{host}:{port}", kind) for (host, port), kind in found.items()]
    run = side(*verdicts, asked=lambda endpoint: endpoint.port in asked)
    entries = expected(*((f"192.0.2.{host}", str(port)) for host, port in wanted))
    required = set(entries.required(SCOPE))
    missing = (ChangeKind.CLOSED, ChangeKind.NOW_FILTERED, ChangeKind.UNREACHABLE)
    for change in deviations(entries, run, within=SCOPE):
        if change.kind in missing:
            assert change.endpoint in required
            assert run.covers(change.endpoint)
        if change.kind is ChangeKind.OPENED:
            assert change.endpoint not in required


def test_only_changes_that_somebody_wants_to_act_on_count() -> None:
    found = deviations(
        expected(("192.0.2.7", "22")),
        side(verdict("192.0.2.7:22", VerdictKind.REFUTED)),
        within=SCOPE,
    )
    assert acted_on(found, ACT_ON)
    assert acted_on(found, [ChangeKind.CLOSED])
    assert not acted_on(found, [ChangeKind.OPENED, ChangeKind.REAPPEARED])
    assert not acted_on((), ACT_ON)


def test_where_nothing_is_said_all_changes_count_but_the_mere_coverage() -> None:
    assert {*ChangeKind} - {*ACT_ON} == {ChangeKind.NEWLY_COVERED}
