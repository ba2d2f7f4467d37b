"""Stored runs from people's own scripts: values, the shapes of two libraries, and the page."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import api
from pipeline.api import OpenWorkspace, VerdictKind, open_workspace
from pipeline.errors import UsageError
from tests.cli.conftest import Portproof
from tests.cli.ground import ask, the_run
from tests.docs.pages import DOCS, blocks


@pytest.fixture
def workspace(finished: Path) -> Iterator[OpenWorkspace]:
    with open_workspace(finished) as opened:
        yield opened


@pytest.fixture
def endpoint(finished: Path) -> str:
    """The one that the finished run confirmed."""
    ((packed, port),) = ask(finished, "SELECT address, port FROM verdicts")
    return f"{'.'.join(map(str, packed))}:{port}"


def test_a_run_is_found_by_its_id_and_by_its_place(
    workspace: OpenWorkspace, finished: Path
) -> None:
    (run,) = workspace.runs()
    assert run.id == workspace.run("last").id == workspace.run(the_run(finished).name).id
    assert (run.client, run.engagement, run.state) == ("Example Ltd", "weekly", "complete")
    assert run.ended is not None
    assert run.started < run.ended
    assert workspace.runs("another") == ()


def test_a_run_gives_its_verdicts(workspace: OpenWorkspace, endpoint: str) -> None:
    run = workspace.run()
    (verdict,) = run.verdicts()
    assert str(verdict.endpoint) == f"{endpoint}/tcp"
    assert verdict.kind is VerdictKind.CONFIRMED
    assert run.verdict(endpoint) == run.verdict(verdict.endpoint) == verdict
    assert run.verdict("192.0.2.1:443") is None
    assert run.changes() == ()


def test_not_asked_is_told_from_asked_and_refused(
    workspace: OpenWorkspace, finished: Path, endpoint: str
) -> None:
    run = workspace.run()
    ((ports,),) = ask(finished, "SELECT DISTINCT ports FROM batches")
    address, _, opened = endpoint.partition(":")
    refused = f"{address}:{({*ports.split(',')} - {opened}).pop()}"
    assert run.asked(endpoint)
    assert run.asked(refused)
    assert run.verdict(refused) is None
    assert not run.asked(f"{address}:1")


def test_a_run_is_the_report_of_libnmap_and_the_dictionary_of_python_nmap(
    workspace: OpenWorkspace, endpoint: str
) -> None:
    run = workspace.run()
    address, _, port = endpoint.partition(":")
    (host,) = run.as_nmap_report().hosts
    assert (host.address, host.get_open_ports()) == (address, [(int(port), "tcp")])
    known = run.as_python_nmap()["scan"][address]["tcp"][int(port)]
    assert known["state"] == "open"
    assert known["script"]["portproof-verdict"].startswith("confirmed (")
    assert "portproof-verdict" not in run.as_nmap_xml(plain=True)


def test_a_folder_without_a_database_is_no_workspace(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no portproof\.db here"):
        open_workspace(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_examples_of_the_page_run(
    finished: Path, endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    examples = [b.text for b in blocks(DOCS / "api.md") if b.language == "python"]
    assert len(examples) == 2
    with contextlib.chdir(finished):
        for example in examples:
            exec(compile(example, "docs/api.md", "exec"), {})
    said = capsys.readouterr().out
    address, _, port = endpoint.partition(":")
    assert f"{endpoint}/tcp service-spoke" in said
    assert f"{address} {port} open confirmed 0." in said
    assert f"{address} {port} open confirmed (service-spoke" in said


def test_everything_of_the_interface_is_on_its_page() -> None:
    page = (DOCS / "api.md").read_text()
    for kind in (api.OpenWorkspace, api.StoredRun):
        for name in vars(kind):
            assert name.startswith("_") or f".{name}" in page or f"{name}()" in page, name


def test_the_xml_is_what_the_command_exports(portproof: Portproof, finished: Path) -> None:
    with open_workspace(finished) as workspace:
        text = workspace.run().as_nmap_xml()
    assert portproof("export", "last", "--workspace", finished).out == text
