"""Files of ranges that providers publish, and lists of one's own: bytes to addresses."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.addresses import AddressSet, parse_range
from pipeline.engagement.fields import parse_listed
from pipeline.engagement.nodes import read
from pipeline.engagement.wording import shown

LARGEST: Final = 32 << 20
"""Bytes of a file of ranges; the largest that is published has a few million."""
_MOST: Final = 1_000_000
_AZURE_NAME: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})\.json$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What a file holds: ``entries`` are (provider, range), the provider empty if it names none.

    ``provider`` is who publishes such files; ``dated`` is epoch seconds, ``None`` if it says
    nothing.
    """

    format: str
    provider: str
    entries: tuple[tuple[str, tuple[int, int]], ...]
    dated: float | None = None


def read_ranges(name: str, text: str) -> Read:
    """Read a file by what is in it: JSON of AWS, Azure or Google, YAML or CSV by its name, or text.

    Raises ``ValueError`` with a sentence for a file that is cut off, damaged or none of these.
    """
    if name.endswith(".json") or text.lstrip()[:1] in ("{", "["):
        found = _json(name, text)
    elif name.endswith((".yml", ".yaml")):
        found = _yaml(name, text)
    elif name.endswith(".csv"):
        found = Read(format="CSV", provider="", entries=tuple(_csv(text)))
    else:
        lines = (
            (number, line.partition("#")[0].strip())
            for number, line in enumerate(text.splitlines(), 1)
        )
        entries = (("", _listed(line, f"line {number}")) for number, line in lines if line)
        found = Read(format="text", provider="", entries=tuple(entries))
    if not found.entries:  # a file that was cut off must not pass for one that marks nothing
        raise ValueError(f"holds no ranges at all (got {shown(name)})")
    if len(found.entries) > _MOST:
        raise ValueError(f"holds more than {_MOST:,} ranges (got {shown(name)})")
    return found


def sets_of(entries: Iterable[tuple[str, tuple[int, int]]]) -> dict[str, AddressSet]:
    """The addresses of each provider, as sorted ranges."""
    gathered: dict[str, list[tuple[int, int]]] = {}
    for provider, found in entries:
        gathered.setdefault(provider, []).append(found)
    return {provider: AddressSet.of(ranges) for provider, ranges in gathered.items()}


def _json(name: str, text: str) -> Read:
    try:
        document = json.loads(text)
    except json.JSONDecodeError as problem:
        where = f"line {problem.lineno}, column {problem.colno}"
        raise ValueError(f"is no JSON, or was cut off, at {where} (got {shown(name)})") from None
    except (RecursionError, ValueError):
        raise ValueError(f"is JSON that no provider writes (got {shown(name)})") from None
    if isinstance(document, dict):
        if isinstance(document.get("values"), list):
            return _azure(name, document)
        if isinstance(document.get("prefixes"), list):
            aws = "ipv6_prefixes" in document or any(
                isinstance(one, dict) and "ip_prefix" in one for one in document["prefixes"][:1]
            )
            return _aws(document) if aws else _google(document)
    raise ValueError(
        f"is JSON, but neither AWS's ip-ranges.json, nor Azure's ServiceTags, nor Google's "
        f"cloud.json or goog.json (got {shown(name)})"
    )


def _aws(document: Mapping[str, Any]) -> Read:
    entries: list[tuple[str, tuple[int, int]]] = []
    for key, inner in (("prefixes", "ip_prefix"), ("ipv6_prefixes", "ipv6_prefix")):
        for place, one in enumerate(_list(document.get(key, []), key)):
            entries.append(("", _prefix(_text(one, inner, f"{key}[{place}]"), f"{key}[{place}]")))
    return Read(
        format="AWS",
        provider="AWS",
        entries=tuple(entries),
        dated=_time(document.get("createDate"), "%Y-%m-%d-%H-%M-%S"),
    )


def _azure(name: str, document: Mapping[str, Any]) -> Read:
    entries: list[tuple[str, tuple[int, int]]] = []
    for place, one in enumerate(document["values"]):
        at = f"values[{place}].properties.addressPrefixes"
        properties = one.get("properties") if isinstance(one, dict) else None
        prefixes = properties.get("addressPrefixes") if isinstance(properties, dict) else None
        for number, prefix in enumerate(_list(prefixes, at)):
            entries.append(("", _prefix(prefix, f"{at}[{number}]")))
    found = _AZURE_NAME.search(name)
    dated = _time("-".join(found.groups()), "%Y-%m-%d") if found else None
    # The same prefix stands in many tags.
    return Read(
        format="Azure", provider="Azure", entries=tuple(dict.fromkeys(entries)), dated=dated
    )


def _google(document: Mapping[str, Any]) -> Read:
    entries: list[tuple[str, tuple[int, int]]] = []
    for place, one in enumerate(document["prefixes"]):
        at = f"prefixes[{place}]"
        key = "ipv6Prefix" if isinstance(one, dict) and "ipv6Prefix" in one else "ipv4Prefix"
        entries.append(("", _prefix(_text(one, key, at), at)))
    text = document.get("creationTime")
    whole = text.partition(".")[0] if isinstance(text, str) else None
    dated = _time(whole, "%Y-%m-%dT%H:%M:%S")
    return Read(format="Google", provider="Google", entries=tuple(entries), dated=dated)


def _yaml(name: str, text: str) -> Read:
    root, mistakes = read(text, name)
    if mistakes:
        raise ValueError(f"has a mistake: {mistakes[0]}")
    document = root.plain() if root is not None else None
    if not isinstance(document, dict) or not isinstance(document.get("networks"), list):
        raise ValueError(f"needs provider: and networks: (got {shown(name)})")
    unknown = set(document) - {"provider", "dated", "networks"}
    if unknown:
        raise ValueError(
            f"has {shown(min(unknown))}; known here: dated, networks, provider (got {shown(name)})"
        )
    provider = document.get("provider", "")
    if not isinstance(provider, str):
        raise ValueError(f"provider must be text (got {shown(provider)})")
    return Read(
        format="YAML",
        provider=provider,
        entries=tuple(
            ("", _listed(one, f"networks[{place}]"))
            for place, one in enumerate(document["networks"])
        ),
        dated=_time(document.get("dated"), "%Y-%m-%d"),
    )


def _csv(text: str) -> Iterator[tuple[str, tuple[int, int]]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    separator = ";" if lines and ";" in lines[0] else ","
    reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=separator, strict=True)
    try:
        heading = [cell.strip().lower() for cell in next(reader, [])]
        if "network" not in heading:
            raise ValueError("needs a column network below a heading, and may have one provider")
        for number, cells in enumerate(reader, 2):
            row = dict(zip(heading, (cell.strip() for cell in cells), strict=False))
            yield row.get("provider", ""), _listed(row.get("network"), f"row {number}")
    except csv.Error as problem:
        raise ValueError(f"is no CSV: {problem}") from None


def _list(value: object, at: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{at} is no list (got {shown(value)})")
    return value


def _text(value: object, key: str, at: str) -> object:
    if not isinstance(value, dict) or key not in value:
        raise ValueError(f"{at} has no {key}")
    return value[key]


def _prefix(value: object, at: str) -> tuple[int, int]:
    if isinstance(value, str) and len(value) <= 50 and "/" in value:
        try:
            return parse_range(value)
        except ValueError:
            pass
    raise ValueError(f"{at} is no network (got {shown(value)})")


def _listed(value: object, at: str) -> tuple[int, int]:
    if isinstance(value, str):
        try:
            found = parse_listed(value).range
        except ValueError:
            found = None
        if found is not None:
            return found
    raise ValueError(f"{at} is no address, network or range (got {shown(value)})")


def _time(text: object, form: str) -> float | None:
    try:
        return datetime.strptime(str(text), form).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
