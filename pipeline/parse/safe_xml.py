"""expat, from the standard library, over bytes that somebody else wrote.

Streaming, in flat memory, and with no way for a document to reach beyond itself: a document type
with declarations is refused (that is where entities live, and so all bombs and all fetching of
other files), and nesting, attributes, tags and the number of different names are bounded.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut:
    """A way around the parser for some children of the root, which end with the tag ``end``.

    ``take(data, start, end)`` is asked about text that begins where an earlier child has ended,
    and is true when this text is one more child and nothing else, in ASCII and without references,
    and when it was dealt with; line ends in it are ``\\n`` or ``\\r\\n``. ``longest``, in bytes, is
    what is held back for it.
    """

    end: bytes
    longest: int
    take: Callable[[bytes, int, int], bool]


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
        self._wide = False
        self.origin = 0
        """Where in the stream the text begins that the shortcut is asked about."""
        self._between = False
        self._held = b""
        self._fed = 0
        self._closed = -1

    def read(self, stream: BinaryIO, shortcut: Shortcut | None = None) -> str:
        """Read to the end. Returns what is broken and where, or "" for a sound document.

        Everything before the broken place has been handed out by then. Raises ``ParseError`` for
        what does not even begin like XML, and for what is hostile.
        """
        chunk = stream.read(CHUNK)
        if not chunk:
            return "the file is empty"
        # A redirection in PowerShell turns a tool's output into UTF-16.
        self._wide = chunk.startswith(_UTF_16)
        # With an encoding given, the document cannot choose one; UTF-16 is still recognised.
        self._parser = parser = expat.ParserCreate("utf-8")
        parser.StartDoctypeDeclHandler = self._start_doctype
        # Never called as long as expat announces a document type before what is in it.
        parser.EntityDeclHandler = self._declare_entity
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        rest = b""
        count = 0
        try:
            while chunk:
                if shortcut is None or self._wide:
                    self._feed(chunk)
                else:
                    self.origin, count = count - len(rest), count + len(chunk)
                    rest = self._shorten(rest + chunk, shortcut)
                chunk = stream.read(CHUNK)
            self._feed(rest)
            parser.Parse(self._held, True)
        except expat.ExpatError as broken:
            where = _place(broken.lineno, broken.offset)
            if not self._begun and broken.code not in _CUT_OFF:
                raise ParseError("this is not XML", where=where) from None
            return f"{where}: {expat.ErrorString(broken.code)}"
        return ""

    def _feed(self, data: bytes) -> None:
        if not self._wide:
            data, self._held = _without_control(self._held + data)
        self._parser.Parse(data, False)
        self._fed += len(data)
        # What lies behind the last finished piece of markup is what expat holds on to.
        if self._fed - self._parser.CurrentByteIndex > MAX_TAG:
            raise self.hostile(f"a tag of more than {MAX_TAG} bytes")
        if len(self._parser.intern) > MAX_NAMES:
            raise self.hostile(f"more than {MAX_NAMES} different names")

    def _shorten(self, data: bytes, shortcut: Shortcut) -> bytes:
        """Feed the parser what the shortcut does not take. Returns what to begin the next with."""
        start = taken = 0
        while (found := data.find(shortcut.end, start)) >= 0:
            end = found + len(shortcut.end)
            if (
                self._between
                and end - start <= shortcut.longest
                and shortcut.take(data, start, end)
            ):
                start = end
                continue
            self._feed_blanks(data, taken, start)
            self._feed(data[start:end])
            # The end tag was the last that the parser saw, and it closed a child of the root.
            self._between = self._closed + len(shortcut.end) == self._fed
            start = taken = end
        self._feed_blanks(data, taken, start)
        if self._between and len(data) - start <= shortcut.longest:
            return data[start:]
        self._between = False
        # The end tag may be cut in two.
        place = max(start, len(data) - len(shortcut.end) + 1)
        self._feed(data[start:place])
        return data[place:]

    def _feed_blanks(self, data: bytes, start: int, end: int) -> None:
        """In place of what was taken, so that a complaint names the right line and column."""
        if start < end:
            lines = data.count(b"\n", start, end)
            last = data.rfind(b"\n", start, end) + 1 if lines else start
            self._feed(b"\n" * lines + b" " * (end - last))

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
        if self._depth == 1:
            self._closed = self._parser.CurrentByteIndex


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
