"""XML made of texts: elements, attributes, and what came from the network written visibly.

What XML 1.0 cannot hold at all (section 2.2: most control characters, surrogates) and what would
not show itself is written as :func:`visible` writes it, so the document is well-formed whatever a
service said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pipeline.render.text import visible

_TEXT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# Line ends in attributes would become spaces when they are read (section 3.3.3).
_ATTRIBUTE: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;"}
)
# Most texts need nothing at all, and there are many of them.
_PLAIN: Final = re.compile("[ !#-%'-;=?-~]*")
_NOT_SHOWN: Final = re.compile("[^ -~]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def element(name: str, attributes: Mapping[str, object], inside: Iterable[str] = ()) -> str:
    """One element; ``inside`` is XML already. Attributes that are ``None`` are left out."""
    told = "".join(
        f' {key}="{_escaped(str(value), _ATTRIBUTE)}"'
        for key, value in attributes.items()
        if value is not None
    )
    content = "".join(inside)
    return f"<{name}{told}>{content}</{name}>" if content else f"<{name}{told}/>"


def text(content: str) -> str:
    """Text between tags."""
    return _escaped(content, _TEXT)


def exact(value: Any) -> str:
    """A value as JSON in ASCII: visible like the other texts, and read back to the letter.

    Lone surrogates, about which no two readers agree (RFC 8259, section 8.2), are U+FFFD.
    """
    told = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    whole = _SURROGATE.sub("\ufffd", told)
    return _NOT_SHOWN.sub(_json_escape, whole)


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def _escaped(content: str, special: dict[int, str]) -> str:
    if _PLAIN.fullmatch(content):
        return str(content)
    return visible(content, newlines=True).translate(special)
