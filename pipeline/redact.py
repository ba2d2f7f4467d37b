"""Take secrets and personal data out of texts before they are written anywhere.

What is found gives way to ``[redacted:RULE]``, and all around it stays. Texts that were equal are
equal afterwards, so what is concluded from services that say the same is concluded all the same.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pipeline.model import Answer, Hole, Observation, Service
from pipeline.redaction_rules import MARKS, RULES, Rule, own_rule

_LONG: Final = 200
"""Characters up to which one look for all needles is faster than one for each rule."""
_NO_LETTER: Final = frozenset(MARKS)
_PASSES: Final = 4
"""Taking one secret out can lay the beginning of another bare; a pass that changes nothing ends."""
_CERTIFICATE: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s|]{1,65536}+)-----END CERTIFICATE-----"
)
_ADDRESS_INSIDE: Final = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}\.[a-z]")
_XML_VALUE: Final = re.compile(r'"([^"]*)("|\Z)|>([^<]+)')
_FINGERPRINT: Final = re.compile(r'\bservicefp="[^"]*("|\Z)')
_FINGERPRINT_LINE: Final = re.compile(r"(?m)^(?:SF-Port|SF:|={2,}NEXT SERVICE).*$")
_HAS_WORDS: Final = ("<script", "<elem", "<table", "<hostname ", 'method="probed"', "errormsg=")
_SCRIPT_LINES: Final = re.compile(r"(?m)^\|[^\n]*(?:\n\|[^\n]*)*")
_BANNER: Final = re.compile(r'(<script id="banner" output=")([^"]*)')
SCRIPT: Final = "[redacted:script]"
FINGERPRINT: Final = "[redacted:fingerprint]"


@dataclass(frozen=True, slots=True)
class Redactor:
    """Applies the rules, and those of an engagement after them."""

    rules: tuple[Rule, ...] = RULES
    _marks: tuple[tuple[str, str], ...] = field(init=False, repr=False)
    _needle: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        names = ("certificate", *(rule.name for rule in self.rules))
        marks = tuple((f"[redacted:{n}]", m) for n, m in zip(names, MARKS, strict=False))
        object.__setattr__(self, "_marks", marks)
        needles = {needle for rule in self.rules for needle in rule.needles}
        words = "|".join(map(re.escape, sorted(needles | {"certificate", *MARKS})))
        object.__setattr__(self, "_needle", re.compile(words))

    @classmethod
    def of(cls, own: Iterable[str] = ()) -> Redactor:
        """With the texts of an engagement's ``privacy.redact``."""
        texts = tuple(own)
        return cls((*RULES, own_rule(texts))) if texts else cls()

    def text(self, text: str) -> str:
        """The text without secrets; doing it again changes nothing."""
        if len(text) < _LONG and not self._needle.search(text.lower()):
            return text
        if not _NO_LETTER.isdisjoint(text):
            text = "".join("\ufffd" if letter in _NO_LETTER else letter for letter in text)
        text = self._turn(text, into_marks=True)
        for _ in range(_PASSES):
            before, text = text, self._once(text)
            if text == before:
                break
        return self._turn(text, into_marks=False)

    def _turn(self, text: str, *, into_marks: bool) -> str:
        if into_marks and "[redacted:" not in text:
            return text
        for words, mark in self._marks:
            text = text.replace(words, mark) if into_marks else text.replace(mark, words)
        return text

    def _once(self, text: str) -> str:
        lowered = text.lower()
        for rule, (_, mark) in zip(self.rules, self._marks[1:], strict=True):
            if any(needle in lowered for needle in rule.needles):
                text = rule.apply(text, mark)
        if "-----BEGIN CERTIFICATE-----" in text:
            text = _CERTIFICATE.sub(self._certificate, text)
        return text

    def _certificate(self, found: re.Match[str]) -> str:
        """A certificate stays, unless there is a secret in it, such as somebody's address."""
        try:
            inside = base64.b64decode(re.sub(r"[\s|]", "", found[1])).decode("latin-1")
        except (binascii.Error, ValueError):
            return found[0]
        # In DER the next field begins with a letter or a digit, in the middle of a word.
        told = _ADDRESS_INSIDE.search(inside) or self._once(inside) != inside
        return MARKS[0] if told else found[0]

    def service(self, service: Service) -> Service:
        """What is known about a service, without secrets."""
        return replace(
            service,
            name=self.text(service.name),
            product=self.text(service.product),
            version=self.text(service.version),
            extra=self.text(service.extra),
            hostname=self.text(service.hostname),
            banner=self.text(service.banner),
            cpes=tuple(self.text(cpe) for cpe in service.cpes),
            scripts=tuple(
                (name, self._wrapped(output) if name == "banner" else self.text(output))
                for name, output in service.scripts
            ),
        )

    def _wrapped(self, text: str) -> str:
        """What nmap's script *banner* said, which it breaks into lines wherever one is full; with
        a secret in it, on one line."""
        flat = text.replace("\n", "")
        redacted = self.text(flat)
        return self.text(text) if redacted == flat else redacted

    def observation(self, observation: Observation) -> Observation:
        """What was seen of an endpoint, without secrets. What decides is not touched: the state,
        its reason, and whether anything was said after the handshake.
        """
        if not observation.banner and observation.service is None:
            return observation
        service = observation.service
        return replace(
            observation,
            banner=self.text(observation.banner),
            service=None if service is None else self.service(service),
        )

    def hole(self, hole: Hole) -> Hole:
        """What a tool gave up on; its reason may be in the words of a service."""
        return replace(hole, reason=self.text(hole.reason))

    def answer(self, answer: Answer) -> Answer:
        """All that came back from a task, without secrets."""
        return replace(
            answer,
            observations=tuple(map(self.observation, answer.observations)),
            holes=tuple(map(self.hole, answer.holes)),
            problem=self.text(answer.problem),
        )

    def xml_line(self, line: str) -> str:
        """One line of nmap's XML, in which a value never goes over the end of a line.

        Each value is taken out of its escapes, redacted, and put back; one without secrets stays
        byte for byte. What nmap could not make out (``servicefp``) holds whole answers of services
        in an escape of its own, and is left out.
        """
        if not any(mark in line for mark in _HAS_WORDS):
            return line
        line = _FINGERPRINT.sub(rf'servicefp="{FINGERPRINT}\1', line)
        line = _BANNER.sub(self._xml_banner, line)
        return _XML_VALUE.sub(self._xml_value, line)

    def _xml_banner(self, found: re.Match[str]) -> str:
        return f"{found[1]}{self._escaped(found[2], self._wrapped)}"

    def _xml_value(self, found: re.Match[str]) -> str:
        if found[3] is not None:
            return f">{self._escaped(found[3])}"
        return f'"{self._escaped(found[1])}{found[2]}'

    def _escaped(self, value: str, redact: Callable[[str], str] | None = None) -> str:
        plain = html.unescape(value)
        redacted = (redact or self.text)(plain)
        if redacted == plain:
            return value
        text = html.escape(redacted).replace("&#x27;", "&apos;")
        return re.sub(r"[^\x20-\x7e\udc80-\udcff]", lambda odd: f"&#x{ord(odd[0]):x};", text)

    def json_line(self, line: str) -> str:
        """One line of a file of JSON values. Without a banner in it, there is nothing to redact."""
        if '"banner"' not in line:
            return line
        try:
            value = json.loads(line)
        except ValueError:
            return self.text(line)
        redacted = self._within(value)
        return line if redacted == value else json.dumps(redacted) + "\n"

    def _within(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case list():
                return [self._within(part) for part in value]
            case dict():
                return {key: self._within(part) for key, part in value.items()}
            case _:
                return value

    def log(self, text: str) -> str:
        """What a tool said to people, without secrets, without its fingerprints of services, and
        without what scripts said: nmap breaks it into lines, and it is in the XML."""
        text = _FINGERPRINT_LINE.sub(FINGERPRINT, text)
        return self.text(_SCRIPT_LINES.sub(SCRIPT, text))
