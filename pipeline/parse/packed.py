"""Open a file as it is, or unpacked, when it begins like gzip or Zstandard.

The first bytes decide, never the name. What cannot be unpacked to its end is not an error: what
came before the damage is read, and ``damage`` says what is wrong.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from pipeline.parse import ParseError

MAX_WINDOW: Final = 32 << 20
"""Bytes that unpacking Zstandard may look back, and so has to hold: ``zstd -20``, ``--long=25``."""

MAX_RATIO: Final = 400
"""Bytes that may come out for each that went in: XML of nmap shrinks to a tenth or a fiftieth."""
FREE: Final = 256 << 20
"""Bytes that may come out of a file before the ratio counts."""

_BUFFER: Final = 1 << 20
_PIECE: Final = 64 << 10
"""Bytes unpacked at a time; damage to Zstandard costs at most as many before it."""
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


class Opened:
    """A file that is being read. ``packing`` is ``gzip``, ``zstd`` or empty."""

    def __init__(self, stream: BinaryIO, packing: str = "", source: _Unpacking | None = None):
        self.stream = stream
        self.packing = packing
        self._source = source

    @property
    def damage(self) -> str:
        """What kept the file from being unpacked to its end, as far as it was read."""
        return self._source.damage if self._source else ""


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """The bytes in a file, unpacked. Raises ``OSError`` where it cannot be read."""
    with path.open("rb", buffering=0) as raw:
        begin = raw.read(len(_ZSTD))
        raw.seek(0)
        if begin.startswith(_GZIP):
            yield _unpacking("gzip", _gzip(raw, path))
        elif begin.startswith(_ZSTD):
            yield _unpacking("zstd", _zstd(raw, path))
        else:
            yield Opened(raw)


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Unpacking(io.RawIOBase):
    """Unpacked bytes, which end where the packed ones are damaged."""

    def __init__(
        self, source: _Source, broken: tuple[type[Exception], ...], where: str, raw: io.FileIO
    ) -> None:
        self._source = source
        self._broken = broken
        self._where = where
        self._raw = raw
        self._unpacked = 0
        self.damage = ""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what is handed in
        data = b"" if self.damage else self._read(min(len(buffer), _PIECE))
        buffer[: len(data)] = data
        self._unpacked += len(data)
        if self._unpacked > FREE and self._unpacked > MAX_RATIO * self._raw.tell():
            raise ParseError(
                f"{self._raw.tell()} packed bytes become more than {self._unpacked}",
                where=self._where,
                hint="no scan shrinks like that, and the file is refused; if you trust it, unpack "
                "it first",
            )
        return len(data)

    def _read(self, size: int) -> bytes:
        try:
            return self._source.read(size)
        except self._broken as broken:
            if "too much memory" in str(broken):
                raise ParseError(
                    f"unpacking this would hold more than {MAX_WINDOW >> 20} MiB in memory",
                    where=self._where,
                    hint="unpack it first: zstd --decompress --long=31",
                ) from None
            self.damage = f"it cannot be unpacked to its end: {broken}"
            return b""


def _unpacking(packing: str, source: _Unpacking) -> Opened:
    return Opened(io.BufferedReader(source, _BUFFER), packing, source)


def _gzip(raw: io.FileIO, path: Path) -> _Unpacking:
    return _Unpacking(_Gzip(raw), (EOFError, zlib.error), str(path), raw)


class _Gzip:
    """What ``gzip.GzipFile`` does, but damage costs nothing of what lies before it."""

    def __init__(self, raw: io.FileIO) -> None:
        self._raw = raw
        self._packed = b""
        self._inflate = zlib.decompressobj(wbits=31)
        self._broken: zlib.error | None = None

    def read(self, size: int, /) -> bytes:
        while not self._broken:
            if not self._packed:
                self._packed = self._raw.read(_PIECE)
                if not self._packed:
                    if self._inflate.eof:
                        return b""
                    raise EOFError("it ends too early")
            if self._inflate.eof:
                # Another member, or zeros to fill up a block.
                self._packed = self._packed.lstrip(b"\0")
                if not self._packed:
                    continue
                self._inflate = zlib.decompressobj(wbits=31)
            data = self._step(size)
            if data:
                return data
        raise self._broken

    def _step(self, size: int) -> bytes:
        before = self._inflate.copy()
        try:
            data = self._inflate.decompress(self._packed, size)
        except zlib.error as broken:
            self._broken = broken
            return _salvaged(before, self._packed, size)
        self._packed = self._inflate.unused_data or self._inflate.unconsumed_tail
        return data


def _salvaged(inflate: Any, packed: bytes, size: int) -> bytes:
    """What comes before the damage: byte by byte, because zlib keeps it to itself otherwise."""
    found = []
    with suppress(zlib.error):
        for place in range(len(packed)):
            found.append(inflate.decompress(packed[place : place + 1], size))
    return b"".join(found)


def _zstd(raw: io.FileIO, path: Path) -> _Unpacking:
    from zstandard import ZstdDecompressor, ZstdError

    # Several frames behind one another are one file, as zstd(1) has it.
    unpacking = ZstdDecompressor(max_window_size=MAX_WINDOW)
    stream = unpacking.stream_reader(raw, read_size=_PIECE, read_across_frames=True)
    return _Unpacking(stream, (ZstdError,), str(path), raw)
