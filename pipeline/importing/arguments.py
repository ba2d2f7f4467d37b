"""What the recorded command line of nmap says about whom it asked, and for what."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Final

from pipeline.addresses import AddressSet, parse_range

MOST: Final = 1 << 16
"""Characters of a command line that are looked at."""

_WITH_VALUE: Final = frozenset(
    re.findall(r"\S+", "-p -iL -iR -e -S -D -g -oX -oN -oG -oS -oA -T -m -sI -b -f -PS -PA")
)
_VALUE_GOES_ALONG: Final = ("-PS", "-PA", "-f", "-T", "-iR")
_LISTS: Final = ("-iL", "-iR", "--exclude", "--excludefile", "--resume")
_LONG: Final = frozenset(
    f"--{name}"
    for name in re.findall(
        r"\S+",
        """
        data data-length data-string datadir dns-servers exclude exclude-ports excludefile
        host-timeout initial-rtt-timeout ip-options max-hostgroup max-os-tries max-parallelism
        max-rate max-retries max-rtt-timeout max-scan-delay min-hostgroup min-parallelism min-rate
        min-rtt-timeout mtu port-ratio proxies scan-delay scanflags script script-args
        script-args-file script-help script-timeout source-port spoof-mac stats-every stylesheet
        top-ports ttl version-intensity servicedb versiondb resume
        """,
    )
)
"""Long options whose value is the next word."""


def targets_of(arguments: str) -> AddressSet:
    """The addresses that a command line of nmap names; none where it names them elsewhere.

    A host name, a file of targets or an exclusion makes the answer unknown: none.
    """
    words = _words(arguments)
    if any(word.split("=")[0] in _LISTS or word.startswith(("-iL", "-iR")) for word in words):
        return AddressSet()
    try:
        return AddressSet.of(parse_range(word) for word in _targets(words))
    except ValueError:
        return AddressSet()


def asks_versions(arguments: str) -> bool:
    """True when a command line of nmap asks for services and their versions."""
    return any(
        is_option and (word == "-A" or (word.startswith("-s") and "V" in word))
        for word, is_option in _without_values(_words(arguments))
    )


def _words(arguments: str) -> list[str]:
    try:
        return shlex.split(arguments[:MOST])[1:]
    except ValueError:
        return []


def _targets(words: list[str]) -> Iterator[str]:
    return (word for word, is_option in _without_values(words) if not is_option)


def _without_values(words: list[str]) -> Iterator[tuple[str, bool]]:
    """Each word that is no option's value, and whether it is an option."""
    takes_next = False
    for word in words:
        if takes_next:
            takes_next = False
        elif word.startswith("--"):
            # Long options take their value as the next word, unless it stands behind a `=`.
            takes_next = "=" not in word and word in _LONG
            yield word, True
        elif word.startswith("-") and len(word) > 1:
            takes_next = word in _WITH_VALUE and word not in _VALUE_GOES_ALONG
            yield word, True
        else:
            yield word, False
