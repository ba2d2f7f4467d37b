"""What portproof prints reaches its reader whole, or harms nobody when the reader has left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import Portproof
from tests.cli.ground import Service, ask, ended, engage, run_process, spawn

NOBODY_READS = ["--help", "show last"]


@pytest.mark.parametrize("line", NOBODY_READS)
def test_output_into_a_closed_pipe_is_no_failure(line: str, finished: Path) -> None:
    source, sink = os.pipe()
    os.close(source)
    said = run_process(*line.split(), cwd=finished, stdout=sink)
    os.close(sink)
    assert (said.code, said.err) == (0, "")


def test_a_mistake_told_to_a_closed_pipe_keeps_its_exit_code(finished: Path) -> None:
    source, sink = os.pipe()
    os.close(source)
    said = run_process("show", "nonsense", cwd=finished, stdout=sink, stderr=sink)
    os.close(sink)
    assert said.code == 2


def test_a_run_goes_on_and_keeps_its_exit_code_when_nobody_reads_what_it_tells(
    tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path, [service.address], [service.port])
    source, sink = os.pipe()
    process = spawn("run", path, stdout=sink, stderr=sink)
    os.close(sink)
    os.read(source, 1)  # like `| head -c1`
    os.close(source)
    assert ended(process).code == 1
    assert ask(tmp_path, "SELECT state FROM runs") == [("complete",)]


@pytest.mark.parametrize("line", ["--help", "show last --format json"])
def test_output_onto_a_full_disk_is_said_and_is_no_crash(line: str, finished: Path) -> None:
    with open("/dev/full", "w") as full:
        said = run_process(*line.split(), cwd=finished, stdout=full)
    assert said.code == 2
    assert "the output cannot be written: No space left on device" in said.err


def test_streams_that_are_closed_at_the_start_go_nowhere(finished: Path) -> None:
    before = (finished / "portproof.db").read_bytes()
    said = run_process(
        "show", "last", cwd=finished, prefix=("sh", "-c", 'exec "$@" 0>&- 1>&- 2>&-', "-")
    )
    assert said.code == 0
    assert (finished / "portproof.db").read_bytes() == before


def test_what_is_not_read_on_a_terminal_is_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    path = engage(tmp_path, ["127.0.0.1"], [1])
    path.write_text(path.read_text().replace("Example Ltd", "Bücherei Łódź"))
    said = run_process("check", path, env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"})
    assert said.code == 0
    assert said.out.startswith("Bücherei Łódź")


def test_a_file_whose_name_is_no_text_can_be_written_and_read(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.yml")
    made = run_process("init", name, cwd=tmp_path, errors="surrogateescape")
    assert (made.code, made.err) == (0, "")
    assert name in made.out
    assert (tmp_path / name).is_file()
    again = run_process("init", name, cwd=tmp_path)
    assert again.code == 2
    assert "caf\\udce9.yml: the file exists" in again.err


def test_json_goes_to_stdout_and_nothing_else_does(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path, [service.address], [service.port])
    said = portproof("run", path, "--format", "json")
    assert [e["port"] for e in said.json["endpoints"]] == [service.port]
    assert "started: run" in said.err
