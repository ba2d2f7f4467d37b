"""What can become of a field of a run in an anonymised copy.

Texts never stay as they are: they are looked up among words of ours, become pseudonyms, or are left
out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from pipeline.addresses import AddressSet
from pipeline.anonymising import harmless
from pipeline.anonymising.harmless import LEFT_OUT, sentence_of, version_of
from pipeline.anonymising.pseudonyms import Pseudonyms
from pipeline.decide.risk_rules import RiskPolicy
from pipeline.decide.scripts import MEASURED
from pipeline.render.branding import Branding
from pipeline.render.language import FIRST, languages


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """What comes with portproof, and therefore tells nothing: its policy and its profiles."""

    policy: RiskPolicy
    profiles: frozenset[str]


class Veil(Protocol):
    """What values are veiled with."""

    @property
    def pseudonyms(self) -> Pseudonyms:
        """For addresses and names."""
        ...

    @property
    def shipped(self) -> Shipped:
        """What may be named."""
        ...

    def value(self, value: Any) -> Any:
        """A value under pseudonyms."""
        ...


Treatment = Callable[[Veil, Any], Any]


# --- treatments ----------------------------------------------------------------------------------


def within(veil: Veil, value: Any) -> Any:
    """Numbers, times, enums and ports as they are; addresses and what has fields by decisions."""
    return veil.value(value)


def nothing(_veil: Veil, value: Any) -> Any:
    """Dropped: the empty value of its kind. Raises ``TypeError`` where there is none."""
    if isinstance(value, Mapping):
        return {}
    if value is None or isinstance(value, str | bytes | int | float | tuple | frozenset):
        return None if value is None else type(value)()
    if isinstance(value, Branding):
        known = value.language in languages()
        return Branding(language=value.language if known else FIRST, variant=value.variant)
    raise TypeError(f"nobody decided what of {type(value).__name__} may be told")


def unsaid(_veil: Veil, _value: Any) -> None:
    """Dropped: ``None``."""


def digest(_veil: Veil, value: str) -> str:
    """Whoever guesses the file would recognise it by its hash."""
    return LEFT_OUT if value else ""


def _among(words: Mapping[str, str] | frozenset[str], other: str, _veil: Veil, value: str) -> str:
    if isinstance(words, frozenset):
        return value if value in words else other if value else ""
    return words.get(value.casefold(), other if value else "")


def one_of(words: Mapping[str, str] | frozenset[str], other: str = "") -> Treatment:
    """The text, if it is one of these words."""
    return partial(_among, words, other)


def name(kind: str) -> Treatment:
    """A pseudonym for each text: ``host-1f0c93ab5d20``."""

    def named(veil: Veil, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if isinstance(value, str):
            return veil.pseudonyms.name(kind, value)
        return tuple(veil.pseudonyms.name(kind, each) for each in value)

    return named


def words(veil: Veil, value: str | frozenset[str]) -> str | frozenset[str]:
    """Nothing of what was said, but whether two said the same: verdicts depend on it."""
    if isinstance(value, frozenset):
        return frozenset(veil.pseudonyms.name("words", each) for each in value)
    return veil.pseudonyms.name("words", value)


def sentence(veil: Veil, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """Sentences of ours without what others put into them."""
    if isinstance(value, str):
        return sentence_of(value, veil.pseudonyms.addresses)
    return tuple(sentence_of(each, veil.pseudonyms.addresses) for each in value)


def version(_veil: Veil, value: str) -> str:
    """The number in front."""
    return version_of(value)


def networks(veil: Veil, value: tuple[str, ...]) -> tuple[str, ...]:
    """Networks as texts."""
    return veil.pseudonyms.addresses(AddressSet.parse(value)).networks()


def ports(_veil: Veil, value: str) -> str:
    """A list of ports, if it is one."""
    return value if _PORTS.fullmatch(value) else LEFT_OUT


def profile(veil: Veil, value: str) -> str:
    """A profile of ours; of others a pseudonym."""
    return value if value in veil.shipped.profiles else veil.pseudonyms.name("profile", value)


def policy(veil: Veil, value: str) -> str:
    """The version of our policy, without that of somebody's rules."""
    ours = veil.shipped.policy.version
    if not value or value == ours:
        return value
    return f"{ours} with own rules" if value.startswith(ours) else "another policy"


def scripts(_veil: Veil, value: tuple[str, ...]) -> tuple[str, ...]:
    """Those that everybody runs."""
    return tuple(each if each in MEASURED else LEFT_OUT for each in value)


def numbers_only(_veil: Veil, value: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Limits: those that are numbers of ours."""
    return tuple(
        (label, text)
        for label, text in value
        if _LIMIT.fullmatch(label) and _NUMBER.fullmatch(text)
    )


def tools(_veil: Veil, value: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Tools that everybody has, and their versions."""
    return tuple((n, version_of(text)) for n, text in value if n in harmless.TOOLS)


def command(_veil: Veil, value: tuple[str, ...]) -> tuple[str, ...]:
    """Of a command line: which tool, and how often it repeats a probe, which rates depend on."""
    tool = value[0].rpartition("/")[2] if value else ""
    if tool not in harmless.TOOLS:
        return ()
    places = [place for place, word in enumerate(value[:-1]) if word == "--retries"]
    repeats = [value[place + 1] for place in places if _NUMBER.fullmatch(value[place + 1])]
    return (tool, *(("--retries", repeats[0]) if repeats else ()), "…")


def cves(_veil: Veil, value: tuple[str, ...]) -> tuple[str, ...]:
    """Numbers of the list of common vulnerabilities."""
    return tuple(each for each in value if _CVE.fullmatch(each))


def authorisation(veil: Veil, value: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """That there is one, and from when to when; who and what under pseudonyms."""
    return tuple(_authorised(veil, value))


def _authorised(veil: Veil, value: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str]]:
    for label, text in value:
        plain = label.replace("_", " ").casefold()
        if plain in ("reference", "document"):
            yield label, veil.pseudonyms.name(plain, text)
        elif plain in ("signatory", "role", "contact", "contacts"):
            yield label, veil.pseudonyms.name("person", text)
        elif plain in ("valid from", "valid until"):
            yield label, found[0] if (found := _DAY.match(text)) else LEFT_OUT
        elif plain == "document sha-256":
            yield label, digest(veil, text)


_PORTS: Final = re.compile(r"(?:all|top:[0-9]+|[UT]:|[0-9]+(?:-[0-9]+)?|[ ,])*")
_LIMIT: Final = re.compile(
    r"packets per second(?: and (?:host|network \(/[0-9]+, /[0-9]+ of IPv6\)))?"
    r"|packets per second and network \(/[0-9]+, /[0-9]+ of IPv6\)|commands at once"
    r"|rate(?: per host)?|concurrency"
)
_NUMBER: Final = re.compile(r"[0-9]{1,3}(?:,?[0-9]{3}){0,3}(?: packets/s)?")
_CVE: Final = re.compile(r"CVE-[0-9]{4}-[0-9]{4,7}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
