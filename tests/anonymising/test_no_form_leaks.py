"""Secrets are planted into every text of a document; none of them is in any form of its copy."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import pypdf
import pytest

from pipeline.addresses import AddressSet
from pipeline.anonymising import RULE, Pseudonyms, Shipped, anonymised
from pipeline.anonymising.harmless import LEFT_OUT, sentence_of, version_of
from pipeline.cli.forms import known_forms
from pipeline.decide.compare import differences
from pipeline.decide.completeness import sample_bound, two_passes
from pipeline.decide.risk_rules import Condition, RiskPolicy
from pipeline.engagement.policies import our_policy
from pipeline.model import Method, Service
from pipeline.ports import PortSet
from pipeline.render.branding import Branding
from pipeline.render.checklist import checklist
from pipeline.render.document import RunDocument
from pipeline.render.document_json import render_json
from pipeline.render.story import stories
from tests.anonymising.planting import ADDRESSES, Planter, marks
from tests.decide.making import PLAN
from tests.render import documents
from tests.render.judged import judged

SHIPPED = Shipped(policy=our_policy(), profiles=frozenset({"balanced"}))
FORMS = {name: render for name, (_, render) in known_forms().items() if name != "docx-template"}
PLANTERS = (Planter(0), Planter(1))
PLANTED = [planter.document() for planter in PLANTERS]


def copy_of(document: RunDocument) -> RunDocument:
    return anonymised(document, Pseudonyms(bytes(32)), SHIPPED)


def whole(content: str | bytes) -> str:
    """Everything that is in a file, in lower case: as bytes, unpacked, and as it is read."""
    if isinstance(content, str):
        return content.casefold()
    found = content.decode("latin-1")
    if content.startswith(b"PK"):
        archive = zipfile.ZipFile(io.BytesIO(content))
        found += "".join(n + archive.read(n).decode("utf-8", "replace") for n in archive.namelist())
    if content.startswith(b"%PDF"):
        reader = pypdf.PdfReader(io.BytesIO(content))
        found += "".join(page.extract_text() for page in reader.pages) + str(reader.metadata)
        found += str(reader.xmp_metadata and reader.xmp_metadata.stream.get_data())
    return found.casefold()


@pytest.mark.parametrize("form", FORMS)
def test_no_secret_and_no_address_is_in_any_form_of_the_copy(form: str) -> None:
    for planter, planted in zip(PLANTERS, PLANTED, strict=True):
        if form == "pdf" and planter.arm:
            continue  # what is printed is one page that both go through, and slow
        text = whole(FORMS[form](copy_of(planted)))
        assert [secret for mark, secret in marks(planter) if mark in text] == []
        assert [address for address in ADDRESSES if address in text] == []
        assert "ächme" not in text


def test_the_same_search_finds_them_in_what_is_no_copy() -> None:
    for form, least in (("json", 90), ("html", 40), ("xlsx", 10), ("pdf", 10), ("docx", 10)):
        text = whole(FORMS[form](replace(PLANTED[0], branding=Branding(client="x"))))
        assert sum(mark in text for mark, _ in marks(PLANTERS[0])) >= least, form
        assert "198.18.77." in text


def test_a_copy_is_made_of_the_same_shape_and_tells_what_can_be_told() -> None:
    small = judged(documents.small())
    copy = copy_of(small)
    kinds = [finding.verdict.kind for finding in small.findings]
    assert sorted(kinds) == sorted(finding.verdict.kind for finding in copy.findings)
    endpoints = [finding.verdict.endpoint for finding in copy.findings]
    assert endpoints == sorted(endpoints)
    assert len(set(endpoints)) == len(small.findings)
    assert copy.addresses == small.addresses
    for form in ("html", "markdown", "json", "nmap-xml"):
        assert "anonymised" in FORMS[form](copy)
    assert [check.standing for check in checklist(copy)] == [c.standing for c in checklist(small)]
    assert json.loads(render_json(copy)).keys() == json.loads(render_json(small)).keys()
    assert "OpenSSH 9.2p1" in FORMS["markdown"](copy)
    sure = [story.hypotheses for story in stories(small)]
    assert sorted(map(str, sure)) == sorted(str(story.hypotheses) for story in stories(copy))


def test_the_same_document_and_secret_give_the_same_copy_and_another_secret_another_one() -> None:
    one, other = (copy_of(PLANTED[0]) for _ in range(2))
    assert one == other
    assert one != anonymised(PLANTED[0], Pseudonyms(bytes(31) + b"1"), SHIPPED)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("complete", "complete"),
        ("ACME complete", LEFT_OUT),
        ("masscan exited with 1: FAIL: no route to acme", "masscan exited with 1: left out"),
        ("task 12 failed: acme", "task 12 failed: left out"),
        ("task 10.80 failed: x", LEFT_OUT),
        ("belongs to Acme Cloud by acme.json: refused", "belongs to left out"),
        ("10.80.1.7, asked by acme", LEFT_OUT),
        ("acme, all ports", LEFT_OUT),
        ("the vantage differs: acme before, hq now", "the vantage differs: left out before, "
         "left out now"),
        ("", ""),
    ],
)  # fmt: skip
def test_of_a_sentence_only_words_of_ours_stay(text: str, told: str) -> None:
    assert sentence_of(text, lambda some: some) == told


def test_addresses_in_sentences_are_veiled_and_versions_that_are_addresses_go() -> None:
    veiled = Pseudonyms(bytes(32)).addresses
    told = sentence_of("10.80.3.0-10.80.3.255, 10.80.4.7 and 9 more ranges, ports 22-23", veiled)
    assert "10.80." not in told
    assert told.endswith(" and 9 more ranges, ports 22-23")
    assert [version_of(text) for text in ("9.2p1 Debian", "10.80.1.7", "1.25.3", "acme 7")] == [
        *("9.2p1", "", "1.25.3", "")
    ]


def test_a_rule_of_the_engagement_and_a_product_that_nobody_else_runs_are_left_out() -> None:
    service = Service(name="acme-pay", product="Acme Payroll", version="3.1", method="probed")
    found = documents.confirmed("10.80.1.7:22", service, "Acme")
    ours = next(rule for rule in our_policy().rules if rule.id == "redis")
    theirs = replace(ours, id="acme-redis", title="Ask Jane of Acme")
    for rule, title in ((ours, ours.title), (theirs, RULE)):
        policy = RiskPolicy(version="1", rules=(replace(rule, conditions=(Condition(),)),))
        (finding,) = copy_of(judged(replace(documents.EMPTY, findings=(found,)), policy)).findings
        assert finding.risks[0].title == title
        assert finding.verdict.service is not None
        assert finding.verdict.service.label == "other 3.1"


def test_the_sentences_that_a_run_is_told_in_are_known_and_not_left_out() -> None:
    policy = replace(
        PLAN.policy,
        ports=PortSet.of((1, 2)),
        vantage="acme",
        methods=(Method.NMAP_CONNECT,),
        ceilings=replace(PLAN.policy.ceilings, rate=1234),
    )
    other = replace(
        PLAN,
        policy=policy,
        profile="acme",
        tools=(("nmap", "acme"),),
        excluded=AddressSet.parse(["192.0.2.1"]),
    )
    said = [
        *differences(PLAN, other),
        *(sample_bound(*counts).sentence for counts in ((0, 0, 0), (0, 0, 9))),  # type: ignore[union-attr]
        *(two_passes(*counts).sentence for counts in ((0, 0, 0), (9, 9, 3))),  # type: ignore[union-attr]
        *(risk.remarks[0] for f in judged(documents.small()).findings for risk in f.risks[:1]
          if risk.remarks),
    ]  # fmt: skip
    assert len(said) > 12
    told = [sentence_of(text, lambda some: some) for text in said]
    assert [text for text, now in zip(said, told, strict=True) if now == LEFT_OUT] == []
    assert "acme" not in " ".join(told)
