"""Readers of other tools' machine formats: bytes in, values out, streaming."""

from __future__ import annotations

from pipeline.errors import Error

CUT = " […cut]"
"""Ends every text that was shortened because it was longer than its reader keeps."""


class ParseError(Error):
    """The input is not in the format that it should be in, or it is hostile.

    A file that is merely cut off or damaged is not an error: its reader hands out what was
    complete and says in its answer that the rest is missing.
    """


def bounded(text: str, limit: int) -> str:
    """``text`` itself, or its first ``limit`` characters and the mark ``CUT``."""
    return text if len(text) <= limit else text[:limit] + CUT
