"""JSON values one after the other out of a stream, whatever stands between them.

The standard library reads a document as a whole. Here one value at a time is in memory, so that a
list of a million records costs what one of them costs, and a document that was cut off gives what
was complete.
"""

from __future__ import annotations

import codecs
import json
from typing import Any, BinaryIO, Final

from pipeline.parse import ParseError

PIECE: Final = 1 << 18
"""Bytes read at a time, at first."""
MAX_VALUE: Final = 64 << 20
"""Characters of one value."""

_DECODER: Final = json.JSONDecoder()
_BETWEEN: Final = " \t\r\n,"


class NotJson(Exception):
    """What stands here is no JSON value; ``cut_off`` when the stream ends in the middle of it."""

    def __init__(self, *, cut_off: bool) -> None:
        super().__init__()
        self.cut_off = cut_off


class JsonStream:
    """A cursor. Bytes that are no UTF-8 become replacement characters."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._text = ""
        self._place = 0
        self._ended = False
        self.peek()
        if self._text.startswith("\ufeff"):
            self._place = 1

    def peek(self) -> str:
        """The next character that is neither space nor a comma; empty at the end."""
        while True:
            text, place = self._text, self._place
            while place < len(text) and text[place] in _BETWEEN:
                place += 1
            self._place = place
            if place < len(text):
                return text[place]
            if not self._more(PIECE):
                return ""

    def skip(self) -> None:
        """Pass over one character."""
        self._place += 1

    def skip_line(self) -> None:
        """Pass over everything up to the next line feed."""
        while True:
            end = self._text.find("\n", self._place)
            if end >= 0:
                self._place = end + 1
                return
            self._place = len(self._text)
            if not self._more(PIECE):
                return

    def value(self) -> Any:
        """The value that begins here. Raises ``NotJson``, and ``ParseError`` for a hostile one."""
        wanted = PIECE
        while True:
            try:
                found, self._place = _DECODER.raw_decode(self._text, self._place)
            except json.JSONDecodeError as error:
                # An error far from the end of what was read is not cured by reading on.
                if error.pos < len(self._text) - 16 and not _open_string(error):
                    raise NotJson(cut_off=False) from None
                if not self._more(wanted):
                    raise NotJson(cut_off=True) from None
                wanted *= 2
            except RecursionError:
                raise ParseError(
                    "no scanner writes this: values inside one another without end",
                    hint="the file is refused; treat it, and where it came from, with suspicion",
                ) from None
            except ValueError:
                # A number of more digits than Python converts.
                raise NotJson(cut_off=False) from None
            else:
                if self._place < len(self._text) or not self._more(PIECE):
                    return found
                # A number may go on behind the end of what was read; nothing else does.
                if isinstance(found, (dict, list, str)):
                    return found
                self._place -= len(json.dumps(found))

    def _more(self, count: int) -> bool:
        if self._ended:
            return False
        data = self._stream.read(count)
        self._ended = not data
        # What lies behind the cursor is let go.
        self._text = self._text[self._place :] + self._decode(data, final=self._ended)
        self._place = 0
        if len(self._text) > MAX_VALUE:
            raise ParseError(
                f"no scanner writes this: a value of more than {MAX_VALUE} characters",
                hint="the file is refused; treat it, and where it came from, with suspicion",
            )
        return bool(data)


def _open_string(error: json.JSONDecodeError) -> bool:
    return error.msg.startswith(("Unterminated string", "Invalid \\"))
