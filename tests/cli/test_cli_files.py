"""What a run leaves on the disk: for its user's eyes only, whole, and nothing else's."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from tests.cli.conftest import Portproof
from tests.cli.ground import Service, a_free_port, engage, the_run


def test_files_and_folders_are_private_even_without_a_umask(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path, [service.address], [service.port])
    workspace = tmp_path / "new" / "workspace"
    before = os.umask(0)
    try:
        assert portproof("run", path, "--workspace", workspace).code == 1
    finally:
        os.umask(before)
    made = [tmp_path / "new", workspace, *workspace.rglob("*")]
    assert {place.name for place in made} >= {"portproof.db", "portproof.lock", "report.html"}
    for place in made:
        expected = 0o700 if place.is_dir() else 0o600
        assert place.stat().st_mode & 0o777 == expected, place


def test_the_manifest_has_every_file_of_the_run_with_its_sha256(finished: Path) -> None:
    folder = the_run(finished)
    manifest = json.loads((folder / "manifest.json").read_text())
    listed = {entry["path"]: entry for entry in manifest["files"]}
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert found - {"manifest.json", "seal.json"} == set(listed)
    assert {"report.html", "report.json"} < set(listed)
    assert any(name.endswith("/nmap.xml") for name in listed)
    for name, entry in listed.items():
        content = (folder / name).read_bytes()
        assert entry["bytes"] == len(content)
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()


def test_the_workspace_may_lie_anywhere_and_the_engagement_stays_alone(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path / "read", [service.address], [a_free_port(service.address)])
    before = sorted(path.parent.iterdir())
    assert portproof("run", path, "--workspace", tmp_path / "written").code == 0
    assert sorted(path.parent.iterdir()) == before
    assert {p.name for p in (tmp_path / "written").iterdir()} == {
        "portproof.db",
        "portproof.lock",
        "runs",
    }


def test_a_lock_that_is_a_link_overwrites_nothing(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path, [service.address], [service.port])
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    (tmp_path / "portproof.lock").symlink_to(precious)
    said = portproof("run", path)
    assert said.code == 2
    assert f"{tmp_path / 'portproof.lock'}: cannot write" in said.err
    assert precious.read_text() == "keep me"


def test_a_workspace_that_cannot_be_written_is_named(
    portproof: Portproof, tmp_path: Path, service: Service
) -> None:
    path = engage(tmp_path, [service.address], [service.port])
    said = portproof("run", path, "--workspace", path)
    assert said.code == 2
    assert f"{path / 'portproof.lock'}: cannot write: Not a directory" in said.err
    assert "choose another place" in said.err
