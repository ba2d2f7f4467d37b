"""The commands about risk rules: what an endpoint comes to, what is wrong, what there is."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from pipeline.errors import ExitCode
from tests.cli.conftest import Portproof
from tests.cli.ground import Service, ask, engage


@pytest.fixture
def endpoint(finished: Path) -> str:
    """The one that the finished run confirmed."""
    ((packed, port),) = ask(finished, "SELECT address, port FROM verdicts")
    return f"{'.'.join(map(str, packed))}:{port}"


def test_explain_tells_facts_rules_and_outcome(
    portproof: Portproof, finished: Path, endpoint: str
) -> None:
    said = portproof("risk", "explain", endpoint, "--workspace", finished)
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == f"{endpoint}/tcp: confirmed"
    assert "  service: not identified" in lines
    assert "  zone: internal (assumed by its address)" in lines
    assert "  decides: unknown-service" in said.out
    assert "    because it matches everything" in lines
    assert "=> info: An open port that no rule knows" in lines


def test_explain_in_json_says_the_same(portproof: Portproof, finished: Path, endpoint: str) -> None:
    said = portproof("risk", "explain", endpoint, "--workspace", finished, "--format", "json").json
    assert said["verdict"] == "confirmed"
    assert said["facts"]["service"] == "not identified"
    services, *others = said["concerns"]
    assert services["looked_at"] > 100
    assert [fit["rule"] for fit in services["matched"]] == ["unknown-service"]
    assert [other["matched"] for other in others] == [[], []]
    (risk,) = said["risks"]
    assert (risk["rule"], risk["severity"], risk["open"]) == ("unknown-service", "info", "proven")


def test_the_zones_and_rules_of_the_engagement_count_at_once(
    portproof: Portproof, service: Service, tmp_path: Path
) -> None:
    path = engage(tmp_path, [service.address], [service.port])
    assert portproof("run", path, "--quiet").code == ExitCode.ACTION_NEEDED
    with path.open("a") as file:
        file.write(
            "zones: [{zone: internet, networks: [127.0.0.0/8], criticality: high}]\n"
            "risk: {rules: [{id: mine, title: Mine, severity: medium, why: w, remediation: [r], "
            f"by_port: {service.port}}}]}}\n"
        )
    endpoint = f"{service.address}:{service.port}"
    said = portproof("risk", "explain", endpoint, "--workspace", tmp_path)
    assert "  decides: mine (" in said.out
    assert ", of the engagement)" in said.out
    assert "  gives way: unknown-service" in said.out
    assert "=> high: Mine" in said.out
    shown = portproof("show", "last", "--workspace", tmp_path, "--format", "json").json
    assert [found["severity"] for found in shown["endpoints"]] == ["high"]
    assert "with 1 own rule (" in shown["risk"]["policy"]


@pytest.mark.parametrize("output", ["text", "json"])
def test_what_the_network_said_cannot_disturb_the_terminal(
    portproof: Portproof, finished: Path, endpoint: str, output: str
) -> None:
    hostile = "\x1b[2J\u202eevil\x9b"
    service = json.dumps({"name": "http", "product": hostile, "method": "probed"})
    with sqlite3.connect(finished / "portproof.db") as store:
        store.execute("UPDATE verdicts SET service = ?", (service,))
    said = portproof("risk", "explain", endpoint, "--workspace", finished, "--format", output)
    assert said.code == 0
    assert "evil" in said.out
    assert not set("\x1b\u202e\x9b") & set(said.out)


def test_what_is_not_open_has_no_risk_whatever_matches(
    portproof: Portproof, finished: Path, endpoint: str
) -> None:
    with sqlite3.connect(finished / "portproof.db") as store:
        store.execute("UPDATE verdicts SET kind = 'artefact'")
    said = portproof("risk", "explain", endpoint, "--workspace", finished)
    assert "  would decide: unknown-service" in said.out
    assert said.out.splitlines()[-1].startswith("=> no risk: the verdict is artefact")


def test_an_endpoint_without_a_verdict_is_no_crash(portproof: Portproof, finished: Path) -> None:
    said = portproof("risk", "explain", "127.0.0.1:9", "--workspace", finished)
    assert said.code == ExitCode.FAILED
    assert "has no verdict on 127.0.0.1:9/tcp" in said.err


def test_check_says_what_was_checked(portproof: Portproof, tmp_path: Path) -> None:
    said = portproof("risk", "check")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("the policy of portproof: ")
    own = tmp_path / "own.yml"
    own.write_text("rules: [{id: ssh, severity: low, examples: [{port: 22}]}]\n")
    assert portproof("risk", "check", own, "--format", "json").json["rules"] == 1


def test_check_fails_with_every_mistake(portproof: Portproof, tmp_path: Path) -> None:
    own = tmp_path / "own.yml"
    own.write_text("rules:\n  - {id: ssh, severity: hihg}\n  - {id: ftp, colour: red}\n")
    said = portproof("risk", "check", own)
    assert (said.code, said.out) == (ExitCode.FAILED, "")
    assert ":2:25: rules[0].severity:" in said.err
    assert ":3:15: rules[1].colour:" in said.err


def test_list_shows_every_rule_with_its_severities(portproof: Portproof, tmp_path: Path) -> None:
    said = portproof("risk", "list")
    rows = said.out.splitlines()
    assert rows[0].split() == ["rule", "internet", "dmz", "internal", "about", "title"]
    assert any(row.startswith("redis ") for row in rows)
    own = tmp_path / "own.yml"
    own.write_text("rules: [{id: ssh, severity: low}]\n")
    told = portproof("risk", "list", own, "--format", "json").json
    assert len(told["rules"]) == len(rows) - 1
    assert (told["rules"][0]["id"], told["rules"][0]["own"]) == ("ssh", True)
