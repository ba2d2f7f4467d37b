"""The doctor looks at this machine, sends nothing, and is never sick itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Portproof
from tests.cli.ground import engage
from tests.faults.fakes import write_fake


def test_doctor_names_tools_privileges_interfaces_routes_and_disk(
    portproof: Portproof, tmp_path: Path
) -> None:
    said = portproof("doctor", engage(tmp_path, ["127.0.0.1"], [1]), "--format", "json")
    assert said.code == 0
    found = {finding["what"]: finding for finding in said.json}
    assert set(found) == {*("nmap", "masscan", "privileges", "interfaces", "on link", "disk")}
    assert {finding["state"] for finding in said.json} <= {"ok", "limited"}
    assert "7." in found["nmap"]["text"]
    assert found["on link"]["text"].endswith(": 127.0.0.1/32")
    assert str(tmp_path) in found["disk"]["text"]


def test_doctor_tells_people_one_thing_a_line(portproof: Portproof) -> None:
    said = portproof("doctor")
    assert (said.code, said.err) == (0, "")
    assert {line.split()[0] for line in said.out.splitlines()} <= {"ok", "limited"}


def test_doctor_says_of_a_tool_that_cannot_be_used_why_and_what_to_do(
    portproof: Portproof, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_fake(tmp_path / "bin", "nmap", "", version="Nmap version 7.60 ( x )")
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    said = portproof("doctor")
    assert said.code == 2
    assert f"{folder}/nmap is version 7.60, which is too old; install nmap 7.80 or" in said.out


def test_doctor_finds_an_interface_that_is_not_here(portproof: Portproof, tmp_path: Path) -> None:
    path = engage(tmp_path, ["127.0.0.1"], [1])
    path.write_text(path.read_text() + "vantage: {name: away, interface: nope7}\n")
    said = portproof("doctor", path)
    assert said.code == 2
    assert "nope7, which the engagement names, is not here" in said.out


@pytest.mark.parametrize("name", ["missing.yml", "nowhere/at/all/engagement.yml"])
def test_doctor_says_of_an_engagement_that_is_missing_that_it_is(
    portproof: Portproof, tmp_path: Path, name: str
) -> None:
    said = portproof("doctor", tmp_path / name)
    assert said.code == 2
    assert f"there is no file '{tmp_path / name}'" in said.out
    assert f"free at {tmp_path}" in said.out


def test_doctor_repeats_every_mistake_of_the_engagement(
    portproof: Portproof, tmp_path: Path
) -> None:
    path = engage(tmp_path, ["127.0.0.1"], "0,80-")
    said = portproof("doctor", path)
    assert said.code == 2
    assert f"{path}:11:" in said.out
