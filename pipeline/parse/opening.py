"""Open a file that somebody else wrote: plain, or compressed with gzip or zstandard.

What a file is, its first bytes say and never its name. A compressed file may claim to be anything
but endless: beyond a sane size, the ratio of what comes out to what went in is bounded.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from pipeline.parse import ParseError

CHUNK: Final = 1 << 16
"""Bytes of the compressed file that are read at a time."""
PIECE: Final = 1 << 20
"""Bytes that come out of them at a time, at most."""
FREE: Final = 256 << 20
"""Bytes that may come out of a file before the ratio counts."""
MAX_RATIO: Final = 400
"""Real XML of nmap shrinks to a tenth or a fiftieth."""

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_OTHERS: Final = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip", b"7z\xbc\xaf": "7z"}


class _Decompressing(Protocol):
    """What zlib's and zstandard's objects have in common here."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What comes out, in pieces of a bounded size; raises ``_Damaged``."""

    @property
    def finished(self) -> bool:
        """True at the end of a whole stream."""


class _Damaged(Exception):
    """The compressed data make no sense from here on."""


class Opened(io.RawIOBase):
    """A file's content, decompressed. ``damage`` is set when its compressed data end too early.

    Damage is not an error: what came before it is handed out, and then the end.
    """

    def __init__(self, raw: BinaryIO, inner: _Decompressing | None) -> None:
        super().__init__()
        self._raw = raw
        self._inner = inner
        self._pieces: Iterator[bytes] = iter(())
        self._rest = memoryview(b"")
        self._in = self._out = 0
        self.damage = ""

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: object, /) -> int:
        """Fill the buffer as far as there is something."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # typeshed has no Buffer here
        if self._inner is None:
            return self._raw.readinto(view) or 0  # type: ignore[attr-defined]  # a file has it
        filled = 0
        while filled < len(view) and (self._rest or self._refill(self._inner)):
            count = min(len(view) - filled, len(self._rest))
            view[filled : filled + count] = self._rest[:count]
            self._rest = self._rest[count:]
            filled += count
        return filled

    def _refill(self, inner: _Decompressing) -> bool:
        try:
            piece = next(self._pieces, None)
        except _Damaged:
            self.damage = "the compressed data are damaged"
            self._pieces = iter(())
            return False
        if piece is not None:
            self._rest = memoryview(piece)
            self._out += len(piece)
            if self._out > FREE and self._out > MAX_RATIO * self._in:
                raise ParseError(
                    f"{self._in} compressed bytes become more than {self._out}",
                    hint="no scan shrinks like that: the file is refused; if you trust it, "
                    "decompress it yourself and import the result",
                )
            return True
        data = b"" if self.damage else self._raw.read(CHUNK)
        if not data:
            if not inner.finished:
                self.damage = self.damage or "the compressed data end too early"
            return False
        self._in += len(data)
        self._pieces = inner.feed(data)
        # Perhaps nothing comes out of these yet.
        return True


class _Gzip:
    """One gzip member after the other."""

    def __init__(self) -> None:
        self._one = zlib.decompressobj(31)

    @property
    def finished(self) -> bool:
        return self._one.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._one.eof:
                if not data.startswith(_GZIP):
                    # gzip(1) ignores what stands behind the last member, such as padding.
                    return
                self._one = zlib.decompressobj(31)
            try:
                piece = self._one.decompress(data, PIECE)
            except zlib.error:
                raise _Damaged from None
            if piece:
                yield piece
            data = self._one.unused_data if self._one.eof else self._one.unconsumed_tail


class _Zstd:
    """One zstandard frame after the other; a frame may not ask for more than 128 MB of window."""

    def __init__(self) -> None:
        import zstandard

        self._make = zstandard.ZstdDecompressor(max_window_size=128 << 20)
        self._error = zstandard.ZstdError
        self._one = self._make.decompressobj()

    @property
    def finished(self) -> bool:
        return bool(self._one.eof)

    def feed(self, data: bytes) -> Iterator[bytes]:
        # A block of a frame becomes 128 KB at most, so that small steps bound what comes out.
        step = 1 << 10
        for start in range(0, len(data), step):
            part = data[start : start + step]
            while part:
                if self._one.eof:
                    self._one = self._make.decompressobj()
                try:
                    piece = self._one.decompress(part)
                except self._error:
                    raise _Damaged from None
                if piece:
                    yield piece
                part = self._one.unused_data if self._one.eof else b""


_COMPRESSIONS: Final[tuple[tuple[bytes, Callable[[], _Decompressing]], ...]] = (
    (_GZIP, _Gzip),
    (_ZSTD, _Zstd),
)


@contextmanager
def opened(path: Path) -> Iterator[tuple[io.BufferedReader, Opened]]:
    """The content of a file for reading (and peeking), and what knows of damage to it.

    Raises ``ParseError`` when it cannot be read, or is compressed in a way that is not supported.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise ParseError(f"cannot read: {error.strerror}", where=str(path)) from None
    with raw:
        head = _head(raw, path)
        inner = next((make() for magic, make in _COMPRESSIONS if head.startswith(magic)), None)
        content = Opened(raw, inner)
        yield io.BufferedReader(content, PIECE), content


def _head(raw: io.BufferedReader, path: Path) -> bytes:
    try:
        head = raw.peek(8)[:8]
    except OSError as error:
        raise ParseError(f"cannot read: {error.strerror}", where=str(path)) from None
    for magic, name in _OTHERS.items():
        if head.startswith(magic):
            raise ParseError(
                f"this is compressed with {name}",
                where=str(path),
                hint="decompress it first; gzip and zstandard are read as they are",
            )
    return head
