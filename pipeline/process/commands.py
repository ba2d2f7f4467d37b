"""What may be asked of a tool: one of two programs, options out of a table, and targets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pipeline.addresses import AddressSet
from pipeline.scope import Targets

TARGETS_FILE: Final = "targets.txt"
EXCLUDE_FILE: Final = "exclude.txt"

_NOTHING: Final = None
_COUNT: Final = r"\d{1,10}"
_RATE: Final = r"\d{1,9}(\.\d{1,9})?"
_TIME: Final = r"\d{1,9}(\.\d{1,9})?(ms|s|m|h)?"
_PORTS: Final = r"([TU]:)?\d{1,5}(-\d{1,5})?(,([TU]:)?\d{1,5}(-\d{1,5})?)*"
_FILE: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_FILE_OR_STDOUT: Final = rf"-|{_FILE}"
_TARGETS: Final = re.escape(TARGETS_FILE)
_EXCLUDE: Final = re.escape(EXCLUDE_FILE)
_ADDRESS: Final = r"[0-9A-Fa-f.:]+"
_INTERFACE: Final = r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,14}"
_MAC: Final = r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}"
# A name alone: nmap takes categories, paths, wildcards and expressions here, too, and some of these
# talk to others than the target. Which names are safe is decided when a run is planned.
_SCRIPT: Final = (
    "(?!(all|auth|broadcast|brute|default|discovery|dos|exploit|external|fuzzer|intrusive|malware"
    "|safe|version|vuln)(,|$))(?!broadcast-|targets-)[a-z0-9][a-z0-9.-]{0,63}"
)

OPTIONS: Final[Mapping[str, Mapping[str, str | None]]] = {
    "nmap": {
        **dict.fromkeys(
            ("-n", "-6", "-Pn", "-sS", "-sT", "-sU", "-sV", "-v", "-d", "-r"), _NOTHING
        ),
        **dict.fromkeys(("-T0", "-T1", "-T2", "-T3", "-T4", "-T5"), _NOTHING),
        **dict.fromkeys(("--open", "--reason", "--no-stylesheet", "--noninteractive"), _NOTHING),
        **dict.fromkeys(("--privileged", "--unprivileged", "--send-ip", "--send-eth"), _NOTHING),
        **dict.fromkeys(("--disable-arp-ping", "--randomize-hosts"), _NOTHING),
        **dict.fromkeys(("--defeat-rst-ratelimit", "--defeat-icmp-ratelimit"), _NOTHING),
        **dict.fromkeys(("--version-light", "--version-all"), _NOTHING),
        **dict.fromkeys(("-p", "--exclude-ports"), _PORTS),
        **dict.fromkeys(("--min-rate", "--max-rate"), _RATE),
        **dict.fromkeys(("--max-retries", "--version-intensity", "--ttl"), _COUNT),
        **dict.fromkeys(("--min-parallelism", "--max-parallelism"), _COUNT),
        **dict.fromkeys(("--min-hostgroup", "--max-hostgroup"), _COUNT),
        **dict.fromkeys(("--host-timeout", "--script-timeout", "--stats-every"), _TIME),
        **dict.fromkeys(("--initial-rtt-timeout", "--min-rtt-timeout", "--max-rtt-timeout"), _TIME),
        **dict.fromkeys(("--scan-delay", "--max-scan-delay"), _TIME),
        **dict.fromkeys(("-g", "--source-port"), _COUNT),
        **dict.fromkeys(("-oX", "-oN", "-oG"), _FILE_OR_STDOUT),
        "-iL": _TARGETS,
        "--excludefile": _EXCLUDE,
        "--script": f"{_SCRIPT}(,{_SCRIPT})*",
        "-e": _INTERFACE,
        "-S": _ADDRESS,
    },
    "masscan": {
        **dict.fromkeys(("--open-only", "--offline", "--noreset", "-v"), _NOTHING),
        **dict.fromkeys(("-p", "--ports"), _PORTS),
        **dict.fromkeys(("--rate", "--max-rate"), _RATE),
        **dict.fromkeys(("--wait", "--retries", "--seed", "--ttl"), _COUNT),
        **dict.fromkeys(("--interface", "--adapter"), _INTERFACE),
        **dict.fromkeys(("--source-ip", "--adapter-ip"), _ADDRESS),
        **dict.fromkeys(("--source-port", "--adapter-port"), rf"{_COUNT}(-{_COUNT})?"),
        **dict.fromkeys(("--source-mac", "--adapter-mac", "--router-mac"), _MAC),
        "--includefile": _TARGETS,
        "--excludefile": _EXCLUDE,
        "--output-format": "xml|json|ndjson|list",
        "--output-filename": _FILE_OR_STDOUT,
        "--shard": r"\d{1,6}/\d{1,6}",
        "--show": "open|closed|all",
    },
}
"""Program, flag, and the regular expression of its value (``None``: it takes no value).

No flag in it can name a target, another configuration or a file outside the working directory.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One start of one tool: what it is to do, to whom, and for how long at most.

    ``program`` is an absolute path whose last part is in :data:`OPTIONS`; ``options`` are (flag,
    value) pairs from there. ``targets`` are written to ``targets.txt`` and ``excluded`` to
    ``exclude.txt`` in the working directory, one per line, as CIDR networks or as ``first-last``
    ranges (nmap does not know ranges that cross an octet). ``deadline`` is in seconds from the
    start. ``progress_from`` is the stream that tells progress: masscan uses stderr, nmap stdout.
    ``privileged`` tells an nmap with file capabilities that it has them (``NMAP_PRIVILEGED``).

    Raises ``ValueError`` on anything else: that is a mistake in the program, not of a person.
    """

    program: str
    options: tuple[tuple[str, str | None], ...]
    targets: Targets
    deadline: float
    excluded: AddressSet | None = None
    target_format: Literal["networks", "ranges"] = "networks"
    progress_from: Literal["stderr", "stdout"] = "stderr"
    privileged: bool = False

    def __post_init__(self) -> None:
        if not os.path.isabs(self.program) or self.name not in OPTIONS:
            raise ValueError(f"{self.program!r} is not the absolute path of a known tool")
        if not self.targets:
            raise ValueError("a command without targets asks nothing")
        if self.targets.on_record_only:
            raise ValueError("these targets are on record only, and cannot be asked")
        if not self.deadline > 0:
            raise ValueError(f"a deadline of {self.deadline} seconds leaves no time")
        for flag, value in self.options:
            _check_option(self.name, flag, value)

    @property
    def name(self) -> str:
        """The program without its folder: ``nmap`` or ``masscan``."""
        return os.path.basename(self.program)

    @property
    def argv(self) -> tuple[str, ...]:
        """The argument vector, as it is executed and as the audit trail keeps it."""
        return (self.program, *(_render(flag, value) for flag, value in self.options))


def _check_option(program: str, flag: str, value: str | None) -> None:
    table = OPTIONS[program]
    if flag not in table:
        raise ValueError(f"{flag!r} is not an option that portproof gives to {program}")
    pattern = table[flag]
    if (pattern is None) != (value is None):
        raise ValueError(f"{program} {flag} takes {'no' if pattern is None else 'a'} value")
    if pattern is not None and value is not None and not re.fullmatch(pattern, value, re.ASCII):
        raise ValueError(f"{value!r} is not a value that portproof gives to {program} {flag}")


def _render(flag: str, value: str | None) -> str:
    """One element for one option: ``-p80`` for a single letter, ``--rate=80`` for a word."""
    if value is None:
        return flag
    return f"{flag}{value}" if len(flag) == 2 else f"{flag}={value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a command ended.

    ``exit_code`` is ``None`` when a signal ended the tool, ``signal`` is ``None`` when it did not;
    both are when nothing was started because ``stop`` was set already. ``timed_out`` and
    ``stopped`` say that *we* ended it, whatever the exit code claims: masscan exits with 0 after
    SIGINT. ``started`` and ``ended`` are epoch seconds. ``stderr_tail`` is at most the last 4 KiB
    of stderr, with control characters made harmless.
    """

    exit_code: int | None
    signal: int | None
    timed_out: bool
    stopped: bool
    started: float
    ended: float
    stderr_tail: str
