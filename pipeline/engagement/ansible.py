"""Ansible's inventories: hosts and what variables say of them, from INI and from YAML.

A host has the variables of its groups, those of the group nearest to it before those of the groups
above, and its own before all (docs.ansible.com, "How variables are merged"). Nothing is executed:
what has a template (``{{ … }}``) or is encrypted in it, counts as not said.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.engagement import nodes
from pipeline.engagement.source import Door, Reported
from pipeline.engagement.wording import printable, shown

MOST_HOSTS: Final = 100_000
"""Hosts of one inventory, ranges written out."""

_SECTION: Final = re.compile(r"\[\s*([^\]:]+?)\s*(?::\s*(vars|children|hosts)\s*)?\]\s*(?:[#;].*)?")
_RANGE: Final = re.compile(r"\[([0-9]+):([0-9]+)(?::([0-9]+))?\]|\[([a-z]):([a-z])\]")


@dataclass(slots=True)
class _Group:
    hosts: dict[str, dict[str, str]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    children: dict[str, None] = field(default_factory=dict)


def read_ansible(text: str, path: Path, door: Door) -> Iterator[Mapping[str, str]]:
    """The variables of each host, its name in the inventory under ``inventory_hostname``.

    Raises ``ValueError`` with a sentence, or :class:`Reported` once all mistakes are filed.
    """
    begins = next((line for line in text.splitlines() if line.strip(" \t\ufeff")), "")
    yaml = path.suffix in (".yml", ".yaml") or begins.startswith("---")
    groups = _from_yaml(text, path, door) if yaml else _from_ini(text)
    if sum(len(group.hosts) for group in groups.values()) > MOST_HOSTS:
        raise ValueError(f"names more than {MOST_HOSTS:,} hosts")
    yield from _hosts(groups)


def _hosts(groups: Mapping[str, _Group]) -> Iterator[Mapping[str, str]]:
    depths = _depths(groups)
    over: dict[str, list[str]] = {}
    for name, group in groups.items():
        for child in group.children:
            over.setdefault(child, []).append(name)
    own: dict[str, dict[str, str]] = {}
    within: dict[str, set[str]] = {}
    for name, group in groups.items():
        for host, variables in group.hosts.items():
            own.setdefault(host, {}).update(variables)
            within.setdefault(host, set()).add(name)
    for host, direct in own.items():
        found = {"all"} | direct_and_above(within[host], over)
        merged: dict[str, str] = {}
        for name in sorted(found & groups.keys(), key=lambda each: (depths.get(each, 1), each)):
            merged |= groups[name].variables
        yield merged | direct | {"inventory_hostname": host}


def direct_and_above(names: set[str], over: Mapping[str, list[str]]) -> set[str]:
    """The groups, and all that they are children of."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += over.get(name, [])
    return found


def _depths(groups: Mapping[str, _Group]) -> dict[str, int]:
    """How far below ``all`` each group is; a group that is its own child is where it was first."""
    depths = {"all": 0}
    level = ["all"]
    children = {child for group in groups.values() for child in group.children}
    level += [name for name in groups if name not in children and name != "all"]
    depths |= {name: 1 for name in level if name != "all"}
    while level:
        below: list[str] = []
        for name in level:
            for child in groups[name].children if name in groups else ():
                if child not in depths:
                    depths[child] = depths[name] + 1
                    below.append(child)
        level = below
    return depths


# --- INI ---------------------------------------------------------------------------------------


def _from_ini(text: str) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    name, part = "ungrouped", ""
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip(" \t\ufeff")
        if not line or line[0] in "#;":
            continue
        if line.startswith("["):
            section = _SECTION.fullmatch(line)
            if section is None:
                raise ValueError(f"line {number}: {shown(line)} is no section of an inventory")
            name, part = section[1], section[2] or "hosts"
            groups.setdefault(name, _Group())
            continue
        group = groups.setdefault(name, _Group())
        match part:
            case "vars":
                key, _, value = line.partition("=")
                _set(group.variables, key.strip(), value.strip())
            case "children":
                child = line.split()[0]
                group.children[child] = None
                groups.setdefault(child, _Group())
            case _:
                _host_line(group, line, number)
    return groups


def _host_line(group: _Group, line: str, number: int) -> None:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        raise ValueError(f"line {number}: a quote is not closed (got {shown(line)})") from None
    if not words:
        return
    variables: dict[str, str] = {}
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if equals:
            _set(variables, key, value)
    _add(group, words[0], variables)


def _add(group: _Group, pattern: str, variables: Mapping[str, str]) -> None:
    for host in _written_out(pattern):
        # A port may stand behind the name; two colons are an IPv6 address.
        if host.count(":") == 1:
            host = host.partition(":")[0]
        group.hosts.setdefault(host, {}).update(variables)
        if len(group.hosts) > MOST_HOSTS:
            raise ValueError(f"names more than {MOST_HOSTS:,} hosts")


def _written_out(pattern: str) -> Iterator[str]:
    """``www[01:50].example.com`` as fifty names."""
    found = _RANGE.search(pattern)
    if found is None:
        yield pattern
        return
    if found[4]:
        inner = [chr(code) for code in range(ord(found[4]), ord(found[5]) + 1)]
    else:
        step, width = int(found[3] or 1) or 1, len(found[1])
        if int(found[2]) - int(found[1]) > MOST_HOSTS:
            raise ValueError(f"names more than {MOST_HOSTS:,} hosts (got {shown(pattern)})")
        inner = [f"{n:0{width}d}" for n in range(int(found[1]), int(found[2]) + 1, step)]
    for one in inner:
        yield from _written_out(pattern[: found.start()] + one + pattern[found.end() :])


def _set(variables: dict[str, str], key: str, value: str) -> None:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    if "{{" not in value:
        variables[key] = value


# --- YAML --------------------------------------------------------------------------------------


def _from_yaml(text: str, path: Path, door: Door) -> dict[str, _Group]:
    root, mistakes = nodes.read(text, printable(str(path)), foreign=True)
    door.mistakes.extend(mistakes)
    if mistakes:
        raise Reported
    if root is None or not isinstance(root.value, dict):
        raise ValueError("is no inventory: it should be a mapping of groups")
    groups: dict[str, _Group] = {}
    for name, node in root.value.items():
        _group(groups, name, node)
    return groups


def _group(groups: dict[str, _Group], name: str, node: nodes.Node) -> None:
    group = groups.setdefault(name, _Group())
    for host, variables in _mapping(node, "hosts").items():
        _add(group, host, _texts(variables))
    group.variables.update(_texts(node, "vars"))
    for child, inner in _mapping(node, "children").items():
        group.children[child] = None
        _group(groups, child, inner)


def _mapping(node: nodes.Node, key: str) -> Mapping[str, nodes.Node]:
    within = node.value.get(key) if isinstance(node.value, dict) else None
    return within.value if within is not None and isinstance(within.value, dict) else {}


def _texts(node: nodes.Node, key: str = "") -> dict[str, str]:
    """The variables that are plain; a list of plain values is one text with commas."""
    found: dict[str, str] = {}
    inner = _mapping(node, key) if key else node.value
    for name, each in inner.items() if isinstance(inner, Mapping) else ():
        value = each.value
        if isinstance(value, tuple):
            value = ",".join(str(one.value) for one in value)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            _set(found, name, str(value))
    return found
