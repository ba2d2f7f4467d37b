"""What this host can do: its tools, its privileges, the networks on its links."""

from __future__ import annotations

import os
import re
import resource
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

from pipeline.addresses import AddressSet, number_of
from pipeline.errors import ToolError
from pipeline.model import Protocol
from pipeline.process import capture, find_program, refuse_foreign_config

CAP_NET_RAW: Final = 13
OLDEST: Final[Mapping[str, tuple[int, ...]]] = {"nmap": (7, 80), "masscan": (1, 3, 0)}
"""Older versions lack what we rely on: ports named in nmap's ``extrareasons``, masscan's retries
and its JSON lines."""
_FILE_CAPABILITY: Final = "security.capability"
_ROUTE_UP: Final = 0x1
_ROUTE_REJECT: Final = 0x200


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program, its version, and whether it may send raw packets here."""

    name: str
    path: Path
    version: str
    raw: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found. ``on_link`` are addresses reached without a gateway; ``missing`` are the
    errors of tools that cannot be used."""

    tools: tuple[Tool, ...]
    missing: tuple[ToolError, ...]
    on_link: AddressSet

    def tool(self, name: str) -> Tool | None:
        """The tool of that name, if it can be used."""
        return next((tool for tool in self.tools if tool.name == name), None)

    @property
    def programs(self) -> dict[str, Path]:
        """Absolute paths by name."""
        return {tool.name: tool.path for tool in self.tools}


def survey() -> Survey:
    """Look at this host. Sends nothing; raises nothing: what is missing is part of the answer."""
    tools: list[Tool] = []
    missing: list[ToolError] = []
    for name in ("nmap", "masscan"):
        try:
            tools.append(_inspect(name))
            if name == "masscan":
                refuse_foreign_config()
        except ToolError as error:
            tools = [tool for tool in tools if tool.name != name]
            missing.append(error)
    return Survey(tools=tuple(tools), missing=tuple(missing), on_link=on_link_networks())


def _inspect(name: str) -> Tool:
    path = find_program(name)
    said = capture(path, ("--version",), timeout=20)
    found = re.search(r"version (\d+(?:\.\d+)*)", said)
    if found is None:
        raise ToolError(
            f"{path} does not say its version, so it is not known to be {name}",
            hint=f"put a real {name} first on the PATH",
        )
    version = tuple(int(part) for part in found[1].split("."))
    if version < OLDEST[name]:
        oldest = ".".join(map(str, OLDEST[name]))
        raise ToolError(
            f"{path} is version {found[1]}, which is too old",
            hint=f"install {name} {oldest} or newer",
        )
    return Tool(name=name, path=path, version=found[1], raw=_may_send_raw(path))


def _may_send_raw(path: Path) -> bool:
    return process_has_net_raw() or _file_has_net_raw(path)


def process_has_net_raw(status: Path = Path("/proc/self/status")) -> bool:
    """True when this process, and so what it starts, holds ``CAP_NET_RAW`` (capabilities(7))."""
    try:
        lines = status.read_text().splitlines()
    except OSError:
        return os.geteuid() == 0
    held = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    return bool(held >> CAP_NET_RAW & 1)


def _file_has_net_raw(path: Path) -> bool:
    try:
        data = os.getxattr(path, _FILE_CAPABILITY)
    except OSError:
        return False
    # struct vfs_cap_data of linux/capability.h: magic and flags, then the permitted set.
    magic, permitted = struct.unpack_from("<II", data)
    return bool(magic & 1 and permitted >> CAP_NET_RAW & 1)


def on_link_networks(
    v4: Path = Path("/proc/net/route"),
    v6: Path = Path("/proc/net/ipv6_route"),
    own: Path = Path("/proc/net/fib_trie"),
) -> AddressSet:
    """Addresses that the routing table reaches without a gateway, this host's own included.

    ``v4`` is the main table alone and lacks this host's own addresses, which ``own`` has; ``v6``
    has both.
    """
    ranges = [(number_of(IPv4Address("127.0.0.0")), number_of(IPv4Address("127.255.255.255")))]
    ranges += [(number_of(IPv6Address("::1")),) * 2]
    ranges += _v4_links(v4) + _v4_own(own) + _v6_links(v6)
    return AddressSet.of(ranges)


def _v4_own(path: Path) -> list[tuple[int, int]]:
    """The prefixes marked ``LOCAL``: each stands in the lines below its address."""
    found, address = [], 0
    for fields in _rows(path):
        if fields[0] == "|--":
            address = number_of(IPv4Address(fields[1]))
        elif fields[-1] == "LOCAL":
            size = 1 << (32 - int(fields[0].removeprefix("/")))
            found.append((address, address + size - 1))
    return found


def _v4_links(path: Path) -> list[tuple[int, int]]:
    found = []
    for fields in _rows(path)[1:]:
        destination, gateway, flags, mask = (int(fields[place], 16) for place in (1, 2, 3, 7))
        if gateway or not flags & _ROUTE_UP or flags & _ROUTE_REJECT:
            continue
        # The kernel prints the words of the address in host order.
        first = struct.unpack(">I", struct.pack("<I", destination))[0]
        size = struct.unpack(">I", struct.pack("<I", mask ^ 0xFFFFFFFF))[0]
        found.append((first, first | size))
    return found


def _v6_links(path: Path) -> list[tuple[int, int]]:
    found = []
    for fields in _rows(path):
        destination, prefix, gateway = int(fields[0], 16), int(fields[1], 16), int(fields[4], 16)
        flags, multicast = int(fields[8], 16), fields[0].startswith("ff")
        if gateway or multicast or not flags & _ROUTE_UP or flags & _ROUTE_REJECT:
            continue
        first = number_of(IPv6Address(destination))
        found.append((first, first + (1 << (128 - prefix)) - 1))
    return found


def _rows(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text().splitlines() if line.strip()]
    except OSError:
        return []


def raise_open_files(wanted: int) -> int:
    """Let this process open ``wanted`` files and sockets, or as many as its hard limit allows.

    Returns how many it may open now (``RLIMIT_NOFILE`` in getrlimit(2)). No more than wanted: some
    programs look at every number below the limit when they start.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= allowed:
        return wanted if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def data_folders(nmap: Path) -> tuple[Path, ...]:
    """Where the data files of this nmap may lie, the likeliest first."""
    return (
        *([Path(os.environ["NMAPDIR"])] if os.environ.get("NMAPDIR") else []),
        nmap.resolve().parent.parent / "share" / "nmap",
        Path("/usr/share/nmap"),
        Path("/usr/local/share/nmap"),
    )


def ports_by_frequency(nmap: Path, protocol: Protocol = Protocol.TCP) -> tuple[int, ...]:
    """Ports, the one most often found open first, from nmap's own ``nmap-services``.

    Raises :class:`ToolError` when the table cannot be found beside the program.
    """
    for folder in data_folders(nmap):
        try:
            text = (folder / "nmap-services").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        return _frequencies(text, f"/{protocol}")
    raise ToolError(
        "nmap's table of port frequencies (nmap-services) was not found",
        hint="install nmap's data files, or name the ports in the engagement",
    )


def _frequencies(text: str, protocol: str) -> tuple[int, ...]:
    found: dict[int, float] = {}
    for line in text.splitlines():
        fields = line.partition("#")[0].split()
        if len(fields) >= 3 and fields[1].endswith(protocol):
            port, frequency = fields[1].removesuffix(protocol), fields[2]
            sound = re.fullmatch("[0-9]{1,5}", port) and re.fullmatch("[0-9]+[.]?[0-9]*", frequency)
            if sound and 1 <= int(port) <= 65535:
                found[int(port)] = float(frequency)
    return tuple(sorted(found, key=lambda port: (-found[port], port)))
