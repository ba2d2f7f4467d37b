"""The signatures of known artefacts: each fits what it should, and no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.decide import reasons
from pipeline.decide.facts import HostRecord
from pipeline.decide.signatures import Appearance, likely, of_endpoint, of_host
from pipeline.decide.standing import Standing
from pipeline.decide.verdict import HostFacts
from pipeline.engagement.artefacts import our_signatures, read_signatures
from pipeline.errors import EngagementError
from pipeline.model import Aftermath, Method, Protocol, VerdictKind
from pipeline.ports import PortSet
from tests.decide.making import WHERE, seen, shaken, verdict
from tests.docs.pages import DOCS, rows, section

EDGE = PortSet.parse("80,443,2052,2053,2082,2083,2086,2087,2095,2096,8080,8443,8880")


def look(reason: str, *aftermaths: Aftermath, **more: Any) -> Appearance:
    return Appearance(reason=reason, aftermaths=frozenset(aftermaths), **more)


CASES = [
    ("tarpit", look(reasons.NEVER_ACKNOWLEDGED, Aftermath.UNACKNOWLEDGED)),
    ("tarpit", look(reasons.CONTROL_PORTS_ANSWER, Aftermath.UNACKNOWLEDGED)),
    ("syn-proxy", look(reasons.RESET_AFTER_HANDSHAKE, Aftermath.RESET)),
    ("syn-proxy", look(reasons.CONTROL_PORTS_ANSWER, Aftermath.RESET)),
    ("decoy", look(reasons.CONTROL_PORTS_ANSWER, Aftermath.DATA, same_banner=True)),
    ("catch-all", look(reasons.CONTROL_PORTS_ANSWER, Aftermath.DATA)),
    ("catch-all", look(reasons.CONTROL_PORTS_ANSWER, Aftermath.ACKNOWLEDGED)),
    ("transparent-proxy", look(reasons.ANSWERED_ON_PATH, Aftermath.DATA)),
    ("half-open", look(reasons.HANDSHAKE_NEVER_COMPLETES)),
    ("provider-edge", look(reasons.SERVICE_SPOKE, Aftermath.DATA, opened=EDGE)),
    ("", look(reasons.SERVICE_SPOKE, Aftermath.DATA, opened=PortSet.parse("22,80,443,8080"))),
    ("", look(reasons.SERVICE_SPOKE, Aftermath.DATA)),
    ("", look(reasons.REFUSED)),
    ("", look(reasons.CONTROL_PORTS_ANSWER)),
]


@pytest.mark.parametrize(("name", "seen_"), CASES)
def test_what_is_seen_has_its_likely_name(name: str, seen_: Appearance) -> None:
    found = likely(our_signatures(), seen_)
    assert (found.id if found else "") == name


def test_every_signature_has_a_case_sources_and_a_row_in_the_documentation() -> None:
    known = [signature.id for signature in our_signatures()]
    assert {name for name, _ in CASES if name} == set(known)
    assert all(signature.sources for signature in our_signatures())
    told = [row[0].strip("`") for row in rows(section(DOCS / "verdicts.md", "Names of artefacts"))]
    assert told == known


def host(controls: HostFacts, banner: str = "") -> HostRecord:
    return HostRecord(
        address=WHERE.address,
        protocol=Protocol.TCP,
        asked=100,
        opened=PortSet.of(range(1, 100)),
        refused=0,
        silent=1,
        controls=controls,
        standing=Standing(),
        banner=banner,
    )


def test_a_host_is_named_by_what_its_control_ports_do() -> None:
    pretends = HostFacts(asked=2, open_=2, aftermaths=frozenset({Aftermath.RESET}))
    found = likely(our_signatures(), of_host(host(pretends)))
    assert found is not None
    assert found.id == "syn-proxy"
    honest = HostFacts(asked=2, refused=2)
    assert likely(our_signatures(), of_host(host(honest))) is None


def test_an_endpoint_is_named_by_its_reason_and_what_followed() -> None:
    said = verdict(VerdictKind.ARTEFACT, reason=reasons.NEVER_ACKNOWLEDGED)
    found = of_endpoint(said, [seen(Method.NMAP_SYN), shaken(Aftermath.UNACKNOWLEDGED)], None)
    signature = likely(our_signatures(), found)
    assert signature is not None
    assert signature.id == "tarpit"


MISTAKES = [
    ("reasons: [no-such-code]", "is no reason code"),
    ("reasons: [refused]\n    aftermath: [nothing]", "follows no handshake"),
    ("reasons: []", "must not be empty"),
    ("reasons: [refused]\n    least: 3\n    ports: '80'", "more ports than it names"),
    ("reasons: [refused]\n    colour: red", "is not a key here"),
]


@pytest.mark.parametrize(("lines", "what"), MISTAKES)
def test_mistakes_in_a_file_of_signatures_are_told(tmp_path: Path, lines: str, what: str) -> None:
    path = tmp_path / "signatures.yml"
    path.write_text(
        "signatures:\n  - id: one\n    title: it\n    what: it is\n    sources: [me]\n"
        f"    {lines}\n"
    )
    with pytest.raises(EngagementError, match=what):
        read_signatures(path)


def test_an_id_is_there_once(tmp_path: Path) -> None:
    one = "  - {id: one, title: it, what: it is, sources: [me], reasons: [refused]}\n"
    path = tmp_path / "signatures.yml"
    path.write_text(f"signatures:\n{one}{one}")
    with pytest.raises(EngagementError, match="'one' twice"):
        read_signatures(path)
