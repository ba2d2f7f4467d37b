"""A scanner that is missing, too old or something else: said before anything is sent."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Portproof
from tests.cli.ground import Service, engage, run_process, the_report, verdicts
from tests.faults.fakes import Fake, write_fake


def without(*names: str) -> tuple[str, ...]:
    """A prefix for a command that hides programs from it, and from nobody else."""
    user = () if os.geteuid() == 0 else ("--map-root-user",)
    places = [
        p for p in (shutil.which(name, path="/usr/bin:/bin:/usr/sbin") for name in names) if p
    ]
    assert places, names
    hide = " && ".join(f"mount --bind /dev/null {place}" for place in places)
    return ("unshare", "--mount", *user, "sh", "-c", f'{hide} && exec "$@"', "-")


def test_without_nmap_nothing_is_begun_and_it_is_said_what_to_install(
    tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    said = run_process("run", path, prefix=without("nmap"))
    assert (said.code, said.out) == (2, "")
    assert said.err == (
        "portproof: nmap is not installed\n"
        "  install it (Debian, Ubuntu: apt-get install nmap) or put it on the PATH\n"
    )
    assert not (path.parent / "runs").exists()


def test_without_masscan_nmap_sweeps_and_the_report_says_so(
    tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    said = run_process("run", path, prefix=without("masscan"))
    assert said.code == 1
    note = "discovery without masscan (masscan is not installed): nmap sweeps instead"
    assert f"note: {note}" in said.err
    report = the_report(path.parent)
    assert verdicts(report) == {service.endpoint: "confirmed"}
    assert note in [event["text"] for event in report["events"] if event["kind"] == "note"]
    assert set(report["run"]["tools"]) == {"nmap"}


@pytest.mark.parametrize(
    ("version", "what", "hint"),
    [
        ("Nmap version 5.21 ( http://nmap.org )", "is version 5.21, which is too old", "7.80"),
        (
            "it is me, the scanner",
            "does not say its version, so it is not known to be nmap",
            "real",
        ),
        ("", "ended with 0 and no answer", ""),
    ],
    ids=["too old", "nonsense", "silent"],
)
def test_a_wrong_nmap_is_named_with_its_path(
    portproof: Portproof,
    tmp_path: Path,
    service: Service,
    fake: Fake,
    version: str,
    what: str,
    hint: str,
) -> None:
    folder = fake("nmap", "real()", version=version or "\n")
    path = engage(tmp_path / "w", [service.address], [service.port])
    for command in ("run", "check"):
        said = portproof(command, path)
        assert (said.code, said.out) == (2, "")
        assert f"portproof: {folder / 'nmap'}" in said.err
        assert what in said.err
        assert hint in said.err
    assert not (path.parent / "runs").exists()
    diagnosis = portproof("doctor", "--format", "json")
    assert diagnosis.code == 2
    assert [f["state"] for f in diagnosis.json if f["what"] == "nmap"] == ["broken"]


def test_an_nmap_whose_interpreter_is_missing_could_not_be_started(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    program = fake("nmap", "real()") / "nmap"
    program.write_text("#!/nonexistent\n")
    said = portproof("run", engage(tmp_path / "w", [service.address], [service.port]))
    assert said.code == 2
    assert f"{program} could not be started: No such file or directory" in said.err
    assert "it is missing, or the interpreter it names is" in said.err


def test_a_wrong_masscan_is_left_out_and_the_run_goes_on_without_it(
    portproof: Portproof, tmp_path: Path, service: Service, fake: Fake
) -> None:
    folder = fake("masscan", "say('never asked')", version="Masscan version 1.0.4 ( )")
    said = portproof("run", engage(tmp_path / "w", [service.address], [service.port]))
    assert said.code == 1
    assert f"discovery without masscan ({folder / 'masscan'} is version 1.0.4, which is" in said.err


def test_a_program_that_says_hostile_things_does_not_say_them_to_the_terminal(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    folder = write_fake(tmp_path / "\x1b[31mbin", "nmap", "", version="\x1b]0;owned\x07")
    path = engage(tmp_path / "w", [service.address], [service.port])
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}:{before}"
    try:
        said = [portproof("run", path), portproof("doctor"), portproof("doctor", path)]
    finally:
        os.environ["PATH"] = before
    for each in said:
        assert each.code == 2
        assert "\x1b" not in each.out + each.err
        assert "\\x1b[31mbin" in each.out + each.err
