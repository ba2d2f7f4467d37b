"""Two files against each other come to the same, however little of them becomes evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.cli.differing import diff_of
from pipeline.decide.noise import Wishes
from pipeline.importing.question import Scanned, parse_scanned
from pipeline.render.difference_json import diff_json
from tests.decide.making import START

HEAD: Final = (
    '<?xml version="1.0"?>\n<nmaprun scanner="nmap" args="nmap -sS 192.0.2.1-3" start="1793671200" '
    'version="7.93">\n<scaninfo type="syn" protocol="tcp" numservices="4" '
    'services="22,80,443,8080"/>\n'
)
TAIL: Final = '<runstats><finished time="1793671300" exit="success"/></runstats>\n</nmaprun>\n'
KEY: Final = (
    '<script id="ssh-hostkey" output="&#xa;  256 SHA256:{} (ED25519)"/>'  # read by the parser
)
SAID: Final = (
    '<state state="closed" reason="reset" reason_ttl="64"/>',
    '<state state="filtered" reason="no-response" reason_ttl="0"/>',
    '<state state="open" reason="syn-ack" reason_ttl="64"/>',
    '<state state="open" reason="syn-ack" reason_ttl="63"/>',
    *(
        f'<state state="open" reason="syn-ack" reason_ttl="64"/><service name="{name}" '
        f'product="Example" version="{version}" method="probed" conf="10"/>{script}'
        for name, version, script in (
            ("http", 1, ""),
            ("http", 2, ""),
            ("ssh", 1, KEY.format("one")),
            ("ssh", 1, KEY.format("other")),
        )
    ),
)
said = st.sampled_from(SAID)
hosts = st.fixed_dictionaries(
    {n: st.fixed_dictionaries(dict.fromkeys((22, 80, 443), said)) for n in (1, 2)}
)
NOBODY: Final = parse_scanned("203.0.113.1 1")
"""Of a file that knows what was asked this says nothing, and then both files are read in full."""


@st.composite
def pairs(draw: st.DrawFn) -> tuple[str, str]:
    """A file and a later one that says the same of most ports, or lacks a host or knows it less."""
    before = draw(hosts)
    after: dict[int, dict[int, str] | None] = {}
    for number, found in before.items():
        changed = draw(st.dictionaries(st.sampled_from([22, 80, 443]), said, max_size=2))
        after[number] = {**found, **changed}
    if draw(st.integers(0, 3)) == 0:
        after[1] = None
    elif draw(st.integers(0, 3)) == 0:
        del after[1]
    return _file({**before}), _file(after)


def _file(found: Mapping[int, dict[int, str] | None]) -> str:
    return HEAD + "".join(_host(number, ports) for number, ports in sorted(found.items())) + TAIL


def _host(number: int, found: dict[int, str] | None) -> str:
    """``None``: nmap gave it up."""
    timed_out = ' timedout="true"' if found is None else ""
    listed = found or {}
    rest = sorted({22, 80, 443, 8080} - listed.keys())
    told = "".join(
        f'<port protocol="tcp" portid="{port}">{text}</port>\n'
        for port, text in sorted(listed.items())
    )
    counted = (
        f'<extraports state="closed" count="{len(rest)}">\n<extrareasons reason="reset" '
        f'count="{len(rest)}" proto="tcp" ports="{",".join(map(str, rest))}"/>\n</extraports>\n'
    )
    return (
        f'<host{timed_out}><status state="up" reason="user-set"/>\n<address addr="192.0.2.{number}"'
        f' addrtype="ipv4"/>\n'
        + ("" if timed_out else f"<ports>{counted}{told}</ports>\n")
        + "</host>\n"
    )


def _one(*ports: str) -> str:
    return _file({1: dict(zip((22, 80, 443), ports, strict=True))})


CLOSED, SILENT, OPEN, _, WEB, _, KEYED, OTHERWISE = SAID


@given(pairs())
@example((_one(OPEN, OPEN, CLOSED), _one(OPEN, SILENT, CLOSED)))  # the host is there
@example((_one(WEB, KEYED, KEYED), _one(WEB, KEYED, OTHERWISE)))  # and is the same machine
@settings(max_examples=40, deadline=None)
def test_what_is_the_same_in_both_can_be_left_out(pair: tuple[str, str]) -> None:
    with TemporaryDirectory() as folder:
        paths = Path(folder, "before.xml"), Path(folder, "after.xml")
        for path, text in zip(paths, pair, strict=True):
            path.write_text(text, encoding="ascii")

        def told(scanned: tuple[Scanned, ...]) -> dict[str, Any]:
            before, after = map(str, paths)
            found = diff_of(
                before,
                after,
                workspace=Path(folder),
                wishes=Wishes(),
                engagement=None,
                scanned=scanned,
                now=START,
            )
            document: dict[str, Any] = json.loads(diff_json(found))
            # Not how the two were made: of a file that is read in full more is known.
            return {key: document[key] for key in ("changes", "machines", "unwanted")}

        assert told(()) == told(NOBODY)
