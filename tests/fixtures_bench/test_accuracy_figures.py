"""From the truth and what was said to recall, precision and the rest of the figures."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fixtures.benchmark.contest import shared
from fixtures.benchmark.figures import Figures, by_class, of_endpoint, share, total
from fixtures.benchmark.judged import Claim, Judged, judge, of_others, of_run
from fixtures.lab import Parameters, make
from fixtures.lab.plan import truth as truth_of


def entry(address: str, port: int, class_name: str = "serving", **other: Any) -> dict[str, Any]:
    told = {
        "address": address,
        "protocol": "tcp",
        "port": port,
        "class": class_name,
        "state": "open",
        "verdicts": ["confirmed"],
        "knowable": True,
        "steady": True,
        "pattern": {},
    }
    return told | other


def host(address: str, class_name: str, default: str = "closed") -> dict[str, Any]:
    verdicts = ["absent", "artefact"] if default == "pretends" else ["absent", "refuted"]
    return {"address": address, "class": class_name, "default": default, "verdicts": verdicts}


PRETENDED: dict[str, Any] = {"state": "closed", "verdicts": ["artefact", "absent"]}
FLAPPING: dict[str, Any] = {
    "steady": False,
    "verdicts": ["transient"],
    "pattern": {"period": 30.0, "duty": 0.5},
}
TRUTH: dict[str, Any] = {
    "include": ["10.0.0.0/29", "10.0.1.0/29"],
    "ports": "9,22,80,443-444",
    "hosts": [
        host("10.0.0.1", "serving"),
        host("10.0.0.2", "proxied", "filtered"),
        host("10.0.1.1", "flapping"),
        host("10.0.9.9", "unlisted"),
    ],
    "endpoints": [
        entry("10.0.0.1", 22),
        entry("10.0.0.1", 80),
        entry("10.0.0.2", 80, "proxied", **PRETENDED),
        entry("10.0.0.2", 443, "proxied"),
        entry("10.0.0.2", 444, "proxied", knowable=False, verdicts=["confirmed", "filtered"]),
        entry("10.0.1.1", 80, "flapping", **FLAPPING),
        entry("10.0.9.9", 80, "unlisted", verdicts=["absent"]),
    ],
}


def said(**verdicts: str) -> dict[tuple[str, int], Claim]:
    """Claims by the last two bytes and the port: ``a0_1_80``."""
    found = {}
    for name, verdict in verdicts.items():
        third, fourth, port = name[1:].split("_")
        found[f"10.0.{third}.{fourth}", int(port)] = Claim(verdict=verdict, confidence=0.5)
    return found


def figures(**verdicts: str) -> dict[str, Figures]:
    judged = judge(TRUTH, said(**verdicts), contestant="one", loss_percent=0.0)
    return by_class(TRUTH, judged, {})


def test_recall_counts_what_is_open_steady_and_knowable_and_only_what_is_confirmed() -> None:
    found = figures(a0_1_22="confirmed", a0_1_80="likely", a0_2_444="confirmed")
    assert (found["serving"].found, found["serving"].open) == (1, 2)
    assert (found["proxied"].found, found["proxied"].open) == (0, 1)
    assert found["flapping"].recall is None


def test_what_nobody_could_know_is_no_error_when_it_is_found() -> None:
    assert figures(a0_2_444="confirmed")["proxied"].precision == 1.0


def test_an_artefact_that_is_confirmed_is_wrong_and_taken_in() -> None:
    found = figures(a0_2_80="confirmed", a0_2_443="confirmed")["proxied"]
    assert found.precision == 0.5
    assert (found.taken_in, found.artefacts, found.wrong, found.asserted) == (1, 1, 1, 1)


def test_an_artefact_that_is_called_one_is_no_error() -> None:
    found = figures(a0_2_80="artefact")["proxied"]
    assert (found.taken_in, found.artefacts, found.proven, found.asserted) == (0, 1, 0, 0)


def test_a_host_that_pretends_does_so_on_every_port_that_is_asked_about() -> None:
    tarpit = {**TRUTH, "hosts": [host("10.0.0.2", "tarpit", "pretends")], "endpoints": []}
    judged = list(judge(tarpit, said(a0_2_80="open"), contestant="one", loss_percent=0))
    assert [(one.port, one.verdict) for one in judged] == [
        (9, "absent"), (22, "absent"), (80, "open"), (443, "absent"), (444, "absent"),
    ]  # fmt: skip
    found = by_class(tarpit, judged, {})["tarpit"]
    assert (found.taken_in, found.artefacts, found.wrong, found.spoken_of) == (1, 5, 1, 1)


def test_what_changes_is_an_error_when_confirmed_but_not_of_the_lenient_precision() -> None:
    found = total(figures(a1_1_80="confirmed", a0_1_22="confirmed").values())
    assert (found.precision, found.lenient_precision) == (0.5, 1.0)
    assert (found.wrong, found.changing, found.transient, found.unsteady) == (0, 1, 0, 1)


def test_what_changes_is_right_when_called_transient() -> None:
    found = figures(a1_1_80="transient")["flapping"]
    assert (found.transient, found.unsteady, found.precision) == (1, 1, None)


def test_likely_is_no_proof_but_is_held_against_what_is_shut() -> None:
    found = figures(a0_1_9="likely", a0_2_80="likely")
    assert [found[name].asserted for name in ("serving", "proxied")] == [1, 1]
    assert [found[name].wrong for name in ("serving", "proxied")] == [0, 0]


def test_likely_is_held_against_nobody_where_no_more_can_be_known() -> None:
    doubtful = {**TRUTH["endpoints"][2], "verdicts": ["artefact", "likely"]}
    truth = {**TRUTH, "endpoints": [doubtful]}
    (one,) = judge(truth, said(a0_2_80="likely"), contestant="one", loss_percent=0)
    assert of_endpoint(one).asserted == 0
    assert of_endpoint(replace(one, verdict="confirmed")).asserted == 1


def test_whoever_speaks_of_what_is_not_in_the_scope_is_wrong_whatever_is_there() -> None:
    assert figures(a9_9_80="confirmed")["unlisted"].wrong == 1
    assert figures()["unlisted"] == Figures()


def test_what_the_truth_does_not_list_has_the_state_of_its_host() -> None:
    spoken = said(a0_2_9="open", a0_7_9="open")
    rows = {
        (one.address, one.port): (one.class_name, one.state)
        for one in judge(TRUTH, spoken, contestant="one", loss_percent=0.0)
    }
    assert rows["10.0.0.2", 9] == ("proxied", "filtered")
    assert rows["10.0.0.7", 9] == ("nobody", "nobody")
    assert figures(a0_7_9="open")["nobody"].wrong == 1


def test_unresolved_is_a_share_of_what_is_open_or_was_spoken_of() -> None:
    found = figures(a0_1_22="unresolved", a0_1_9="unresolved")["serving"]
    assert (found.unresolved, found.spoken_of) == (2, 3)


def test_packets_belong_to_the_class_of_their_host_or_of_its_network() -> None:
    sent = {"10.0.0.1": 5, "10.0.0.2": 7, "10.0.1.1": 11, "10.0.1.6": 13, "10.0.9.1": 17}
    found = by_class(TRUTH, (), sent)
    assert {name: one.packets for name, one in found.items()} == {
        "serving": 5, "proxied": 7, "flapping": 24, "unlisted": 0, "nobody": 17,
    }  # fmt: skip


def test_a_document_of_a_run_is_read_with_reason_and_confidence_and_without_udp() -> None:
    one = {"address": "10.0.0.1", "protocol": "tcp", "port": 80, "verdict": "likely"}
    one |= {"reason": "one-method", "confidence": 0.6}
    document = {"endpoints": [one, {**one, "protocol": "udp", "port": 53}]}
    assert of_run(document) == {
        ("10.0.0.1", 80): Claim(verdict="likely", reason="one-method", confidence=0.6)
    }
    assert of_others({("10.0.0.1", 80): "http"}) == {("10.0.0.1", 80): Claim(verdict="open")}


VERDICTS = ("confirmed", "likely", "transient", "artefact", "refuted", "unresolved", "open")
KEYS = [(f"10.0.{third}.{fourth}", port)
        for third in (0, 1) for fourth in (1, 2, 7) for port in (22, 80, 443, 9)]  # fmt: skip
claims = st.dictionaries(
    st.sampled_from(KEYS), st.builds(Claim, verdict=st.sampled_from(VERDICTS)), max_size=8
)


def judged_of(spoken: dict[tuple[str, int], Claim]) -> list[Judged]:
    return list(judge(TRUTH, spoken, contestant="one", loss_percent=0.0))


@given(claims)
def test_every_endpoint_is_judged_once_and_all_that_was_said_is_judged(
    spoken: dict[tuple[str, int], Claim],
) -> None:
    judged = judged_of(spoken)
    keys = [(one.address, one.port) for one in judged]
    assert len(keys) == len(set(keys))
    assert {(o.address, o.port): o.verdict for o in judged if o.verdict != "absent"} == {
        key: claim.verdict for key, claim in spoken.items()
    }


@given(claims, claims)
def test_parts_never_exceed_their_wholes(
    spoken: dict[tuple[str, int], Claim], more: dict[tuple[str, int], Claim]
) -> None:
    whole = total(by_class(TRUTH, judged_of(spoken | more), {}).values())
    assert whole.found <= whole.open == 3
    assert whole.found + whole.wrong + whole.changing <= whole.proven
    assert whole.taken_in <= min(whole.artefacts, whole.wrong)
    assert whole.transient <= whole.unsteady == 1
    assert whole.unresolved <= whole.spoken_of
    for value in (whole.recall, whole.precision, whole.lenient_precision):
        assert value is None or 0 <= value <= 1


@given(claims)
def test_sums_do_not_depend_on_how_endpoints_are_divided_into_classes(
    spoken: dict[tuple[str, int], Claim],
) -> None:
    judged = judged_of(spoken)
    assert total(by_class(TRUTH, judged, {}).values()) == total(map(of_endpoint, judged))


def test_who_says_the_truth_gets_everything_right_in_the_difficult_lab() -> None:
    whole_truth = truth_of(make(Parameters(name="plan", preset="difficult")))
    known = shared(json.loads(json.dumps(whole_truth)))
    asked = [e for e in known["endpoints"] if e["class"] not in ("excluded", "unlisted")]
    honest = {
        (e["address"], e["port"]): Claim(verdict="confirmed" if e["steady"] else "transient")
        for e in asked
        if e["state"] == "open"
    }
    whole = total(map(of_endpoint, judge(known, honest, contestant="one", loss_percent=0.0)))
    assert whole.open > 50
    assert (whole.recall, whole.precision, whole.asserted) == (1.0, 1.0, 0)
    assert whole.transient == whole.unsteady


def test_there_is_no_share_of_nothing() -> None:
    assert share(0, 0) is None
