"""Every reason code has a page that is true, and there is no page about anything else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.decide.reasons import EXPLANATIONS
from pipeline.model import VerdictKind
from pipeline.render.story import HEADINGS, Part
from pipeline.render.would_change import WOULD_CHANGE
from tests.docs.pages import DOCS, blocks, headings, name_of, rows, text_of

FOLDER = DOCS / "reasons"
REASON_PAGES = tuple(sorted(set(FOLDER.glob("*.md")) - {FOLDER / "README.md"}))
SECTIONS = [
    "What it means",
    "What leads to it",
    "An example",
    "What to do",
    "What it does not say",
    "What would change it",
]


def test_every_reason_has_a_page_and_every_page_is_about_a_reason() -> None:
    assert {page.stem for page in REASON_PAGES} == EXPLANATIONS.keys()


def test_the_index_has_every_reason_with_its_page_and_a_verdict() -> None:
    listed = rows(text_of(FOLDER / "README.md"))
    assert [row[0] for row in listed] == [f"[`{code}`]({code}.md)" for code in EXPLANATIONS]
    assert {row[1].strip("`") for row in listed} <= {*VerdictKind}


@pytest.mark.parametrize("page", REASON_PAGES, ids=name_of)
def test_a_page_says_what_its_reason_means_leads_to_it_and_what_to_do(page: Path) -> None:
    assert [*headings(page).values()] == [page.stem, *SECTIONS]
    text = text_of(page)
    assert f"\n> {EXPLANATIONS[page.stem]}\n" in text
    assert "As the administrator:" in text
    assert "As a consultant:" in text


@pytest.mark.parametrize("page", REASON_PAGES, ids=name_of)
def test_a_page_has_an_example_that_ends_in_this_reason(page: Path) -> None:
    (example,) = blocks(page)
    verdict = re.search(r"Verdict: \[`([a-z]+)`\]", text_of(page))
    assert verdict is not None
    decided = f"{verdict[1]}, by the rule {page.stem}: {EXPLANATIONS[page.stem]}"
    assert decided in " ".join(example.text.split())
    assert {HEADINGS[part] for part in Part if part is not Part.CHANGE} - {HEADINGS[Part.HOST]} <= {
        *example.text.splitlines()
    }


@pytest.mark.parametrize("page", REASON_PAGES, ids=name_of)
def test_a_page_says_what_would_change_the_verdict_as_the_story_does(page: Path) -> None:
    told = text_of(page).partition("## What would change it\n\n")[2].splitlines()
    assert [line.removeprefix("- ").removesuffix(".").lower() for line in told] == [
        change.lower() for change in WOULD_CHANGE[page.stem]
    ]


@pytest.mark.parametrize("page", [FOLDER / "README.md", *REASON_PAGES], ids=name_of)
def test_a_page_names_no_reason_that_does_not_exist(page: Path) -> None:
    linked = set(re.findall(r"\]\(([a-z-]+)\.md\)", text_of(page)))
    assert linked <= EXPLANATIONS.keys()
    assert set(re.findall(r"by the rule ([a-z-]+):", text_of(page))) <= EXPLANATIONS.keys()
