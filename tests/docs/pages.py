"""The pages of the documentation, as texts, headings, tables, code blocks and links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted(DOCS.rglob("*.md")),
)

_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`[^`]*`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block: its language and its text without indentation."""

    language: str
    text: str


def text_of(page: Path) -> str:
    """The whole page."""
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    """How a test calls a page: its path from the root."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> tuple[Block, ...]:
    """The fenced blocks of a page."""
    return tuple(
        Block(language=found[2], text=re.sub(f"^{found[1]}", "", found[3], flags=re.MULTILINE))
        for found in _FENCE.finditer(text_of(page))
    )


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", text_of(page))


def links(page: Path) -> tuple[str, ...]:
    """The targets of all links and pictures."""
    return tuple(_LINK.findall(_CODE.sub("", prose(page))))


def headings(page: Path) -> dict[str, str]:
    """Each heading by its anchor, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {_anchor(heading): heading for heading in found}


def section(page: Path, heading: str) -> str:
    """The text below a heading, up to the next one of its level or above."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", text_of(page), flags=re.MULTILINE)
    assert found is not None, f"{name_of(page)} has no heading {heading!r}"
    rest = text_of(page)[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, flags=re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text: str) -> tuple[tuple[str, ...], ...]:
    """The rows of the first table in a text, without its heading and its rule."""
    table = re.search(r"^\|.*?(?=\n[^|]|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert table is not None, "there is no table"
    lines = table[0].strip().splitlines()
    cells = [tuple(cell.strip() for cell in line.strip("|").split(" | ")) for line in lines]
    return tuple(tuple(cell.strip("| ") for cell in row) for row in cells[2:])


def plain(cell: str) -> str:
    """A cell without its quotes: ``rate`` of "`rate`"."""
    return cell.strip("`")


def command_lines(page: Path) -> Iterator[tuple[str, ...]]:
    """Every call of portproof in the shell blocks of a page, as arguments."""
    for block in blocks(page):
        if block.language != "sh":
            continue
        for line in block.text.splitlines():
            found = re.match(r"\s*(?:\.venv/bin/)?portproof\s+(.*)", line)
            if found:
                yield tuple(shlex.split(found[1].partition(" >")[0], comments=True))


def _anchor(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.lower())
    return kept.replace(" ", "-")
