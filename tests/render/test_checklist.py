"""The checklist: every item is ticked by a fact of the run, or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pipeline.addresses import AddressSet
from pipeline.decide.third_parties import RangeFile, Refused, ThirdParties
from pipeline.model import Method, Purpose, StageName
from pipeline.plan import EvidenceKept
from pipeline.ports import PortSet
from pipeline.render.checklist import Standing, checklist, checklist_json, standings
from pipeline.render.document import AuditHead, Gap, RunDocument
from pipeline.render.html import render_html
from pipeline.scope import Scope
from tests.render import documents
from tests.render.documents import CONDUCT, EMPTY, START, record

SMALL = documents.small()


def standing(document: RunDocument, item: str) -> Standing:
    (check,) = [check for check in checklist(document) if check.item.startswith(item)]
    assert check.fact.endswith(".")
    return check.standing


def conducted(**known: Any) -> RunDocument:
    return replace(SMALL, conduct=replace(CONDUCT, **known))


def test_the_items_are_the_same_for_every_run() -> None:
    items = [check.item for check in checklist(SMALL)]
    assert len(items) == len(set(items)) == 15
    for document in (EMPTY, documents.cut_short(), documents.hostile()):
        assert [check.item for check in checklist(document)] == items


def test_an_authorisation_counts_as_written_only_where_its_document_is_on_file() -> None:
    item = "Written authorisation"
    assert standing(SMALL, item) is Standing.NOT_RECORDED
    told = (*SMALL.authorisation, ("document", "letter.pdf"), ("document SHA-256", "ab" * 32))
    assert standing(replace(SMALL, authorisation=told), item) is Standing.MET
    assert standing(replace(SMALL, authorisation=()), item) is Standing.NOT_RECORDED


def test_a_task_after_the_last_day_of_the_authorisation_is_not_passed_over() -> None:
    item = "Nothing sent outside the validity"
    assert standing(SMALL, item) is Standing.MET
    assert standing(conducted(authorised_until=START + 15), item) is Standing.NOT_MET


def test_a_task_that_asked_beyond_the_scope_is_not_passed_over() -> None:
    item = "Nothing sent outside the scope"
    assert standing(SMALL, item) is Standing.MET
    wide = Scope(included=AddressSet.parse(["192.0.2.0/24"]), excluded=AddressSet())
    task = replace(SMALL.tasks[0].task, targets=wide.admit_all(AddressSet.parse(["192.0.2.7"])))
    astray = replace(SMALL, tasks=(replace(SMALL.tasks[0], task=task),))
    assert standing(astray, item) is Standing.NOT_MET
    narrowed = replace(SMALL, scope_excluded=("10.80.1.7",))
    assert standing(narrowed, item) is Standing.NOT_MET


def test_windows_are_kept_when_every_task_lies_in_one_and_not_recorded_without_any() -> None:
    item = "Only within the agreed windows"
    assert standing(SMALL, item) is Standing.MET
    assert standing(conducted(openings=((START, START + 30),)), item) is Standing.NOT_MET
    assert standing(conducted(openings=None), item) is Standing.NOT_RECORDED


def probe(ports: str, number: int = 7) -> RunDocument:
    sent = record(
        number,
        StageName.PROBE,
        Method.NMAP_VERSION,
        Purpose.VERSION,
        "10.80.1.7",
        ports,
    )
    return replace(SMALL, tasks=(*SMALL.tasks[:2], sent))


def test_a_version_probe_before_any_plain_question_is_not_passed_over() -> None:
    item = "Non-intrusive first"
    assert standing(SMALL, item) is Standing.MET
    assert standing(probe("22", number=0), item) is Standing.NOT_MET
    assert standing(replace(SMALL, tasks=SMALL.tasks[:2]), item) is Standing.MET


def test_a_version_probe_of_a_fragile_port_is_not_passed_over() -> None:
    item = "Fragile ports left alone"
    assert standing(probe("22"), item) is Standing.MET
    assert standing(probe("22,502"), item) is Standing.NOT_MET
    assert standing(conducted(fragile_ports=PortSet()), item) is Standing.NOT_RECORDED


def test_asking_what_belongs_to_others_is_not_passed_over() -> None:
    item = "Rules of providers"
    assert standing(SMALL, item) is Standing.NOT_RECORDED
    ranges = RangeFile(
        name="ip-ranges.json",
        sha256="ab" * 32,
        format="AWS",
        providers=("AWS",),
        prefixes=1,
        dated=START,
        date_from="createDate",
    )
    elsewhere = Refused(
        addresses=AddressSet.parse(["203.0.113.0/24"]), provider="AWS", file="ranges.json", why=""
    )
    kept = ThirdParties(files=(ranges,), refused=(elsewhere,))
    assert standing(replace(SMALL, third_parties=kept), item) is Standing.MET
    asked = replace(elsewhere, addresses=SMALL.tasks[0].task.targets.addresses)
    broken = replace(kept, refused=(asked,))
    assert standing(replace(SMALL, third_parties=broken), item) is Standing.NOT_MET


def test_a_share_above_the_limit_is_not_passed_over() -> None:
    assert standing(SMALL, "Rate limits") is Standing.MET
    assert standing(conducted(rate=1_000), "Rate limits") is Standing.NOT_MET
    assert standing(replace(SMALL, tasks=()), "Rate limits") is Standing.NOT_RECORDED


def test_an_open_port_that_one_method_alone_was_asked_about_is_not_corroborated() -> None:
    item = "Every open port corroborated"
    likely = documents.likely("10.80.1.9:3389")
    both = replace(
        SMALL, findings=(documents.confirmed("10.80.1.7:22", documents.OPENSSH, "SSH-2.0"), likely)
    )
    assert standing(both, item) is Standing.MET
    alone = replace(likely, observations=likely.observations[:1])
    assert standing(replace(SMALL, findings=(alone,)), item) is Standing.NOT_MET
    assert standing(EMPTY, item) is Standing.MET


def test_a_gap_in_the_coverage_is_not_passed_over() -> None:
    item = "Everything asked"
    assert standing(EMPTY, item) is Standing.MET
    gap = Gap(what="10.80.3.0", why="the run stopped", endpoints=4)
    assert standing(replace(EMPTY, gaps=(gap,)), item) is Standing.NOT_MET


def test_a_run_is_logged_where_it_has_a_record() -> None:
    assert standing(EMPTY, "Logged") is Standing.NOT_RECORDED
    head = AuditHead(lines=3_544, sha256="ab" * 32, signed=False)
    assert standing(replace(EMPTY, audit=head), "Logged") is Standing.MET


@pytest.mark.parametrize(
    ("kept", "expires", "expected"),
    [
        (EvidenceKept.NONE, False, Standing.MET),
        (EvidenceKept.REDACTED, False, Standing.MET),
        (EvidenceKept.RAW, True, Standing.MET),
        (EvidenceKept.RAW, False, Standing.NOT_MET),
    ],
)
def test_raw_evidence_that_never_expires_is_no_minimum_of_data(
    kept: EvidenceKept, expires: bool, expected: Standing
) -> None:
    assert standing(conducted(evidence=kept, raw_expires=expires), "Data minimised") is expected


def test_an_imported_run_ticks_nothing_about_how_others_sent_it() -> None:
    imported = replace(EMPTY, conduct=None, tasks=(), authorisation=(), audit=None)
    met = [check.item for check in checklist(imported) if check.standing is Standing.MET]
    assert "Only within the agreed windows" not in met
    assert "Rate limits" not in met
    assert "Written authorisation" not in met


def test_every_standing_is_counted_and_the_page_and_the_document_have_every_item() -> None:
    checks = checklist(SMALL)
    assert sum(number for _, number in standings(checks)) == len(checks)
    assert [told["item"] for told in checklist_json(SMALL)] == [check.item for check in checks]
    page = render_html(SMALL)
    assert all(check.item in page for check in checks)
