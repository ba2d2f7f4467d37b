"""In which language the fixed texts of a report are.

The English text is in the code and in the templates, and is its own key. A language is a catalogue
of the others, ``templates/languages/CODE.po``; whoever renders for people opens it once, with
:func:`speaking`, around the whole of one report. Outside of it everything is English, so what is
written for programs stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from gettext import c2py
from types import MappingProxyType
from typing import Final, Generic, TypeVar

from pipeline.render.catalogue import CatalogueError, read_catalogue
from pipeline.resources import folder, read_text

FIRST: Final = "en"
"""The language of the code."""
RULES: Final = "languages/risks"
"""Where catalogues of the rules of risk lie, which may lack texts: those stay English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """``messages`` are texts by their English one: as many as the language has plural forms where
    a number decides, else one. ``plural`` tells which of them a number takes.

    ``group`` and ``decimal`` are marks within numbers, ``date`` is a format of ``strftime``.
    """

    code: str
    messages: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    plural: Callable[[int], int] = lambda number: int(number != 1)
    group: str = ","
    decimal: str = "."
    date: str = "%Y-%m-%d"

    def __contains__(self, text: str) -> bool:
        return text in self.messages

    def of(self, text: str) -> str:
        """The text in this language; itself where the catalogue lacks it."""
        return self.messages[text][0] if text in self.messages else text

    def of_many(self, number: int, one: str, several: str) -> str:
        """The same where a number decides."""
        if one not in self.messages:
            return one if number == 1 else several
        return self.messages[one][self.plural(number)]


ENGLISH: Final = Language(code=FIRST)
_spoken: ContextVar[Language] = ContextVar("language", default=ENGLISH)


def languages() -> tuple[str, ...]:
    """The codes of all languages that there is a catalogue of, and English."""
    found = (folder("templates") / "languages").glob("*.po")
    return tuple(sorted({FIRST, *(path.stem for path in found)}))


@cache
def language(code: str) -> Language:
    """The language of that code. Raises :class:`Error` where its catalogue cannot be used."""
    if code == FIRST:
        return ENGLISH
    name = f"languages/{code}.po"
    spoken = language_in(read_text("templates", name), code, f"templates/{name}")
    rules = f"{RULES}/{code}.po"
    if not (folder("templates") / rules).is_file():
        return spoken
    _, more = read_catalogue(read_text("templates", rules), f"templates/{rules}", whole=False)
    return replace(spoken, messages=MappingProxyType({**more, **spoken.messages}))


def language_in(text: str, code: str, where: str) -> Language:
    """The language that a catalogue holds. Raises :class:`Error`."""
    head, messages = read_catalogue(text, where)
    marks = {
        key: head[name]
        for key, name in (
            ("group", "X-Number-Group"),
            ("decimal", "X-Number-Decimal"),
            ("date", "X-Date"),
        )
        if name in head
    }
    count, _, rule = head.get("Plural-Forms", "").partition(";")
    forms = count.strip().removeprefix("nplurals=")
    try:
        plural = c2py(rule.strip().removeprefix("plural=").rstrip(";"))
        needed = int(forms)
    except ValueError:
        raise CatalogueError(
            "Plural-Forms is not a number of forms and a rule",
            where=where,
            hint='such as "Plural-Forms: nplurals=2; plural=(n != 1);"',
        ) from None
    for key, texts in messages.items():
        if len(texts) not in (1, needed):
            raise CatalogueError(f"{key!r} has {len(texts)} forms, not {needed}", where=where)
    return Language(code=code, messages=messages, plural=plural, **marks)


@contextmanager
def speaking(spoken: Language) -> Iterator[None]:
    """Within it every fixed text is in that language."""
    before = _spoken.set(spoken)
    try:
        yield
    finally:
        _spoken.reset(before)


def spoken() -> Language:
    """The language that is spoken now."""
    return _spoken.get()


def forms(one: str, several: str) -> tuple[str, str]:
    """The two of a text that depends on a number and is said later, by :func:`say_many`."""
    return one, several


def say(text: str, /, **values: object) -> str:
    """A fixed text in the language that is spoken; whole numbers among the values are grouped."""
    said = _spoken.get().of(text)
    return said.format(**_grouped(values)) if values else said


def say_many(number: int, one: str, several: str, /, **values: object) -> str:
    """The same for a text that depends on a number, which it may name as ``{n}``."""
    said = _spoken.get().of_many(number, one, several)
    return said.format(**_grouped({"n": number, **values}))


def _grouped(values: Mapping[str, object]) -> dict[str, object]:
    return {n: figure(v) if isinstance(v, int) else v for n, v in values.items()}


def word(name: str) -> str:
    """What a name of ours is called: a verdict, a severity, a kind of change."""
    return _spoken.get().of(name.value if isinstance(name, StrEnum) else name)


def figure(value: float) -> str:
    """A number without its fraction: ``1,234``."""
    return f"{value:,.0f}".replace(",", _spoken.get().group)


def fraction(text: str) -> str:
    """A number that has a decimal point, as the language writes it: ``0.3``."""
    return text.replace(".", _spoken.get().decimal)


Key = TypeVar("Key")


class Phrases(Mapping[Key, str], Generic[Key]):
    """Fixed texts by key, each in the language that is spoken when it is looked up."""

    def __init__(self, texts: Mapping[Key, str]) -> None:
        self.texts: Final = MappingProxyType(dict(texts))

    def __getitem__(self, key: Key) -> str:
        return _spoken.get().of(self.texts[key])

    def __iter__(self) -> Iterator[Key]:
        return iter(self.texts)

    def __len__(self) -> int:
        return len(self.texts)
