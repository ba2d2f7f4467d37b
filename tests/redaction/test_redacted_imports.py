"""What other tools wrote down is imported without the secrets in it."""

from __future__ import annotations

from pathlib import Path

from fixtures import captures
from tests.cli.conftest import Portproof
from tests.cli.ground import ask

VERSIONS = Path(captures.__file__).parent / "nmap-version.xml"
BANNERS = Path(captures.__file__).parent / "masscan-banners.ndjson"


def test_nothing_of_a_secret_in_imported_files_is_in_the_database(
    portproof: Portproof, tmp_path: Path
) -> None:
    xml, hits = tmp_path / "scan.xml", tmp_path / "scan.ndjson"
    xml.write_bytes(VERSIONS.read_bytes().replace(b"OpenSSH", b"of joe@example.com"))
    hits.write_bytes(BANNERS.read_bytes().replace(b"SSH-2.0", b"password=hunter2"))
    said = portproof("import", xml, hits, "--workspace", tmp_path / "w")
    assert said.code in (0, 1), said.err
    services = [row[0] for row in ask(tmp_path / "w", "SELECT service FROM observations") if row[0]]
    banners = [row[0] for row in ask(tmp_path / "w", "SELECT banner FROM observations")]
    assert any("[redacted:email]" in service for service in services)
    assert any("[redacted:password]" in banner for banner in banners)
    stored = b"".join(path.read_bytes() for path in (tmp_path / "w").rglob("*.db*"))
    assert b"joe@example.com" not in stored
    assert b"hunter2" not in stored
