"""Each kind of change, and what makes two runs incomparable."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from pipeline.addresses import AddressSet
from pipeline.decide import reasons
from pipeline.decide.compare import Side, compare, differences
from pipeline.decide.pace import Ceilings
from pipeline.model import Change, ChangeKind, Endpoint, Method, Service, Verdict, VerdictKind
from pipeline.plan import RunPlan
from pipeline.ports import PortSet
from tests.decide.making import GUESSED, PLAN, PROBED, WHERE, endpoints, policy, verdict

(NEIGHBOUR,) = endpoints("192.0.2.7:443")
CONFIRMED = verdict(VerdictKind.CONFIRMED)
LIKELY = verdict(VerdictKind.LIKELY, reason=reasons.ONE_METHOD)
TRANSIENT = verdict(VerdictKind.TRANSIENT, reason=reasons.OPEN_THEN_CLOSED)
ARTEFACT = verdict(VerdictKind.ARTEFACT, reason=reasons.NEVER_ACKNOWLEDGED)
UNRESOLVED = verdict(VerdictKind.UNRESOLVED, reason=reasons.METHODS_DISAGREE, confidence=0)
REFUTED = verdict(VerdictKind.REFUTED, reason=reasons.REFUSED)
FILTERED = verdict(VerdictKind.FILTERED, reason=reasons.NO_ANSWER)
PROHIBITED = verdict(VerdictKind.FILTERED, reason=reasons.ICMP_REFUSED)
GAVE_UP = verdict(VerdictKind.UNKNOWN, reason=reasons.GAVE_UP, confidence=0)
ALIVE = verdict(VerdictKind.CONFIRMED, NEIGHBOUR)


@dataclass(frozen=True, slots=True)
class Case:
    """One endpoint before and after; ``None`` is no verdict."""

    name: str
    before: Verdict | None
    after: Verdict | None
    kind: ChangeKind | None
    asked_before: bool = True
    asked_after: bool = True
    beside: Verdict | None = ALIVE
    """What the new run found on another port of the host."""
    open_earlier: bool = False


CASES = (
    Case("opened", None, CONFIRMED, ChangeKind.OPENED),
    Case("opened, refused before", REFUTED, LIKELY, ChangeKind.OPENED),
    Case("reappeared", REFUTED, CONFIRMED, ChangeKind.REAPPEARED, open_earlier=True),
    Case("closed", CONFIRMED, REFUTED, ChangeKind.CLOSED),
    Case("closed, after it flapped", TRANSIENT, REFUTED, ChangeKind.CLOSED),
    Case("filtered now", CONFIRMED, FILTERED, ChangeKind.NOW_FILTERED),
    Case("filtered now by a firewall", LIKELY, PROHIBITED, ChangeKind.NOW_FILTERED, beside=None),
    Case("swept over without an answer", CONFIRMED, None, ChangeKind.NOW_FILTERED),
    Case("a silent host", CONFIRMED, FILTERED, ChangeKind.UNREACHABLE, beside=None),
    Case("a silent host, swept over", CONFIRMED, None, ChangeKind.UNREACHABLE, beside=None),
    Case("not asked", CONFIRMED, None, ChangeKind.NOT_COVERED, asked_after=False),
    Case(
        "not asked, like all of its host",
        LIKELY,
        None,
        ChangeKind.NOT_COVERED,
        asked_after=False,
        beside=None,
    ),
    Case("given up", CONFIRMED, GAVE_UP, ChangeKind.NOT_COVERED),
    Case("newly asked", None, CONFIRMED, ChangeKind.NEWLY_COVERED, asked_before=False),
    Case("given up before", GAVE_UP, CONFIRMED, ChangeKind.NEWLY_COVERED),
    Case("flapping", CONFIRMED, TRANSIENT, ChangeKind.FLAPPING),
    Case("flapping, refused before", REFUTED, TRANSIENT, ChangeKind.FLAPPING),
    Case("surer now", LIKELY, CONFIRMED, ChangeKind.VERDICT_CHANGED),
    Case("a pretence now", CONFIRMED, ARTEFACT, ChangeKind.VERDICT_CHANGED),
    Case("a pretence gone", ARTEFACT, REFUTED, ChangeKind.VERDICT_CHANGED),
    Case("a pretence unanswered", ARTEFACT, None, ChangeKind.VERDICT_CHANGED),
    Case("a dispute gone", UNRESOLVED, FILTERED, ChangeKind.VERDICT_CHANGED),
    Case("refused, and filtered now", REFUTED, FILTERED, None),
    Case("refused, and not asked now", REFUTED, None, None, asked_after=False),
    Case("never asked, and refused now", None, REFUTED, None, asked_before=False),
)


def change_of(case: Case) -> Change | None:
    found = compare(
        Side(
            verdicts=_verdicts(case.before, ALIVE),
            asked=lambda where: case.asked_before or where != WHERE,
        ),
        Side(
            verdicts=_verdicts(case.after, case.beside),
            asked=lambda where: case.asked_after or where != WHERE,
        ),
        seen_open_earlier=[WHERE] if case.open_earlier else [],
    )
    return next((change for change in found if change.endpoint == WHERE), None)


def _verdicts(*found: Verdict | None) -> dict[Endpoint, Verdict]:
    return {verdict.endpoint: verdict for verdict in found if verdict is not None}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_between_two_runs_it_is(case: Case) -> None:
    change = change_of(case)
    assert (change and change.kind) == case.kind
    if change is not None:
        assert change.reason in reasons.EXPLANATIONS


def test_every_kind_of_change_is_reached() -> None:
    reached = {case.kind for case in CASES} | {ChangeKind.SERVICE_CHANGED}
    assert reached - {None} == set(ChangeKind)


# --- services ----------------------------------------------------------------------------------


def kinds(before: Service | None, after: Service | None) -> list[ChangeKind]:
    found = compare(
        Side(verdicts={WHERE: replace(CONFIRMED, service=before)}, asked=lambda _: True),
        Side(verdicts={WHERE: replace(CONFIRMED, service=after)}, asked=lambda _: True),
    )
    return [change.kind for change in found]


@pytest.mark.parametrize(
    "after",
    [
        replace(PROBED, version="9.6"),
        replace(PROBED, product="Dropbear"),
        replace(PROBED, name="telnet"),
        replace(PROBED, tunnel="ssl"),
    ],
)
def test_another_product_version_or_tunnel_is_another_service(after: Service) -> None:
    assert kinds(PROBED, after) == [ChangeKind.SERVICE_CHANGED]


@pytest.mark.parametrize(
    "after",
    [
        None,
        GUESSED,
        replace(PROBED, confidence=3),
        replace(PROBED, scripts=(("http-title", "now with the time of day"),)),
        replace(PROBED, extra="protocol 2.0"),
    ],
)
def test_what_nmap_guesses_or_words_otherwise_is_no_other_service(after: Service | None) -> None:
    assert kinds(PROBED, after) == []


def test_the_confidence_of_a_change_is_that_of_both_verdicts() -> None:
    change = change_of(Case("closed", CONFIRMED, REFUTED, ChangeKind.CLOSED))
    assert change is not None
    assert change.confidence == pytest.approx(CONFIRMED.confidence * REFUTED.confidence)


# --- comparability -----------------------------------------------------------------------------


def test_runs_of_the_same_plan_are_comparable() -> None:
    assert differences(PLAN, replace(PLAN, seed=8, previous_run=1, notes=())) == ()


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (
            replace(PLAN, included=AddressSet.parse(["192.0.2.0/28", "203.0.113.7"])),
            "the scope differs: 1 addresses more and",
        ),
        (
            replace(PLAN, ports="22,8080", policy=policy(ports=PortSet.parse("22,8080"))),
            "the ports differ: 22,80,443 before, 22,8080 now; 1 more and 2 less than before",
        ),
        (
            replace(PLAN, policy=policy(ports=PortSet.parse("22,80,445"))),
            "the ports differ: 22,80,443 before, 22,80,443 now; 1 more and 1 less than before",
        ),
        (
            replace(PLAN, policy=policy(sweep=Method.NMAP_SYN)),
            "the methods differ: masscan-syn, nmap-syn, nmap-connect, handshake before",
        ),
        (replace(PLAN, policy=policy(vantage="home")), "the vantage differs: office before"),
        (
            replace(PLAN, policy=policy(version_probe=False)),
            "versions were asked for before and not now: nobody knows which services changed",
        ),
        (replace(PLAN, profile="fast"), "the profile differs: balanced before, fast now"),
        (
            replace(PLAN, policy=policy(ceilings=Ceilings(rate=10, rate_per_host=5))),
            "the rate differs: 1000 before, 10 now",
        ),
        (replace(PLAN, tools=(("nmap", "7.95"),)), "the tools differ: nmap 7.93, masscan 1.3.2"),
    ],
)
def test_what_differs_between_two_runs_is_said(after: RunPlan, said: str) -> None:
    (sentence,) = differences(PLAN, after)
    assert sentence.startswith(said)


def test_versions_that_were_asked_for_on_one_side_only_are_said() -> None:
    without = replace(PLAN, policy=policy(version_probe=False))
    assert differences(without, without) == ()
    (sentence,) = differences(without, PLAN)
    assert sentence.startswith("versions are asked for now and were not before")


def test_all_differences_are_said() -> None:
    other = replace(PLAN, profile="fast", tools=(), policy=policy(vantage="home"))
    assert [text.split(":")[0] for text in differences(PLAN, other)] == [
        "the vantage differs",
        "the profile differs",
        "the tools differ",
    ]
