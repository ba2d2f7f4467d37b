"""The pages hang together: links, anchors, blocks, decisions, make targets."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from tests.docs.pages import DOCS, PAGES, ROOT, blocks, headings, links, name_of, rows, text_of

DECISIONS = tuple(sorted((DOCS / "decisions").glob("[0-9]*.md")))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert ROOT in target.parents, f"{link} leads out of the project"
        if anchor:
            assert anchor in headings(target), f"{link}: there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_two_headings_of_a_page_have_the_same_anchor(page: Path) -> None:
    if page.name == "CHANGELOG.md":  # Added, Changed, Fixed: in every version
        return
    found = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text_of(page), flags=re.S), re.M)
    assert len(found) == len(set(map(str.lower, found)))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_page_has_one_title_and_balanced_fences(page: Path) -> None:
    text = text_of(page)
    assert text.startswith("# ")
    assert text.count("```") == 2 * len(blocks(page))
    assert text.endswith("\n")


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists() and target not in reached:
                waiting.append(target)
    assert set(PAGES) <= reached


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_shell_block_parses(page: Path) -> None:
    for block in blocks(page):
        if block.language == "sh":
            checked = subprocess.run(
                ("bash", "-n"), input=block.text, capture_output=True, text=True, check=False
            )
            assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_yaml_block_is_yaml(page: Path) -> None:
    for block in blocks(page):
        if block.language == "yaml":
            yaml.safe_load(block.text)


def test_every_make_target_is_documented_and_every_documented_one_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))
    documented = {
        target
        for page in PAGES
        for target in re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text_of(page), flags=re.MULTILINE)
    }
    assert documented == targets


@pytest.mark.parametrize("page", DECISIONS, ids=name_of)
def test_a_decision_says_context_choice_and_cost(page: Path) -> None:
    assert [*headings(page).values()][1:] == ["Context", "Choice", "What it costs"]
    assert text_of(page).startswith(f"# {page.name[:4]} ")


def test_every_decision_is_in_the_index_and_numbered_without_a_gap() -> None:
    numbers = [page.name[:4] for page in DECISIONS]
    assert numbers == [f"{number:04d}" for number in range(1, len(DECISIONS) + 1)]
    index = rows(text_of(DOCS / "decisions" / "README.md"))
    listed = [f"[{page.name[:4]}]({page.name})" for page in DECISIONS]
    assert [row[0] for row in index] == listed


def test_the_changelog_keeps_its_form() -> None:
    found = [*headings(ROOT / "CHANGELOG.md").values()]
    assert found[:2] == ["Changelog", "[Unreleased]"]
    assert set(found[2:]) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"} | {
        heading for heading in found if re.fullmatch(r"\[[\d.]+\] - \d{4}-\d{2}-\d{2}", heading)
    }
