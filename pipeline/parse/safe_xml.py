"""expat, from the standard library, over bytes that somebody else wrote.

Streaming, in flat memory, and with no way for a document to reach beyond itself: a document type
with declarations is refused (that is where entities live, and so all bombs and all fetching of
other files), and nesting, attributes, tags and the number of different names are bounded.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final
from xml.parsers import expat

from pipeline.parse import ParseError, bounded

CHUNK: Final = 1 << 20
"""Bytes read at a time: with small pieces expat's work on a long tag becomes quadratic."""
MAX_ATTRIBUTE: Final = 1 << 20
"""Characters."""
MAX_TAG: Final = 2 << 20
"""Bytes of one tag or comment."""
MAX_NESTING: Final = 64
MAX_NAMES: Final = 10_000
"""Different names of elements and attributes: expat keeps each of them until the end."""

# What expat says at the end of a document that is merely too short, before its first element.
_CUT_OFF: Final = frozenset(
    expat.errors.codes[text]
    for text in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
    )
)
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"<\0", b"\0<")
# Bytes that no XML document may contain. NUL is not among them: a block of zeros is what a crash
# of the machine leaves in a file, and reading on behind it could join two hosts into one.
_CONTROL: Final = bytes(byte for byte in range(1, 32) if byte not in b"\t\n\r")
_VISIBLE: Final = bytes.maketrans(_CONTROL, b"?" * len(_CONTROL))
# References to such bytes are just as forbidden, and nmap writes them (xml.cc, `escape`).
_CONTROL_REFERENCE: Final = re.compile(rb"&#x(?:[1-8bcef]|1[0-9a-f]);")
_BEGUN_REFERENCE: Final = re.compile(rb"&(?:#(?:x1?[0-9a-f]?)?)?\Z")


Attributes = dict[str, str]
Starts = Mapping[int, Mapping[str, Callable[[Attributes], None]]]
"""What to call for which element at which depth; the outermost element is at depth 1."""
Ends = Mapping[int, Mapping[str, Callable[[], None]]]

_NOTHING: Final[dict[str, Any]] = {}


class SafeXml:
    """One pass over one document that begins with the element ``root``.

    ``starts`` and ``ends`` say what to call; elements that they do not name are passed over. What
    a handler raises stops the reading and is passed on.
    """

    def __init__(self, *, root: str, starts: Starts, ends: Ends) -> None:
        self._root = root
        self._starts = starts
        self._ends = ends
        self._depth = 0
        self._begun = False

    def read(self, stream: BinaryIO) -> str:
        """Read to the end. Returns what is broken and where, or "" for a sound document.

        Everything before the broken place has been handed out by then. Raises ``ParseError`` for
        what does not even begin like XML, and for what is hostile.
        """
        chunk = stream.read(CHUNK)
        if not chunk:
            return "the file is empty"
        # A redirection in PowerShell turns a tool's output into UTF-16.
        wide = chunk.startswith(_UTF_16)
        # With an encoding given, the document cannot choose one; UTF-16 is still recognised.
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.StartDoctypeDeclHandler = self._start_doctype
        # Never called as long as expat announces a document type before what is in it.
        parser.EntityDeclHandler = self._declare_entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        fed, held = 0, b""
        try:
            while chunk:
                if not wide:
                    chunk, held = _without_control(held + chunk)
                parser.Parse(chunk, False)
                fed += len(chunk)
                # What lies behind the last finished piece of markup is what expat holds on to.
                if fed - parser.CurrentByteIndex > MAX_TAG:
                    raise self.hostile(f"a tag of more than {MAX_TAG} bytes")
                if len(parser.intern) > MAX_NAMES:
                    raise self.hostile(f"more than {MAX_NAMES} different names")
                chunk = stream.read(CHUNK)
            parser.Parse(held, True)
        except expat.ExpatError as broken:
            where = _place(broken.lineno, broken.offset)
            if not self._begun and broken.code not in _CUT_OFF:
                raise ParseError("this is not XML", where=where) from None
            return f"{where}: {expat.ErrorString(broken.code)}"
        return ""

    def here(self) -> str:
        """The place that is being read, for people."""
        return _place(self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber)

    def hostile(self, what: str) -> ParseError:
        """The refusal of something that no scanner writes."""
        return ParseError(
            f"no scanner writes this: {what}",
            where=self.here(),
            hint="the file is refused; treat it, and where it came from, with suspicion",
        )

    def on_text(self, handler: Callable[[str], None] | None) -> None:
        """Hand text between tags, piece by piece, to ``handler`` from now on, or to nobody."""
        self._parser.CharacterDataHandler = handler

    def _start_doctype(
        self, name: str, system: str | None, public: str | None, declares: bool
    ) -> None:
        if declares:
            raise self.hostile("a document type with declarations of its own")

    def _declare_entity(self, *declaration: object) -> None:
        raise self.hostile("the declaration of an entity")

    def _start(self, name: str, attributes: Attributes) -> None:
        self._depth = depth = self._depth + 1
        if depth == 1:
            self._begin(name)
        elif depth > MAX_NESTING:
            raise self.hostile(f"more than {MAX_NESTING} elements inside one another")
        for value in attributes.values():
            if len(value) > MAX_ATTRIBUTE:
                raise self.hostile(f"an attribute of more than {MAX_ATTRIBUTE} characters")
        handler = self._starts.get(depth, _NOTHING).get(name)
        if handler is not None:
            handler(attributes)

    def _begin(self, name: str) -> None:
        self._begun = True
        if name != self._root:
            raise ParseError(
                f"the file should begin with <{self._root}>, not with <{bounded(name, 80)}>",
                where=self.here(),
            )

    def _end(self, name: str) -> None:
        handler = self._ends.get(self._depth, _NOTHING).get(name)
        if handler is not None:
            handler()
        self._depth -= 1


def _without_control(data: bytes) -> tuple[bytes, bytes]:
    """The data with a question mark for every forbidden character, and a tail to be kept back.

    Lengths do not change, so that a complaint names the place in the file. The tail is a
    reference that the end of the data cut in two.
    """
    data = data.translate(_VISIBLE)
    begun = _BEGUN_REFERENCE.search(data, max(0, len(data) - 8))
    data, held = (data[: begun.start()], begun[0]) if begun else (data, b"")
    return _CONTROL_REFERENCE.sub(_question_mark, data), held


def _question_mark(found: re.Match[bytes]) -> bytes:
    return b"&#63;" if len(found[0]) == 5 else b"&#x3f;"


def _place(line: int, column: int) -> str:
    """expat counts columns from 0, people count from 1."""
    return f"line {line}, column {column + 1}"
