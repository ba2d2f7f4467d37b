"""Labs for the tests of the lab: one that stands for all of them, and names nobody else uses."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.lab import Lab, Parameters, lab
from tests.lab.difficult import BLOCK_SECONDS
from tests.lab.naming import fresh_name


@pytest.fixture
def new_name() -> Callable[[], str]:
    """Makes names for labs."""
    return fresh_name


@pytest.fixture(scope="session")
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where these tests' labs are on record: out of sight of `down --all`."""
    return tmp_path_factory.mktemp("labs")


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """A lab of its own, and two scanners that work on it while other tests run."""

    lab: Lab
    serving: str
    nmap: subprocess.Popen[str]
    nmap_output: Path
    masscan: subprocess.Popen[str]
    masscan_output: Path


@pytest.fixture(scope="session")
def scanned(state_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scanned]:
    """Start nmap's version probe and masscan; they take some twelve seconds."""
    folder = tmp_path_factory.mktemp("scanned")
    with lab(Parameters(name=fresh_name(), preset="tiny", seed=7), state_folder) as built:
        truth = built.truth
        serving = [e for e in truth["endpoints"] if e["class"] == "serving"]
        address = serving[0]["address"]
        ports = ",".join(str(e["port"]) for e in serving if e["address"] == address)
        scripts = ("--script", "ssl-cert,ssh-hostkey,http-title")
        excluded = ",".join(text for text in truth["exclude"] if ":" not in text)
        nmap = built.popen(
            ("nmap", "-n", "-Pn", "-sV", *scripts, "-p", ports, "-oX", "nmap.xml", address),
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        masscan = built.popen(
            (
                *("masscan", *truth["include"], "--exclude", excluded, "-p", truth["ports"]),
                *("--rate", "1000", "--retries", "0", "--wait", "2", "-oD", "masscan.ndjson"),
            ),
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        with nmap, masscan:
            try:
                yield Scanned(
                    lab=built,
                    serving=address,
                    nmap=nmap,
                    nmap_output=folder / "nmap.xml",
                    masscan=masscan,
                    masscan_output=folder / "masscan.ndjson",
                )
            finally:
                nmap.terminate()
                masscan.terminate()


@pytest.fixture(scope="session")
def standing(state_folder: Path, scanned: Scanned) -> Iterator[Lab]:
    """A tiny lab without loss that stands for the whole session; `scanned` gets under way."""
    with lab(Parameters(name=fresh_name(), preset="tiny", seed=7), state_folder) as built:
        yield built


@pytest.fixture(scope="session")
def difficult(state_folder: Path) -> Iterator[Lab]:
    """A host of each family and difficult class; those that block do so for a moment only."""
    parameters = Parameters(
        name=fresh_name(), preset="difficult-small", seed=7, block_seconds=BLOCK_SECONDS
    )
    with lab(parameters, state_folder) as built:
        yield built
