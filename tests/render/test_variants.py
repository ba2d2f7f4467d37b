from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.render.document import RunDocument
from pipeline.render.html import render_html
from pipeline.render.markdown import render_markdown
from pipeline.render.outlining import outline
from pipeline.render.pdf import printed
from pipeline.render.variants import FEW, Variant
from tests.render import documents
from tests.render.judged import judged
from tests.render.page import Page, read_page

RUNS = (
    replace(judged(documents.small()), trends=documents.developed()),
    documents.cut_short(),
    documents.tarpit(2000),
    documents.EMPTY,
)


def told_as(variant: Variant, document: RunDocument) -> RunDocument:
    return replace(document, branding=replace(document.branding, variant=variant))


def page_of(variant: Variant, document: RunDocument = RUNS[0]) -> Page:
    return read_page(render_html(told_as(variant, document)))


def headings(page: Page) -> list[str]:
    return [element.attributes["id"] for element in page.named("section")]


@pytest.mark.parametrize("variant", Variant)
@pytest.mark.parametrize("document", RUNS, ids=("small", "cut short", "tarpit", "empty"))
def test_every_link_of_a_variant_leads_somewhere(variant: Variant, document: RunDocument) -> None:
    page = page_of(variant, document)
    targets = {e.attributes["href"][1:] for e in page.named("a") if e.attributes["href"][:1] == "#"}
    assert targets - {*page.ids} == set()


def test_who_decides_gets_no_evidence_and_no_inventory() -> None:
    page = page_of(Variant.EXECUTIVE)
    assert headings(page) == ["summary", "not-covered", "where", "risks", "changes", "trends"]
    assert page.by_class("evidence") == []
    assert "inventory-data" not in page.ids
    assert "What to do" in page.words
    assert len(render_html(told_as(Variant.EXECUTIVE, documents.tarpit(20_000)))) < 120_000


def test_who_decides_gets_few_of_everything() -> None:
    gaps = tuple(replace(documents.small().gaps[0], what=f"gap {n}") for n in range(40))
    page = page_of(Variant.EXECUTIVE, replace(documents.small(), gaps=gaps))
    assert page.words.count("it was stopped at the close of the window") == FEW
    assert "30 smaller gaps are in the JSON document of this run." in page.words


def test_who_mends_gets_everything_but_the_sentences() -> None:
    page, full = page_of(Variant.TECHNICAL), page_of(Variant.FULL)
    assert headings(page) == headings(full)
    assert full.by_class("sentences")
    assert page.by_class("sentences") == []
    assert len(page.by_class("evidence")) == len(full.by_class("evidence"))


def test_a_variant_is_named_on_its_cover_and_the_full_one_is_not() -> None:
    assert "Variant executive: without evidence" in page_of(Variant.EXECUTIVE).words
    assert "Variant technical: everything, without" in page_of(Variant.TECHNICAL).words
    assert "Variant" not in page_of(Variant.FULL).words


def test_the_other_forms_have_the_same_variants() -> None:
    executive = told_as(Variant.EXECUTIVE, RUNS[0])
    told = outline(executive)
    assert (told.groups, told.events, told.doubted) == ((), (), ())
    assert told.risks
    assert ("Variant", "executive: without evidence and inventory") in told.cover
    for text in (render_markdown(executive), printed(executive)):
        assert "Findings" not in text
        assert "Method and limits" not in text
        assert "What was not covered" in text
        assert "Written by portproof" in text
    technical = outline(told_as(Variant.TECHNICAL, RUNS[0]))
    assert technical.summary == ()
    assert technical.groups == outline(RUNS[0]).groups


def test_the_same_run_in_the_same_variant_gives_the_same_bytes() -> None:
    for variant in Variant:
        document = told_as(variant, RUNS[0])
        assert render_html(document) == render_html(document)
