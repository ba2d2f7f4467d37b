"""A language that nobody speaks: every fixed text of it can be told from what was forgotten."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

from pipeline.render.language import Language
from pipeline.render.messages import messages
from tests.render.page import VOID

_KEPT: Final = re.compile(r"(<[^>]*>|\{\w*\}|&\w+;)")
_SHOWN: Final = ("title", "aria-label", "alt", "placeholder")
_WORD: Final = re.compile(r"[A-Za-z]{2,}")


def _strange(text: str) -> str:
    """The same with Cyrillic letters in place of ours; elements and values stay."""
    letters = {ord(a): 0x0430 + ord(a) - ord("a") for a in map(chr, range(ord("a"), ord("z") + 1))}
    letters |= {code - 32: strange - 32 for code, strange in letters.items()}
    parts = _KEPT.split(text)
    return "".join(p if place % 2 else p.translate(letters) for place, p in enumerate(parts))


PSEUDO: Final = Language(
    code="ru",
    messages={
        text: tuple(map(_strange, (text, several) if several else (text,)))
        for text, several in messages().items()
    },
)


class _Forgotten(HTMLParser):
    """Gathers what a page says in our own letters, outside of what is no fixed text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.quoting: list[bool] = []
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        classes = known.get("class", "").split()
        # Texts of the network and of the record, and names that are the same in every language.
        quotes = known.get("lang") == "en" or tag in ("code", "pre", "style", "script")
        quotes |= bool({"raw", "endpoint", "cites", "references"} & {*classes})
        if not quotes and not (self.quoting and self.quoting[-1]):
            self.found += [known[name] for name in _SHOWN if name in known]
        if tag not in VOID:
            self.quoting.append(quotes or bool(self.quoting and self.quoting[-1]))

    def handle_endtag(self, tag: str) -> None:
        self.quoting.pop()

    def handle_data(self, data: str) -> None:
        if not (self.quoting and self.quoting[-1]):
            self.found.append(data)


def forgotten(html: str, known: set[str]) -> list[str]:
    """Every text of a page with a word in our letters that is not among the known ones."""
    reader = _Forgotten()
    reader.feed(html)
    return [text for text in reader.found if {*_WORD.findall(text)} - known]
