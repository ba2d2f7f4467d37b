"""What an engagement says about the looks of its reports: names, a logo, colours, language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from pipeline.engagement import kinds
from pipeline.engagement.kinds import Strict
from pipeline.engagement.source import LARGEST_YAML, Door, Reported, Source, read_limited, source_of
from pipeline.engagement.wording import shown
from pipeline.errors import Error
from pipeline.parse import ParseError
from pipeline.parse.safe_xml import SafeXml
from pipeline.render.branding import LEAST, PAPERS, Branding, Logo, OwnTemplates, contrast
from pipeline.render.language import FIRST, languages
from pipeline.render.variants import Variant

LARGEST_LOGO: Final = 256 << 10
"""Bytes."""
WIDEST_LOGO: Final = 4000
"""Pixels of a PNG, each way: a small file can unfold to a huge picture."""
LARGEST_TEMPLATE: Final = 256 << 10
MOST_TEMPLATES: Final = 50
STYLE: Final = "report.css"
_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_PNG: Final = b"\x89PNG\r\n\x1a\n"


def _logo(value: object, info: ValidationInfo) -> Logo:
    name = kinds.line(value)
    door = source_of(info).door
    data = read_limited(door.folder / name, LARGEST_LOGO)
    if len(data) > LARGEST_LOGO:
        raise ValueError(f"is larger than {LARGEST_LOGO >> 10} KiB (got {shown(name)})")
    return Logo(media=_media(name, data), data=data)


def _media(name: str, data: bytes) -> str:
    """The type of a picture by its content. Raises ``ValueError`` for what is none."""
    if data.startswith(_PNG):
        width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
        if data[12:16] != b"IHDR" or data[-8:-4] != b"IEND" or not width or not height:
            raise ValueError(f"is a PNG that is not whole (got {shown(name)})")
        if max(width, height) > WIDEST_LOGO:
            raise ValueError(f"is wider or higher than {WIDEST_LOGO:,} pixels (got {shown(name)})")
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        if not data.endswith(b"\xff\xd9"):
            raise ValueError(f"is a JPEG that is not whole (got {shown(name)})")
        return "image/jpeg"
    try:
        problem = SafeXml(root="svg", starts={}, ends={}).read(BytesIO(data))
    except ParseError as error:
        raise ValueError(
            f"is neither PNG, JPEG nor SVG: {error.what} (got {shown(name)})"
        ) from None
    if problem:
        raise ValueError(f"is an SVG that is not whole: {problem} (got {shown(name)})")
    return "image/svg+xml"


def _colour(text: str) -> str:
    if not _COLOUR.fullmatch(text):
        raise ValueError(f"must be a colour such as '#14517f' (got {shown(text)})")
    return text.lower()


def _readable(colour: str, info: ValidationInfo) -> str:
    """Links must be readable on both papers of their theme."""
    theme = "dark" if info.field_name == "link_dark" else "light"
    least = min(contrast(colour, paper) for paper in PAPERS[theme])
    if least < LEAST:
        raise ValueError(
            f"has a contrast of {least:.1f} with the {theme} page; text needs {LEAST} (WCAG AA) "
            f"(got {shown(colour)})"
        )
    return colour


def _templates(value: object, info: ValidationInfo) -> OwnTemplates:
    """The texts of the folder; no file outside of it is ever read."""
    name = kinds.line(value)
    place = (source_of(info).door.folder / name).resolve()
    if not place.is_dir():
        raise ValueError(f"there is no folder {shown(name)}")
    found = sorted(path for path in place.rglob("*") if path.suffix in (".j2", ".css"))
    if len(found) > MOST_TEMPLATES:
        raise ValueError(f"has more than {MOST_TEMPLATES} files (got {shown(name)})")
    texts = {path.relative_to(place).as_posix(): _template(path, place) for path in found}
    style = texts.pop(STYLE, "")
    if "</" in style:
        raise ValueError(f"{STYLE} may not have '</' in it (got {shown(name)})")
    own = OwnTemplates(folder=name, files=tuple(texts.items()), style=style)
    from pipeline.render.own import complaints  # Jinja is slow to load, and rarely needed here

    wrong = next(complaints(own), "")
    if wrong:
        raise ValueError(f"{wrong} (got {shown(name)})")
    return own


def _template(path: Path, place: Path) -> str:
    name = path.relative_to(place).as_posix()
    if not path.resolve().is_relative_to(place):
        raise ValueError(f"{name} leads out of the folder")
    data = read_limited(path, LARGEST_TEMPLATE)
    if len(data) > LARGEST_TEMPLATE:
        raise ValueError(f"{name} is larger than {LARGEST_TEMPLATE >> 10} KiB")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not UTF-8") from None


def _language(text: str) -> str:
    return _one_of(languages(), text)


def _variant(text: str) -> Variant:
    return Variant(_one_of([variant.value for variant in Variant], text))


def _one_of(known: Sequence[str], text: str) -> str:
    if text not in known:
        raise ValueError(f"must be one of {', '.join(known)} (got {shown(text)})")
    return text


_COLOUR_SCHEMA: Final = WithJsonSchema({"type": "string", "pattern": f"^{_COLOUR.pattern}$"})
_Colour = Annotated[str, kinds.text_of(_colour), _COLOUR_SCHEMA]
_Language = Annotated[
    str, kinds.text_of(_language), WithJsonSchema({"type": "string", "enum": [*languages()]})
]
_Variant = Annotated[
    Variant, kinds.text_of(_variant), WithJsonSchema({"type": "string", "enum": [*Variant]})
]
_Link = Annotated[str, kinds.text_of(_colour), AfterValidator(_readable), _COLOUR_SCHEMA]


class ColoursDocument(Strict):
    """Colours of the report on a screen."""

    cover: _Colour | None = Field(
        default=None,
        description="Behind the title; its text is white or black, whichever is easier to read.",
        examples=["#5b2a86"],
    )
    link: _Link | None = Field(
        default=None, description="Links in the light theme.", examples=["#5b2a86"]
    )
    link_dark: _Link | None = Field(
        default=None, description="Links in the dark theme.", examples=["#c9a6e8"]
    )


class BrandingDocument(Strict):
    """Whose report it is."""

    client: kinds.Line | None = Field(
        default=None,
        description="How reports call the client, if not as `client` above.",
        examples=["Example Holding plc"],
    )
    consultant: kinds.Line | None = Field(
        default=None, description="Who hands the report out.", examples=["Sample Security"]
    )
    logo: Annotated[Logo, PlainValidator(_logo), WithJsonSchema({"type": "string"})] | None = Field(
        default=None,
        description="A picture beside this file: PNG, JPEG or SVG, at most 256 KiB.",
        examples=["logo.png"],
    )
    colours: ColoursDocument = Field(default_factory=ColoursDocument)
    language: _Language = Field(
        default=FIRST, description="The language of what reports say of themselves."
    )

    variant: _Variant = Field(
        default=Variant.FULL,
        description="For whom reports are: everybody, who decides, or who mends.",
    )

    templates: (
        Annotated[OwnTemplates, PlainValidator(_templates), WithJsonSchema({"type": "string"})]
        | None
    ) = Field(
        default=None,
        description="A folder beside this file with templates that override blocks of the report.",
        examples=["templates"],
    )

    @property
    def value(self) -> Branding:
        """The same as a plain value."""
        return Branding(
            client=self.client or "",
            consultant=self.consultant or "",
            logo=self.logo,
            cover=self.colours.cover or "",
            link=self.colours.link or "",
            link_dark=self.colours.link_dark or "",
            language=self.language,
            variant=self.variant,
            templates=self.templates,
        )


class _BrandingPart(BaseModel):
    """Of an engagement only what its reports look like."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    engagement: kinds.Line
    branding: BrandingDocument = Field(default_factory=BrandingDocument)


def branding_now(path: Path, name: str) -> Branding:
    """What the engagement of that name says today; nothing where the file is gone or another's.

    Never raises: a report must not fail for it. What could not be read is in ``note``.
    """
    door = Door(folder=path.parent)
    try:
        part = Source(door=door, path=path).validate(
            _BrandingPart, read_limited(path, LARGEST_YAML)
        )
    except Reported:
        what = "the branding of the engagement could not be read"
        return Branding(note=f"{what}: {door.mistakes[0]}" if door.mistakes else what)
    except (ValueError, Error):
        return Branding()
    return part.branding.value if part.engagement == name else Branding()
