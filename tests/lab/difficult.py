"""What the tests of difficult hosts ask, and how."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixtures.lab import Lab
from fixtures.lab.model import Endpoint, Host

ASKING = Path(__file__).with_name("asking.py")
TALKING = Path(__file__).with_name("talking.py")
BLOCK_SECONDS = 3.0

Pair = tuple[str, int]


def hosts(lab: Lab, class_name: str) -> list[Host]:
    """The hosts of a class, IPv4 first."""
    return [h for h in lab.plan.share.hosts if h.class_name == class_name]


def endpoints(lab: Lab, class_name: str) -> list[Endpoint]:
    """The endpoints of a class that the truth lists."""
    return [e for e in lab.plan.share.endpoints if e.class_name == class_name]


def pairs(found: Iterable[Endpoint]) -> list[Pair]:
    """Endpoints as talking.py takes them."""
    return [(str(e.address), e.port) for e in found]


def others(lab: Lab, host: Host, count: int, without: Sequence[int] = ()) -> list[Pair]:
    """Ports worth scanning of which the truth says nothing but the host's default."""
    told = {e.port for e in lab.plan.share.endpoints if e.address == host.address}
    ports = [p for p in lab.plan.ports if p not in told and p not in without]
    return [(str(host.address), port) for port in ports[:count]]


def ask(lab: Lab, asked: Sequence[Pair]) -> list[str]:
    """How each endpoint answers a connection, in the words of asking.py."""
    return list(map(str, _run(lab, ASKING, asked)))


def _run(lab: Lab, script: Path, told: object) -> list[Any]:
    done = subprocess.run(
        lab.argv((sys.executable, str(script))),
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = json.loads(done.stdout)
    assert isinstance(answers, list)
    return answers


@dataclass(frozen=True, slots=True)
class Heard:
    """What one endpoint did; see talking.py."""

    word: str
    words: str
    seconds: float


def talk(
    lab: Lab, asked: Sequence[Pair], *, patience: float = 1.0, pause: float = 0.0
) -> list[Heard]:
    """Shake hands with each endpoint, from the scanner."""
    told = {"endpoints": asked, "patience": patience, "pause": pause}
    return [Heard(*one) for one in _run(lab, TALKING, told)]


def heard(lab: Lab, asked: Sequence[Pair], **how: float) -> set[str]:
    """Which words all these endpoints together are good for."""
    return {one.word for one in talk(lab, asked, **how)}


@dataclass(frozen=True, slots=True)
class Scanned:
    """What nmap says of a port."""

    state: str
    reason: str
    ttl: int


def nmap(lab: Lab, address: str, ports: Sequence[int], *options: str) -> dict[int, Scanned]:
    """Ask nmap about the ports of a host; a SYN scan unless the options say otherwise."""
    six = ("-6",) if ":" in address else ()
    done = lab.exec(
        (
            *("nmap", "-n", "-Pn", *six, "-p", ",".join(map(str, ports)), "-oX", "-"),
            *(options or ("-sS", "-T4", "--max-retries", "1")),
            *("-v", "-d", "--reason", address),
        ),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found: dict[int, Scanned] = {}
    for port in ET.fromstring(done.stdout).iter("port"):
        state: Any = port.find("state")
        told = (state.get("state"), state.get("reason"), int(state.get("reason_ttl")))
        found[int(port.get("portid", "0"))] = Scanned(*told)
    return found
