"""What is kept of what the tools wrote: read again, it says what the database says."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures import captures
from pipeline.evidence import expired, keep, keep_all, remove, written_by_tools
from pipeline.files import make_private_folder, write_whole
from pipeline.model import Service
from pipeline.parse.nmap_xml import HostResult, read_nmap_xml
from pipeline.plan import EvidenceKept, Privacy
from pipeline.redact import FINGERPRINT, SCRIPT, Redactor
from pipeline.store.runs import Store
from pipeline.workspace import Workspace
from tests.decide.making import PLAN

REDACTOR = Redactor()
CAPTURES = Path(captures.__file__).parent
PLANTED = (
    b"220&#xa;joe@example.com password=&quot;a&amp;b c&quot;&#xa;&#45;&#45;&#45;&#45;&#45;"
    b"BEGIN RSA PRIVATE KEY&#45;&#45;&#45;&#45;&#45;&#xa;MIIB"
)


def hosts(data: bytes) -> list[HostResult]:
    """What our reader makes of nmap's XML."""
    found: list[HostResult] = []
    read_nmap_xml(io.BytesIO(data), found.append)
    return found


def redacted(host: HostResult) -> HostResult:
    """A host as it is filed."""

    def told(service: Service | None) -> Service | None:
        return None if service is None else REDACTOR.service(service)

    return replace(
        host,
        ports=tuple(replace(port, service=told(port.service)) for port in host.ports),
        host_scripts=tuple((name, REDACTOR.text(said)) for name, said in host.host_scripts),
        names=tuple(map(REDACTOR.text, host.names)),
    )


@pytest.mark.parametrize("name", sorted(p.name for p in CAPTURES.glob("nmap-*.xml")))
def test_redacted_xml_reads_as_what_was_read_from_the_raw_one(name: str, tmp_path: Path) -> None:
    data = (CAPTURES / name).read_bytes().replace(b"OpenSSH", PLANTED)
    (tmp_path / "nmap.xml").write_bytes(data)
    keep(tmp_path, REDACTOR, EvidenceKept.REDACTED)
    kept = (tmp_path / "nmap.xml").read_bytes()
    assert hosts(kept) == [redacted(host) for host in hosts(data)]
    assert b"joe@example.com" not in kept
    assert b"MIIB" not in kept


@pytest.mark.parametrize("name", ["nmap-syn.xml", "masscan-hits.ndjson", "masscan-ipv6.ndjson"])
def test_evidence_without_secrets_stays_byte_for_byte(name: str, tmp_path: Path) -> None:
    data = (CAPTURES / name).read_bytes()
    (tmp_path / name).write_bytes(data)
    keep(tmp_path, REDACTOR, EvidenceKept.REDACTED)
    assert (tmp_path / name).read_bytes() == data


def test_a_secret_that_a_script_broke_into_two_lines_is_found(tmp_path: Path) -> None:
    data = (CAPTURES / "nmap-version.xml").read_bytes()
    token = b"ghp_0123456789&#xa;abcdefghijABCDEFGHIJ012345"
    data = data.replace(b'id="banner" output="', b'id="banner" output="' + token)
    (tmp_path / "nmap.xml").write_bytes(data)
    keep(tmp_path, REDACTOR, EvidenceKept.REDACTED)
    kept = (tmp_path / "nmap.xml").read_bytes()
    assert token in data
    assert b"0123456789" not in kept
    assert hosts(kept) == [redacted(host) for host in hosts(data)]


def test_bytes_that_are_no_text_stay_beside_what_is_redacted(tmp_path: Path) -> None:
    (tmp_path / "stderr.log").write_bytes(b"\xff\xfe joe@example.com \x80\n")
    keep(tmp_path, REDACTOR, EvidenceKept.REDACTED)
    assert (tmp_path / "stderr.log").read_bytes() == b"\xff\xfe [redacted:email] \x80\n"


def test_what_nmap_could_not_make_out_is_left_out(tmp_path: Path) -> None:
    data = (CAPTURES / "nmap-version.xml").read_bytes()
    (tmp_path / "nmap.xml").write_bytes(data)
    (tmp_path / "stdout.log").write_text(
        "port 21\nSF-Port21-TCP:V=7.93%r(NULL,9,220)\nSF:x\n| a: b\n|_c\nend\n"
    )
    keep(tmp_path, REDACTOR, EvidenceKept.REDACTED)
    assert b"%r(NULL" in data
    assert f'servicefp="{FINGERPRINT}"'.encode() in (tmp_path / "nmap.xml").read_bytes()
    said = (tmp_path / "stdout.log").read_text()
    assert said == f"port 21\n{FINGERPRINT}\n{FINGERPRINT}\n{SCRIPT}\nend\n"


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """The folder of a task that was cut off."""
    folder = tmp_path / "tasks" / "000001-1-nmap-version"
    folder.mkdir(parents=True)
    (folder / "targets.txt").write_text("192.0.2.7\n")
    (folder / "stderr.log").write_text("mail joe@example.com\n")
    (folder / "paused.conf").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text("joe@example.com")
    return folder


def test_what_a_killed_process_left_is_redacted_before_a_run_goes_on(task: Path) -> None:
    keep_all(task.parent, ["000001-1-nmap-version"], REDACTOR, EvidenceKept.REDACTED)
    assert "joe@" in (task / "stderr.log").read_text()
    keep_all(task.parent, [], REDACTOR, EvidenceKept.REDACTED)
    assert (task / "stderr.log").read_text() == "mail [redacted:email]\n"
    assert (task / "targets.txt").read_text() == "192.0.2.7\n"


def test_a_link_in_the_folder_of_a_task_is_not_followed(task: Path) -> None:
    keep(task, REDACTOR, EvidenceKept.REDACTED)
    assert (task.parents[1] / "elsewhere").read_text() == "joe@example.com"


def test_of_raw_evidence_only_the_questions_stay(task: Path) -> None:
    files = written_by_tools(task.parents[1])
    assert [path.name for path in files] == ["stderr.log"]
    remove(files)
    remove(files)  # once more, after a crash
    assert {path.name for path in task.iterdir()} == {"targets.txt", "paused.conf"}


def test_raw_evidence_expires_when_it_was_kept_for_long_enough() -> None:
    raw = Privacy(evidence=EvidenceKept.RAW, keep_raw=10.0)
    assert [expired(raw, 5.0, now) for now in (14.9, 15.0)] == [False, True]
    assert not expired(raw, None, 99.0), "the run has not ended"
    assert not expired(Privacy(), 5.0, 99.0), "redacted evidence is kept"


@pytest.fixture(params=[0o000, 0o777], ids=["everything", "nothing"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """A umask that allows everything, or nothing at all."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_files_are_private_while_they_are_used_whatever_the_umask(
    tmp_path: Path, umask: int
) -> None:
    work = Workspace(tmp_path / "a" / "b")
    with work.lock(now=1.0), Store(work.database) as store:
        store.create_run(PLAN, run_id="one", now=1.0)
        write_whole(work.run_folder("one") / "report.html", "x")
        make_private_folder(work.run_folder("one") / "tasks")
        made = sorted((tmp_path / "a").rglob("*"))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a", *made)}
    assert umask in (0o000, 0o777)
    assert {"portproof.db-wal", "portproof.db-shm", "portproof.lock", "report.html"} <= set(modes)
    folders = ("a", "b", "runs", "one", "tasks")
    assert modes == {name: 0o700 if name in folders else 0o600 for name in modes}
