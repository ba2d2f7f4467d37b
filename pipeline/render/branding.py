"""Whose report it is: names, a logo, colours. Validated at the door, plain values from then on."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from pipeline.render.language import FIRST
from pipeline.render.variants import Variant

PAPERS: Final = {"light": ("#ffffff", "#f4f6f8"), "dark": ("#12181f", "#1a222b")}
"""By theme what links stand on: ``--paper`` and ``--shade`` of the style of the report."""
LEAST: Final = 4.5
"""Contrast of text with what it stands on (WCAG 2.1, 1.4.3, level AA)."""
_INKS: Final = ("#ffffff", "#000000")


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """A picture that was checked; ``media`` is its type: ``image/png``, ``image/svg+xml``."""

    media: str
    data: bytes

    @property
    def uri(self) -> str:
        """The picture as a ``data:`` URI (RFC 2397)."""
        return f"data:{self.media};base64,{b64encode(self.data).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnTemplates:
    """Templates that override blocks of ours: ``files`` are (name, text) pairs in their order.

    ``folder`` is what the engagement calls it; ``style`` is what comes after our own style.
    """

    folder: str
    files: tuple[tuple[str, str], ...]
    style: str = ""

    @property
    def sha256(self) -> str:
        """Of all names and texts."""
        parts = (*self.files, ("report.css", self.style))
        return sha256(b"\0".join(part.encode() for pair in parts for part in pair)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Branding:
    """All of it may be missing. Colours are ``#rrggbb``, in lower case.

    ``note`` says why what the engagement says could not be read.
    """

    client: str = ""
    consultant: str = ""
    logo: Logo | None = None
    cover: str = ""
    link: str = ""
    link_dark: str = ""
    note: str = ""
    language: str = FIRST
    """The code of the language of fixed texts."""
    variant: Variant = Variant.FULL
    templates: OwnTemplates | None = None

    @property
    def style(self) -> str:
        """Rules for the end of the style of the report; empty where no colour is given.

        Paper keeps its own colours.
        """
        light = dark = ""
        if self.cover:
            ink = max(_INKS, key=lambda ink: contrast(ink, self.cover))
            light = f"--cover: {self.cover}; --cover-ink: {ink}; --cover-soft: {ink}; "
            dark = light
        light += f"--link: {self.link}; " if self.link else ""
        dark += f"--link: {self.link_dark}; " if self.link_dark else ""
        rules = ""
        for theme, values in (("light", light), ("dark", dark)):
            if values:
                media = f"@media screen and (prefers-color-scheme: {theme})"
                rules += f"\n{media} {{ :root {{ {values}}} }}"
        return rules + (f"\n{self.templates.style}" if self.templates else "")


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours ``#rrggbb``, from 1 to 21 (WCAG 2.1, contrast ratio)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.1), from 0 to 1."""
    parts = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
