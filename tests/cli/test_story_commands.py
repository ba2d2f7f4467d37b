"""What ``portproof show`` tells of one endpoint and of one host."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.render.story import HEADINGS
from tests.cli.conftest import Portproof
from tests.cli.ground import ask


@pytest.fixture
def endpoint(finished: Path) -> str:
    ((packed, port),) = ask(finished, "SELECT address, port FROM verdicts")
    return f"{'.'.join(map(str, packed))}:{port}"


def test_the_story_of_an_endpoint_has_every_part(
    portproof: Portproof, finished: Path, endpoint: str
) -> None:
    said = portproof("show", "last", endpoint, "--workspace", finished)
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0] == f"{endpoint}/tcp"
    assert {*HEADINGS.values()} <= {*lines}
    assert "  confirmed, by the rule service-spoke: " in said.out


def test_the_story_as_json_tells_all_observations_of_the_endpoint(
    portproof: Portproof, finished: Path, endpoint: str
) -> None:
    told = portproof("show", "last", endpoint, "--workspace", finished, "--format", "json").json
    (story,) = told["stories"]
    (found,) = told["endpoints"]
    assert f"{story['address']}:{story['port']}" == endpoint
    numbers = [n for line in story["lines"] for n in line["observations"]]
    assert sorted(numbers) == sorted(each["number"] for each in found["evidence"])
    assert sum(story["hypotheses"].values()) == pytest.approx(1, abs=1e-3)


def test_of_a_host_show_tells_what_is_known_about_it_and_its_endpoints(
    portproof: Portproof, finished: Path, endpoint: str
) -> None:
    address = endpoint.partition(":")[0]
    said = portproof("show", "last", address, "--workspace", finished)
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == f"{address} by TCP"
    assert lines[1].startswith("  2 ports asked: 1 answered as if open, 1 refused, 0 kept silent")
    assert any(line.startswith(f"{endpoint}/tcp ") for line in lines)
    assert "What was decided" not in said.out


def test_of_a_host_the_json_document_has_the_facts_and_no_story(
    portproof: Portproof, finished: Path, endpoint: str
) -> None:
    address = endpoint.partition(":")[0]
    told = portproof("show", "last", address, "--workspace", finished, "--format", "json").json
    assert "stories" not in told
    (host,) = told["hosts"]
    assert (host["address"], host["asked"], host["open"]) == (address, 2, 1)
    (network,) = told["networks"]
    assert network["hosts"] == [address]


def test_the_whole_document_says_how_complete_it_is_or_why_nobody_knows(
    portproof: Portproof, finished: Path
) -> None:
    told = portproof("show", "last", "--workspace", finished, "--format", "json").json
    for known in told["completeness"].values():
        assert ("level" in known) != ("none_because" in known)
