"""Sentences that a run recorded, in the language of the report.

They are stored as they were said when it ran: in English, with the values in them. Here each has
its template once more, so that it can be said in another language. What stands in a slot is a
number, a time or a name of ours, which the language may write in its own way; a sentence of ours
again, such as why a task failed; or a text of others, which stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Final

from pipeline.decide.throttle import Sign
from pipeline.model import Method, VerdictKind
from pipeline.render.language import FIRST, figure, say, spoken, word
from pipeline.render.text import minute

KINDS: Final = (
    *("note", "paused", "continued", "stopped", "blocked", "throttle", "refused", "foreign"),
    *("retry", "failed", "engagement", "notice", "lifted", "purge", "scans", "delivery"),
)
"""Kinds of events."""
LEFT_OUT: Final = "left out"
"""What stands in an anonymised copy in place of a text of others."""
SENTENCES: Final = (
    LEFT_OUT,
    "An anonymised copy: addresses and names are pseudonyms, and what others said is left out.",
    "What it says is left out of this copy.",
    "A rule of the engagement's own",
    "{any}, anonymised",
    # What was not asked, and why
    "all ports",
    "port {port}",
    "ports {list}",
    "{n} ports",
    "{ranges}, {ports}",
    "{ranges}, asked by {method}",
    "refused: {ranges}, {ports}",
    "refused: {ranges} ({names}), {ports}",
    "belongs to {provider} by {file}: {why}",
    "belongs to {any}",
    "no entry of third_parties.acknowledged is about it",
    "the provider asks for an approval, and the entry has no approval reference",
    "its policy is acknowledged only from {day} on",
    "no longer in the scope",
    "complete",
    "interrupted",
    "stopped",
    "not-admitted",
    "host timed out",
    "host missing in the output",
    "nmap gave up on the port",
    "local-failure: {any}",
    "{tool} did not end before its deadline and was stopped",
    "{tool} was stopped",
    "{tool} was ended by signal {n}",
    "{tool} exited with {n}: {any}",
    "{tool} wrote no output",
    "{tool}'s output is cut off",
    "{tool} was interrupted before it had sent everything",
    "it was stopped at the close of the window, and no window is long enough for it",
    # Events
    "no window is open; the next one opens {time} UTC",
    "a window is open again",
    "the window has closed; the next one opens {time} UTC",
    "no further window opens while the authorisation is valid: nothing more is sent",
    "run {run} was interrupted; what was finished is kept",
    "canaries fell silent, or something answers for them, in {ranges}: it is waited for, and then "
    "asked gently",
    "{sign}: {n}% of the rate from now on",
    "task {n} was not sent: {why}",
    "task {n} will be asked again: {why}",
    "task {n} failed: {why}",
    "task {n}: {method} reported {m} endpoint(s) that nobody asked about, dropped: {any}",
    "excludes {n} more addresses by now",
    "excludes {n} more addresses than before",
    "has other windows than before",
    "somebody else's by now: {any}",
    "excludes {names} by name: names are looked up when a run starts",
    "excluded by `portproof exclude`: {any}",
    "left alone by `portproof exclude`: {any}",
    "cannot be read as it is now, the exclusions that can be hold: {any}",
    "exclusions that can be read hold: {any}",
    "raw evidence expired: {n} file removed",
    "raw evidence expired: {n} files removed",
    "the evidence was dropped: {any}; the history, the report and the manifest are kept",
    "{any}; lifted: {why}",
    "nobody said why",
    "no file matches {any}",
    "{n} files of other scanners match, and the newest {m} are read",
    "{file} is left out: {why}",
    "{file} of {any}: {n} findings about this run",
    "{kind}: was taken by {channel}",
    "{kind}: not taken by {channel}: {any}",
    "the branding of the engagement could not be read",
    "the branding of the engagement could not be read: {any}",
    "the zones and risk rules of the engagement could not be read",
    "the zones and risk rules of the engagement could not be read: {any}",
    "the report is written without the engagement's own templates: {any}",
    # Notes of the plan
    "fragile, and asked by nothing but a handshake that never speaks: {any}",
    "fragile ports of this engagement, besides those of the profile: {list}",
    "not spared as fragile, as the engagement says: {ports} of {ranges}: {any}",
    "no version probes: nmap sends up to {n} packets to a host in one second and cannot be slowed "
    "down, and limits.rate_per_host is {m}",
    "without {any}: with all scripts nmap sends up to {n} packets to a host in one second, and "
    "limits.rate_per_host is {m}",
    "without the privilege to send raw packets there is no masscan and no SYN scan: discovery and "
    "corroboration are connect scans and handshakes",
    "without the privilege to send raw packets UDP ports are only asked by portproof's own "
    "questions: what answers them is likely to be open, and nothing confirms it",
    "the authorisation permits no SYN scans: there is no masscan, and discovery and corroboration "
    "are connect scans and handshakes",
    "no control ports: the authorisation permits no port besides those that are asked, so a device "
    "that answers for every port is harder to tell",
    "discovery without masscan ({any}): nmap sweeps instead",
    "{file} is {n} days old ({any}), more than {m}: what was given to the provider since is not "
    "known to be the provider's",
    "{file} is dated {n} days ahead, in the future: is a clock wrong?",
    "the run before this one, {run}, did not come to its end: {why}",
    "it was killed, or the machine went down",
    "{n} scheduled run passed over while run {run} was going on: {any}",
    "{n} scheduled runs passed over while run {run} was going on: {any}",
    "{n} scheduled run did not take place: {any}",
    "{n} scheduled runs did not take place: {any}",
    "this run was due {time} UTC, and began {any} later",
    "imported from {file} ({format} of {any}, SHA-256 {digest})",
    "{file}: {any}; what it does not tell is not covered",
    "{file} does not tell what was asked: it covers what answered, and nothing else",
    # How two runs differ
    "not known",
    "the scope differs: {n} addresses more and {m} less than before",
    "the ports differ: {then} before, {now} now; {n} more and {m} less than before",
    "versions were asked for before and not now: nobody knows which services changed",
    "versions are asked for now and were not before: nobody knows which services changed",
    "the methods differ: {then} before, {now} now",
    "the vantage differs: {then} before, {now} now",
    "the profile differs: {then} before, {now} now",
    "the rate differs: {then} before, {now} now",
    "the tools differ: {then} before, {now} now",
    # Why a rule of risk decided, and what to know about it
    "the service is {any}",
    "the product is {any}",
    "version {version} is {any}",
    "the page is titled {any}",
    "the certificate is flawed: {any}",
    "the connection is encrypted",
    "the connection is not encrypted",
    "its zone is {zone}",
    "criticality is {level}",
    "the verdict is {verdict}",
    "the port is {endpoint}",
    "the port is {endpoint}, and it answered in the protocol of that port",
    "the port is {endpoint}, and the service was not identified",
    "it matches everything",
    "One step up from {severity}: criticality is {level}.",
    "One step down from {severity}: criticality is {level}.",
    "The certificate has other flaws, too: {any}.",
    "{version} with {n} own rule ({digest})",
    "{version} with {n} own rules ({digest})",
    "packets per second and network (/{n}, /{m} of IPv6)",
)
"""What is more particular stands first: of several that fit the first is taken."""

_LONGEST: Final = 2000
"""Characters of the longest text that is held against templates: others may have written it."""
_NUMBER: Final = r"[0-9]{1,3}(?:,?[0-9]{3}){0,4}"
_RANGE: Final = r"(?:[0-9]{1,3}\.[0-9.]+|[0-9a-f]*:[0-9a-f:.]*)(?:[-/][0-9a-f.:]+)?"
_RANGES: Final = rf"{_RANGE}(?:, {_RANGE})*(?: and [0-9]+ more ranges)?"
_PORTS: Final = rf"all ports|ports [0-9,-]{{1,60}}|{_NUMBER} ports|port [0-9]+"
_MORE: Final = re.compile(r"(?P<ranges>.*) and (?P<n>[0-9]+) more ranges")
_SLOT: Final = re.compile(r"\{([a-z]+)\}")
_DIGEST: Final = "[0-9a-f]{12,64}"


def recorded(text: str) -> str:
    """The sentence in the language that is spoken; as it is where none of ours has that form."""
    if spoken().code == FIRST or not text:
        return text
    return _in_words(text) or text


def has_words_for(text: str) -> bool:
    """Whether the language says it in its own words."""
    return spoken().code == FIRST or bool(_in_words(text))


def _in_words(text: str) -> str:
    if text in spoken():
        return word(text)
    if len(text) > _LONGEST:
        return ""
    for template, pattern in _patterns():
        found = pattern.fullmatch(text)
        if found is not None and template in spoken():
            return say(template, **{n: _SLOTS[n][1](t) for n, t in found.groupdict().items()})
    return ""


def _number(text: str) -> str:
    return figure(int(text.replace(",", "")))


def _ranges(text: str) -> str:
    more = _MORE.fullmatch(text)
    if more is None:
        return text
    return say("{ranges} and {n} more ranges", ranges=more["ranges"], n=_number(more["n"]))


def _time(text: str) -> str:
    return minute(datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC).timestamp())


_Slot = tuple[str, Callable[[str], str]]
_SLOTS: Final[Mapping[str, _Slot]] = {
    **dict.fromkeys(("any", "version", "names", "provider", "run", "channel"), (".+?", str)),
    **dict.fromkeys(("file", "format"), (r"[^:()]+", str)),
    **dict.fromkeys(("n", "m"), (_NUMBER, _number)),
    **dict.fromkeys(("why", "what", "then", "now"), (".+?", recorded)),
    **dict.fromkeys(("level", "severity", "zone", "kind"), ("[a-z]+", word)),
    "ranges": (_RANGES, _ranges),
    "ports": (_PORTS, recorded),
    "list": (r"[0-9,U:-]+", str),
    "port": ("[0-9]+", str),
    "endpoint": ("[0-9]+/(?:tcp|udp)", str),
    "method": ("|".join(Method), str),
    "tool": ("nmap|masscan", str),
    "sign": ("|".join(Sign), word),
    "verdict": ("|".join(VerdictKind), word),
    "digest": (_DIGEST, str),
    "day": ("[0-9]{4}-[0-9]{2}-[0-9]{2}", str),
    "time": ("[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}", _time),
}


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((each, _pattern(each)) for each in SENTENCES if "{" in each)


def _pattern(template: str) -> re.Pattern[str]:
    parts = _SLOT.split(template)
    slots = [f"(?P<{name}>{_SLOTS[name][0]})" for name in parts[1::2]]
    fixed = map(re.escape, parts[::2])
    return re.compile("".join(a + b for a, b in zip(fixed, [*slots, ""], strict=True)), re.DOTALL)
