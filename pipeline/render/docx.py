"""A run in short as a document for word processors, in a template of whoever reports.

A template is a DOCX in which Jinja says where ``told``, an
:class:`~pipeline.render.outline.Outline`, goes. Ours lies open in ``templates/docx/``, and is
packed when it is needed. A template is a foreign file: it runs in a sandbox, and a name that does
not exist is an error.
"""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from pipeline.errors import Error
from pipeline.render.branding import Logo
from pipeline.render.document import RunDocument
from pipeline.render.extras import needed
from pipeline.render.language import FIRST, language, say, speaking, word
from pipeline.render.outlining import outline
from pipeline.render.text import typed_parts, visible
from pipeline.resources import folder

_FIRST: Final = "[Content_Types].xml"
_WORD: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PIXELS: Final = ("image/png", "image/jpeg")
_LOGO_WIDTH, _LOGO_HEIGHT = 60 * 36_000, 16 * 36_000
"""In units of DOCX, 36,000 to a millimetre."""
_EPOCH: Final = datetime(1980, 1, 1, tzinfo=UTC)
"""Before it there is no time in a ZIP file."""


def render_docx(document: RunDocument, *, template: Path | None = None) -> bytes:
    """The document, in ``template`` or in ours. Same document, same bytes.

    Raises :class:`Error` without docxtpl, and for a template that cannot be read or filled.
    """
    docxtpl = needed("docx")
    when = max(datetime.fromtimestamp(round(document.started), UTC), _EPOCH)
    where = str(template or folder("templates") / "docx")
    told = outline(document)
    try:
        content = plain_template() if template is None else template.read_bytes()
        filled = docxtpl.DocxTemplate(io.BytesIO(content))
        with speaking(language(document.branding.language)):
            names = {"told": told, "say": say, "logo": _logo(filled, document.branding.logo)}
            filled.render(names, _environment(), autoescape=True)
        if template is None and told.language != FIRST:
            _written_in(filled, told.language)
        properties = filled.core_properties
        properties.title, properties.author = told.title, f"portproof {told.portproof}"
        properties.last_modified_by, properties.revision = "", 1
        properties.created = properties.modified = when.replace(tzinfo=None)
        out = io.BytesIO()
        filled.save(out)
    except OSError as problem:
        raise Error(f"the template cannot be read: {problem.strerror}", where=where) from None
    except TemplateError as problem:
        raise Error(
            f"the template cannot be filled: {problem.message}",
            where=where,
            hint="docs/report-forms.md tells what a template may name",
        ) from None
    except (zipfile.BadZipFile, KeyError, ValueError) as problem:
        raise Error(
            f"the template is no DOCX: {problem}", where=where, hint="save it as .docx again"
        ) from None
    return _same(out.getvalue(), when)


def _logo(filled: Any, logo: Logo | None) -> Any:
    """The logo in its room; nothing where there is none, nor for a drawing: DOCX wants pixels."""
    if logo is None or logo.media not in _PIXELS:
        return ""
    docxtpl, picture = needed("docx"), import_module("docx.image.image")
    image = picture.Image.from_blob(logo.data)
    wide = image.px_width * _LOGO_HEIGHT > image.px_height * _LOGO_WIDTH
    size = {"width": _LOGO_WIDTH} if wide else {"height": _LOGO_HEIGHT}
    return docxtpl.InlineImage(filled, io.BytesIO(logo.data), **size)


def _written_in(filled: Any, code: str) -> None:
    """Tell word processors the language, so that they do not spell it in another."""
    for element in filled.docx.styles.element.iter(f"{_WORD}lang"):
        element.set(f"{_WORD}val", code)


def plain_template() -> bytes:
    """Our own template as a file, to begin one of one's own with."""
    place = folder("templates") / "docx"
    names = sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file())
    parts = {name: (place / name).read_bytes() for name in sorted(names, key=_order)}
    return _packed(parts, _EPOCH)


def _order(name: str) -> tuple[bool, str]:
    return name != _FIRST, name


def _same(content: bytes, when: datetime) -> bytes:
    """The same parts with the time of the run, and not with that of the clock."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return _packed({name: archive.read(name) for name in archive.namelist()}, when)


def _packed(parts: dict[str, bytes], when: datetime) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            info = zipfile.ZipInfo(name, when.timetuple()[:6])
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o600 << 16
            archive.writestr(info, content)
    return out.getvalue()


def _environment() -> SandboxedEnvironment:
    made = SandboxedEnvironment(undefined=StrictUndefined, autoescape=True, finalize=_shown)
    made.filters.update(quoted=_quoted, word=word)
    return made


def _quoted(text: str) -> str:
    """What is to be typed between quotes in place of backticks, which only Markdown knows."""
    return "".join(f"“{part}”" if typed else part for part, typed in typed_parts(text))


def _shown(value: Any) -> Any:
    """Nothing that XML cannot hold gets into the document, whatever the template forgets."""
    return visible(value) if type(value) is str else value
