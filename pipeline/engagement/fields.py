"""The texts inside an engagement and what they mean: durations, days, addresses, host names, ports.

Every function takes text as it stands in a file, and raises ``ValueError`` with a sentence for
people.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final
from unicodedata import category
from zoneinfo import ZoneInfo

from pipeline.addresses import Address, AddressSet, looks_like_address, parse_address, parse_range
from pipeline.engagement.wording import shown
from pipeline.model import Endpoint, Protocol
from pipeline.ports import PortSpec, ProtocolPorts, parse_ports, parse_spec

LARGEST_V6: Final = 2**20
"""IPv6 addresses that a scope may hold: a /108, eighteen minutes for one port at 1,000 a second."""

NEVER_TARGETS: Final = (
    (AddressSet.parse(["255.255.255.255"]), "the broadcast address 255.255.255.255"),
    (AddressSet.parse(["0.0.0.0/8"]), "addresses of 0.0.0.0/8, which no host has"),
    (AddressSet.parse(["224.0.0.0/4"]), "multicast addresses (224.0.0.0/4)"),
    (AddressSet.parse(["240.0.0.0/4"]), "reserved addresses (240.0.0.0/4)"),
    (AddressSet.parse(["::/128"]), "the unspecified address ::"),
    (AddressSet.parse(["fe80::/10"]), "link-local addresses (fe80::/10), which name no network"),
    (AddressSet.parse(["ff00::/8"]), "multicast addresses (ff00::/8)"),
)

WEEKDAYS: Final = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
# Fifteen characters is what Linux allows (IFNAMSIZ); a dash in front would be an option.
INTERFACE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,14}")
SHA256: Final = re.compile(r"[0-9A-Fa-f]{64}")

_NEVER: Final = AddressSet.of(found for never, _ in NEVER_TARGETS for found in never.ranges)
_MAPPED: Final = AddressSet.parse(["::ffff:0:0/96"])
_DURATION: Final = re.compile(
    r"(?:([0-9]{1,4})d)?(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,6})s)?(?:([0-9]{1,6})ms)?"
)
_UNITS: Final = (86400.0, 3600.0, 60.0, 1.0, 0.001)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOMENT: Final = re.compile(
    _DAY.pattern + r"[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})?"
)
_HOURS: Final = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LONGEST_NAME: Final = 253
_LONGEST_RANGE: Final = 79  # two IPv6 addresses and a dash
_LONGEST_PORTS: Final = 14  # T: 10000-20000
# Characters that make text on a screen run against its order (Unicode TR 36, 2.7).
_REORDERING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(text: str) -> str:
    """Text for people: one line, not empty, no control characters."""
    if not text.strip():
        raise ValueError("must not be empty")
    for letter in text:
        if category(letter) in ("Cc", "Cs", "Zl", "Zp") or letter in _REORDERING:
            raise ValueError(f"must not contain the control character U+{ord(letter):04X}")
    if len(text) > 200:
        raise ValueError(f"is longer than 200 characters (got {len(text)})")
    return text.strip()


def parse_duration(text: str) -> float:
    """Seconds of ``30s``, ``5m``, ``1h30m``, ``2d`` or ``500ms``."""
    found = _DURATION.fullmatch(text)
    if not found or not text:
        raise ValueError(f"is not a duration; write 30s, 5m or 1h30m (got {shown(text)})")
    amounts = zip(found.groups(default="0"), _UNITS, strict=True)
    return sum(int(amount) * unit for amount, unit in amounts)


def parse_zone(text: str) -> tzinfo:
    """A time zone by its name in the IANA database."""
    if text == "UTC":  # also where no database is installed
        return UTC
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise ValueError(
            f"is not a time zone that this machine knows; write UTC or a name such as "
            f"Europe/Berlin (got {shown(text)})"
        ) from None


def parse_moment(text: str, zone: tzinfo, *, end: bool) -> float:
    """Seconds since the epoch of a day in that zone, or of a date and time with its offset.

    A day begins at its first second; as the ``end`` of something it counts in full, so the answer
    is the first second of the day after.
    """
    try:
        if _DAY.fullmatch(text):
            day = date.fromisoformat(text) + timedelta(days=1 if end else 0)
            moment = datetime(day.year, day.month, day.day, tzinfo=zone)
        elif found := _MOMENT.fullmatch(text):
            if not found["offset"]:
                raise ValueError(f"has no offset; add Z or one such as +01:00 (got {shown(text)})")
            moment = datetime.fromisoformat(text)
        else:
            raise ValueError(
                f"is neither a day such as 2026-11-01 nor a time such as 2026-11-01T08:00+01:00 "
                f"(got {shown(text)})"
            )
        seconds = moment.timestamp()
    except OverflowError:
        seconds = -1.0
    except ValueError as problem:
        if str(problem).endswith(")"):
            raise
        raise ValueError(f"is no day of the calendar (got {shown(text)})") from None
    if not 0 <= seconds < 8e10:  # the year 4505: far enough, and never an overflow
        raise ValueError(f"lies too far from now (got {shown(text)})")
    return seconds


def parse_weekdays(text: str) -> frozenset[int]:
    """The days of ``mon``, ``mon-thu`` or ``sat-mon``; 0 is Monday."""
    first, dash, last = text.partition("-")
    begin, end = _weekday(first, text), _weekday(last if dash else first, text)
    return frozenset((begin + number) % 7 for number in range((end - begin) % 7 + 1))


def _weekday(word: str, text: str) -> int:
    name = word.strip().lower()
    for number, day in enumerate(WEEKDAYS):
        if len(name) >= 3 and day.startswith(name):
            return number
    raise ValueError(f"is no day of the week; write mon, or mon-thu (got {shown(text)})")


def parse_hours(text: str) -> tuple[int, int]:
    """Minutes from midnight of ``22:00-05:00``; the end may be 24:00, or lie on the next day."""
    found = _HOURS.fullmatch(text)
    if not found:
        raise ValueError(f"is not a time such as 22:00-05:00 (got {shown(text)})")
    begin, end = (int(found[n]) * 60 + int(found[n + 1]) for n in (1, 3))
    if begin >= 1440 or end > 1440 or int(found[2]) > 59 or int(found[4]) > 59:
        raise ValueError(f"is no time of the day (got {shown(text)})")
    if begin == end:
        raise ValueError(f"is empty; the whole day is 00:00-24:00 (got {shown(text)})")
    return begin, end or 1440


def parse_blackout(text: str) -> tuple[datetime, datetime]:
    """From and until of a day, or of two days or times with ``to`` between them.

    A last day counts in full. The clock is that of the windows, so the result has no zone.
    """
    first, to, last = text.partition(" to ")
    begin = _on_the_wall(first, text, end=False)
    end = _on_the_wall(last if to else first, text, end=True)
    if not to and _MOMENT.fullmatch(first):
        raise ValueError(f"is a time without an end; write FROM to UNTIL (got {shown(text)})")
    if end <= begin:
        raise ValueError(f"ends before it begins (got {shown(text)})")
    return begin, end


def _on_the_wall(text: str, whole: str, *, end: bool) -> datetime:
    try:
        if _DAY.fullmatch(text):
            midnight = datetime.fromisoformat(text)
            return midnight + timedelta(days=1) if end else midnight
        if (found := _MOMENT.fullmatch(text)) and not found["offset"]:
            return datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(f"is no day of the calendar (got {shown(whole)})") from None
    raise ValueError(
        "must be days such as 2026-12-24, or 2026-12-24 to 2027-01-01, or times such as 2026-11-30 "
        f"18:00 to 2026-12-01 06:00, on the clock of windows.timezone (got {shown(whole)})"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One entry of a list of targets: a range of addresses, or a host name (``range`` ``None``)."""

    text: str
    range: tuple[int, int] | None

    @property
    def addresses(self) -> AddressSet:
        """The addresses; none for a name."""
        return AddressSet((self.range,)) if self.range else AddressSet()


def parse_listed(text: str) -> Listed:
    """Read an address, a network, a range or a host name."""
    if "://" in text:
        raise ValueError(f"is a URL; write only the host in it (got {shown(text)})")
    if not looks_like_address(text) or text.startswith("-"):
        return Listed(text=parse_host(text), range=None)
    return Listed(text=text, range=_parse_range(text))


def parse_included(text: str) -> Listed:
    """Read an entry of ``include``: like :func:`parse_listed`, but fit to receive packets."""
    entry = parse_listed(text)
    if entry.range:
        require_targets(entry.addresses, text)
        if entry.addresses.family(6).size > LARGEST_V6:
            raise ValueError(
                f"holds more than {LARGEST_V6:,} IPv6 addresses and cannot be swept; include "
                f"smaller networks, or hosts by name (got {shown(text)})"
            )
    return entry


def parse_network(text: str) -> AddressSet:
    """Read an address, a network or a range that a name is expected in."""
    addresses = AddressSet((_parse_range(text),))
    require_targets(addresses, text)
    return addresses


def require_targets(addresses: AddressSet, text: str) -> None:
    """Raise ``ValueError`` when no packet may ever be sent to one of these."""
    if not addresses & _NEVER:  # one look for the tens of thousands that are in order
        return
    for never, what in NEVER_TARGETS:
        if addresses & never:
            raise ValueError(f"contains {what} (got {shown(text)})")


def _parse_range(text: str) -> tuple[int, int]:
    if len(text) > _LONGEST_RANGE:
        raise ValueError(f"is too long for an address (got {shown(text)})")
    if re.fullmatch(r"[0-9.]+:[0-9]+", text):
        raise ValueError(f"names a port; ports stand under `ports` (got {shown(text)})")
    found = parse_range(text)
    if AddressSet((found,)) & _MAPPED:
        # A connection to ::ffff:192.0.2.1 goes to 192.0.2.1, past every exclusion of IPv4.
        raise ValueError(f"is an IPv4 address inside IPv6; write it as IPv4 (got {shown(text)})")
    return found


def parse_host(text: str) -> str:
    """Read a host name (RFC 1123, section 2.1). A single dot at its end is allowed."""
    labels = text.removesuffix(".").split(".")
    if text.startswith("-"):
        raise ValueError(f"begins with a dash, like an option; no host does (got {shown(text)})")
    if not text.isascii():
        raise ValueError(f"is no host name; write its ASCII form, xn--… (got {shown(text)})")
    if len(text) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"is neither an address nor a host name (got {shown(text)})")
    if labels[-1].isdigit():
        raise ValueError(f"ends in a number, which no host name does (got {shown(text)})")
    return text


def parse_source(text: str) -> Address:
    """Read the address that packets are sent from."""
    if len(text) > _LONGEST_RANGE:
        raise ValueError(f"is too long for an address (got {shown(text)})")
    address = parse_address(text)
    require_targets(AddressSet.from_addresses([address]), text)
    return address


def parse_protocol_ports(text: str) -> ProtocolPorts:
    """Read ports as the engagement may write them: ``22,80-90``, ``top:1000``, ``T:22,U:53``."""
    _require_short(text)
    return parse_ports(text)


def parse_port_spec(text: str) -> PortSpec:
    """Read ports whose protocol is said elsewhere: ``22,80,8000-8100``, ``top:1000``, ``all``."""
    _require_short(text)
    return parse_spec(text)


def _require_short(text: str) -> None:
    for part in text.split(","):
        if len(part.strip()) > _LONGEST_PORTS:
            raise ValueError(f"is not a port or a range of ports (got {shown(part)})")


def parse_canary(text: str) -> Endpoint:
    """Read ``192.0.2.1:443``, ``192.0.2.1:53/udp`` or ``[2001:db8::1]:443``."""
    body, slash, protocol = text.partition("/")
    if slash and protocol not in tuple(Protocol):
        raise ValueError(f"ends in neither /tcp nor /udp (got {shown(text)})")
    if len(body) > _LONGEST_RANGE:
        raise ValueError(f"is too long for ADDRESS:PORT (got {shown(text)})")
    return Endpoint.parse(text)
