"""A page as a browser's tokenizer sees it: elements, attributes, texts."""

from __future__ import annotations

import json
import zlib
from array import array
from base64 import b64decode
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any


@dataclass
class Element:
    """A start tag. ``text`` is what stands directly in it."""

    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Page:
    """All elements in document order, and all text outside of style and script."""

    elements: list[Element] = field(default_factory=list)
    text: str = ""

    def named(self, tag: str) -> list[Element]:
        return [element for element in self.elements if element.tag == tag]

    def having(self, attribute: str) -> list[Element]:
        return [element for element in self.elements if attribute in element.attributes]

    def by_class(self, name: str) -> list[Element]:
        return [e for e in self.elements if name in e.attributes.get("class", "").split()]

    @property
    def ids(self) -> list[str]:
        return [element.attributes["id"] for element in self.having("id")]

    @property
    def code(self) -> list[Element]:
        """The scripts that a browser would run."""
        return [e for e in self.named("script") if "type" not in e.attributes]

    @property
    def words(self) -> str:
        """The text with all white space as single blanks."""
        return " ".join(self.text.split())


INLINE = frozenset({"a", "code", "span", "strong", "time"})
VOID = frozenset({"meta", "link", "input", "col", "br", "img"})


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.page.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1].tag == tag, f"</{tag}> closes <{self.open[-1].tag}>"
        self.open.pop()
        if tag not in INLINE:
            self.page.text += " "

    def handle_data(self, data: str) -> None:
        if not self.open:
            return
        self.open[-1].text += data
        if self.open[-1].tag not in ("style", "script"):
            self.page.text += data


def read_page(html: str) -> Page:
    """Read a page; an element that is not closed where it should be is an error."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open, f"<{reader.open[-1].tag}> is never closed"
    return reader.page


def unpacked(text: str) -> dict[str, Any]:
    """The inventory out of what a page carries: the reading side of ``embedded``."""
    data = zlib.decompress(b64decode(text))
    place = 4 + int.from_bytes(data[:4], "little")
    head = json.loads(data[4:place])
    columns = {}
    for name, width in head["widths"].items():
        end = place + width * head["rows"]
        columns[name] = array({1: "B", 2: "H", 4: "I"}[width], data[place:end]).tolist()
        place = end
    assert place == len(data)
    return {"rows": head["rows"], "words": head["words"], "columns": columns}
