"""Each exit code, produced by a situation in which it is the right one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import ExitCode
from tests.cli.conftest import Portproof
from tests.cli.ground import ROOT, Service, a_free_port, ask, engage, the_report, verdicts
from tests.faults.fakes import write_fake


def test_there_are_six_of_them() -> None:
    assert [int(code) for code in ExitCode] == [0, 1, 2, 3, 4, 70]


def test_0_where_nothing_is_open(portproof: Portproof, tmp_path: Path, service: Service) -> None:
    path = engage(tmp_path, [service.address], [a_free_port(service.address)])
    said = portproof("run", path)
    assert said.code == 0
    assert "nothing is known to be open" in said.out


def test_1_where_something_is_open_and_0_when_it_is_so_again(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path, [service.address], [service.port])
    first = portproof("run", path)
    assert first.code == 1
    assert f"{service.endpoint}/tcp" in first.out
    assert "confirmed" in first.out
    assert verdicts(the_report(tmp_path)) == {service.endpoint: "confirmed"}
    assert portproof("run", path).code == 0


def test_2_for_mistakes_of_the_command_line_and_of_the_engagement(
    portproof: Portproof, tmp_path: Path
) -> None:
    assert portproof("run", "--nonsense").code == 2
    assert portproof("run", engage(tmp_path, ["127.0.0.1"], "65536")).code == 2


@pytest.mark.parametrize(
    ("valid_from", "valid_until", "complaint"),
    [
        ("2020-01-01", "2020-12-31", "has expired: it ended 2020-12-31"),
        ("2098-01-01", "2099-12-31", "is not valid yet: it begins 2098-01-01"),
    ],
)
def test_3_outside_of_the_authorisation(
    portproof: Portproof,
    tmp_path: Path,
    service: Service,
    valid_from: str,
    valid_until: str,
    complaint: str,
) -> None:
    path = engage(
        tmp_path,
        [service.address],
        [service.port],
        valid_from=valid_from,
        valid_until=valid_until,
    )
    for command in ("run", "check"):
        said = portproof(command, path)
        assert said.code == 3
        assert complaint in said.err
    assert portproof("verify", service.endpoint, "-e", path).code == 3
    assert service.visitors == 0
    assert not (tmp_path / "portproof.db").exists()


def test_3_when_a_name_leads_out_of_the_scope(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path, [service.address, "localhost"], [service.port])
    said = portproof("run", path)
    assert said.code == 3
    assert f"{path}:9:" in said.err
    assert "localhost is 127.0.0.1, outside scope.include" in said.err


def test_3_while_another_run_uses_the_workspace(
    portproof: Portproof, tmp_path: Path, service: Service, other_run: Path
) -> None:
    path = engage(tmp_path, [service.address], [service.port])
    assert portproof("run", path, "--workspace", other_run).code == 3


def test_3_when_a_run_is_resumed_after_its_authorisation_has_ended(
    portproof: Portproof, tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = engage(tmp_path / "w", [service.address], [service.port])
    with monkeypatch.context() as patch:
        bin_ = write_fake(tmp_path / "bin", "nmap", "os.kill(portproof(), signal.SIGINT)\nreal()")
        patch.setenv("PATH", str(bin_))
        assert portproof("run", path).code == 4
    sound = path.read_text()
    path.write_text(sound.replace("2099-12-31", "2026-01-02"))
    assert portproof("resume", "--workspace", path.parent).code == 3
    path.write_text(sound.replace("engagement: weekly", "engagement: another"))
    said = portproof("resume", "--workspace", path.parent)
    assert said.code == 3
    assert "the file is now about the engagement 'another'" in said.err
    path.unlink()
    assert portproof("resume", "--workspace", path.parent).code == 1
    assert ask(path.parent, "SELECT count(*), min(state) FROM runs") == [(1, "complete")]


BUG = """
import sys
from pipeline.cli import conduct
from pipeline.cli.edge import run
def broken(now):
    raise RuntimeError("nobody thought of this")
def interrupted(now):
    raise KeyboardInterrupt
conduct.new_run_id = interrupted
print(run(sys.argv[1:]), file=sys.stderr, flush=True)
conduct.new_run_id = broken
print(run(sys.argv[1:]), file=sys.stderr, flush=True)
sys.exit(run([*sys.argv[1:], "--verbose"]))
"""


def test_70_for_a_bug_and_4_for_ctrl_c_wherever_it_comes_and_never_1(
    tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path, [service.address], [service.port])
    program = (sys.executable, "-c", BUG, "run", path)
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (70, "")
    stopped, _, rest = done.stderr.partition("\n4\n")
    assert stopped.startswith("portproof: interrupted; `portproof resume` goes on with a run that")
    short, _, long = rest.partition("\n70\n")
    assert short.startswith("portproof: this is a bug in portproof: RuntimeError: nobody thought")
    assert "run the command again with --verbose for where it happened" in short
    assert "Traceback" not in short
    assert "Traceback" in long
    assert "in broken" in long
