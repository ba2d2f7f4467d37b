"""Whatever is done to the record or the files of a run, a check finds it; and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.audit.chain import RECORD, canonical, line_of, read_chain
from pipeline.audit.sealing import seal
from pipeline.files import sha256_of
from pipeline.manifest import MANIFEST, SEAL, manifest
from tests.audit.conftest import Recorded

CLASSES: dict[str, tuple[Callable[[int], bool], bytes]] = {
    "digit": (lambda byte: chr(byte) in "012345678", b"9"),
    "letter of a hash": (lambda byte: chr(byte) in "abcde", b"f"),
    "letter": (lambda byte: chr(byte).isalpha() and byte != ord("z"), b"z"),
    "capital": (lambda byte: chr(byte).isupper() and byte != ord("Z"), b"Z"),
    "brace": (lambda byte: chr(byte) in "{}", b"["),
    "bracket": (lambda byte: chr(byte) in "[]", b"{"),
    "quote": (lambda byte: byte == ord('"'), b"'"),
    "colon": (lambda byte: byte == ord(":"), b"="),
    "comma": (lambda byte: byte == ord(","), b";"),
    "sign": (lambda byte: chr(byte) in "-./_ ", b"+"),
    "end of line": (lambda byte: byte == ord("\n"), b" "),
}
EVERY = 61
"""Of all places of a class, every so many."""


def lines(recorded: Recorded) -> list[bytes]:
    return recorded.record.read_bytes().splitlines(keepends=True)


def found(recorded: Recorded) -> bool:
    """True when both ways to check find something."""
    return bool(recorded.by_folder().findings) and bool(recorded.by_database().findings)


def test_a_run_that_nobody_touched_passes(recorded: Recorded) -> None:
    for checked in (recorded.by_folder(), recorded.by_database()):
        assert checked.findings == ()
        assert checked.sealed
        assert checked.run == recorded.folder.name
        assert checked.head.lines == len(lines(recorded))


def test_a_run_passes_wherever_its_folder_is(recorded: Recorded, tmp_path: Path) -> None:
    shutil.move(recorded.folder, tmp_path / "elsewhere")
    recorded.folder = tmp_path / "elsewhere"
    assert recorded.by_folder().findings == ()


@pytest.mark.parametrize("kind", CLASSES)
def test_a_byte_that_was_changed_is_found(recorded: Recorded, kind: str) -> None:
    belongs, instead = CLASSES[kind]
    data = recorded.record.read_bytes()
    places = [place for place, byte in enumerate(data) if belongs(byte)]
    assert places
    for place in (*places[::EVERY], places[-1]):
        recorded.record.write_bytes(data[:place] + instead + data[place + 1 :])
        assert found(recorded), (place, data[max(0, place - 20) : place + 20])


@pytest.mark.parametrize("more", [b" ", b"\n", b"\x00", b"{}\n", b"\xff"])
def test_a_byte_that_was_added_is_found(recorded: Recorded, more: bytes) -> None:
    data = recorded.record.read_bytes()
    for place in (0, 1, len(data) // 2, len(data) - 1, len(data)):
        recorded.record.write_bytes(data[:place] + more + data[place:])
        assert found(recorded), place


def test_a_line_that_was_removed_is_found(recorded: Recorded) -> None:
    whole = lines(recorded)
    for place in range(len(whole)):
        recorded.record.write_bytes(b"".join(whole[:place] + whole[place + 1 :]))
        assert found(recorded), place


def test_lines_that_changed_places_are_found(recorded: Recorded) -> None:
    whole = lines(recorded)
    for place in range(len(whole) - 1):
        swapped = [*whole[:place], whole[place + 1], whole[place], *whole[place + 2 :]]
        recorded.record.write_bytes(b"".join(swapped))
        assert found(recorded), place


def test_a_line_that_stands_there_twice_is_found(recorded: Recorded) -> None:
    whole = lines(recorded)
    for place in range(len(whole)):
        recorded.record.write_bytes(b"".join(whole[: place + 1] + whole[place:]))
        assert found(recorded), place


def test_a_tail_that_was_cut_off_is_found(recorded: Recorded) -> None:
    whole = lines(recorded)
    for left in range(len(whole)):
        recorded.record.write_bytes(b"".join(whole[:left]))
        assert found(recorded), left


def test_a_line_that_was_added_and_follows_properly_is_found(recorded: Recorded) -> None:
    data = recorded.record.read_bytes()
    chain = read_chain(data)
    last = chain.lines[-1]
    assert last is not None
    told = json.loads(line_of(last)) | {"n": last.number + 1, "previous": chain.head.sha256}
    recorded.record.write_bytes(data + canonical(told) + b"\n")
    assert read_chain(recorded.record.read_bytes()).problems == ()
    assert found(recorded)
    told_of = {finding.what for finding in recorded.by_database().findings}
    for whose in ("the seal", "the manifest", "the database"):
        known = f"came after {whose}, which knows {last.number} lines: it was added"
        assert known in told_of


def forge(recorded: Recorded, change: Callable[[dict[str, Any]], None]) -> None:
    """Write the record anew with a change, every hash as it has to be."""
    previous = read_chain(recorded.record.read_bytes()).heads[0]
    forged = b""
    for line in lines(recorded):
        told = json.loads(line)
        change(told)
        told["previous"] = previous
        data = canonical(told)
        previous = read_chain(data + b"\n").heads[1]
        forged += data + b"\n"
    recorded.record.write_bytes(forged)


def test_a_record_that_was_forged_from_end_to_end_is_found_by_the_seal(recorded: Recorded) -> None:
    def another(told: dict[str, Any]) -> None:
        told["operator"]["user"] = "mallory"

    forge(recorded, another)
    assert read_chain(recorded.record.read_bytes()).problems == ()
    assert found(recorded)


def test_lines_that_are_numbered_wrongly_are_named_although_they_follow_properly(
    recorded: Recorded,
) -> None:
    def one_too_high(told: dict[str, Any]) -> None:
        told["n"] += 1

    forge(recorded, one_too_high)
    problems = read_chain(recorded.record.read_bytes()).problems
    assert [number for number, _ in problems] == list(range(1, len(lines(recorded)) + 1))
    assert {f"{RECORD}:1"} <= {finding.where for finding in recorded.by_folder().findings}


def test_what_follows_the_last_line_and_is_none_is_named(recorded: Recorded) -> None:
    recorded.record.write_bytes(recorded.record.read_bytes() + b"{")
    where = {finding.where for finding in recorded.by_folder().findings}
    assert f"{RECORD}:{len(lines(recorded))}" in where


def evidence(recorded: Recorded) -> list[Path]:
    return sorted((recorded.folder / "tasks").glob("*/*"))


def test_evidence_that_was_changed_is_found_by_its_name(recorded: Recorded) -> None:
    for path in evidence(recorded):
        data = path.read_bytes()
        path.write_bytes(data + b"\n")
        name = path.relative_to(recorded.folder).as_posix()
        assert name in {finding.where for finding in recorded.by_folder().findings}
        path.write_bytes(data)
    assert recorded.by_database().findings == ()


def test_evidence_that_is_gone_or_new_is_found(recorded: Recorded) -> None:
    for path in evidence(recorded):
        data = path.read_bytes()
        path.unlink()
        assert found(recorded), path
        path.symlink_to("/dev/null")
        assert found(recorded), path
        path.unlink()
        path.write_bytes(data)
    (recorded.folder / "tasks" / "more.xml").write_bytes(b"")
    assert found(recorded)


@pytest.mark.parametrize("name", ["nmap.xml", "handshakes.jsonl", "report.json", "report.html"])
def test_a_file_that_was_changed_together_with_the_manifest_is_found(
    recorded: Recorded, name: str
) -> None:
    path = next(path for path in recorded.folder.rglob(name))
    before, size = sha256_of(path), path.stat().st_size
    data = path.read_bytes().replace(b"open", b"shut").replace(b"confirmed", b"refuted!!")
    path.write_bytes(data)
    text = (recorded.folder / MANIFEST).read_text().replace(before, sha256_of(path))
    (recorded.folder / MANIFEST).write_text(text.replace(f": {size},", f": {len(data)},"))
    where = {finding.where for finding in recorded.by_folder().findings}
    assert {MANIFEST} < where, "the seal, and the record"
    assert found(recorded)


@pytest.mark.parametrize("name", [MANIFEST, SEAL])
def test_a_byte_of_manifest_or_seal_that_was_changed_is_found(
    recorded: Recorded, name: str
) -> None:
    path = recorded.folder / name
    data = path.read_bytes()
    for place in range(0, len(data), 41):
        path.write_bytes(data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :])
        assert found(recorded), place


@pytest.mark.parametrize("name", ["audit.jsonl", MANIFEST, SEAL, "report.json", "report.html"])
def test_a_file_that_is_gone_is_found(recorded: Recorded, name: str) -> None:
    (recorded.folder / name).unlink()
    assert found(recorded)


def test_a_run_that_was_made_anew_in_its_folder_is_found_by_the_database(
    recorded: Recorded,
) -> None:
    """Who can write everything in the folder can seal it again; without a signature the database
    alone knows better."""

    def another(told: dict[str, Any]) -> None:
        told["operator"]["user"] = "mallory"

    (recorded.folder / "report.json").unlink()
    forge(recorded, another)
    head = read_chain(recorded.record.read_bytes()).head
    told = manifest(recorded.folder, run_id=recorded.folder.name, head=head)
    (recorded.folder / MANIFEST).write_text(told)
    seal(recorded.folder, run=recorded.folder.name, head=head, signing_key=None)
    assert {SEAL, MANIFEST} <= {finding.where for finding in recorded.by_database().findings}


def test_evidence_that_went_on_record_is_not_missed_and_other_evidence_is(
    recorded: Recorded,
) -> None:
    gone, second = [path for path in evidence(recorded) if path.name == "nmap.xml"][:2]
    data = recorded.record.read_bytes()
    chain = read_chain(data)
    last = chain.lines[-1]
    assert last is not None
    name = gone.relative_to(recorded.folder).as_posix()
    told = json.loads(line_of(last)) | {
        "n": last.number + 1,
        "previous": chain.head.sha256,
        "kind": "purged",
        "facts": {"files": {name: sha256_of(gone)}},
    }
    recorded.record.write_bytes(data + canonical(told) + b"\n")
    gone.unlink()

    def sealed() -> set[str]:
        head = read_chain(recorded.record.read_bytes()).head
        text = manifest(recorded.folder, run_id=recorded.folder.name, head=head)
        (recorded.folder / MANIFEST).write_text(text)
        seal(recorded.folder, run=recorded.folder.name, head=head, signing_key=None)
        return {finding.where for finding in recorded.by_folder().findings}

    assert sealed() == set()
    second.unlink()
    assert sealed() == {f"tasks/{second.parent.name}"}


def test_a_run_that_was_cut_off_has_lost_no_line_that_the_database_knows(
    recorded: Recorded,
) -> None:
    """Before the first seal the database alone knows where the record stood."""
    audit = recorded.known.audit
    assert audit is not None
    open_ = replace(audit, manifest_sha256="", printed=None)
    recorded.known = replace(recorded.known, audit=open_)
    (recorded.folder / SEAL).unlink()
    (recorded.folder / "report.json").unlink()
    last = len(lines(recorded))
    cut = f"has {last - 1} lines, and the database knows {last}: lines were cut off"
    assert cut not in {finding.what for finding in recorded.by_database().findings}
    recorded.record.write_bytes(b"".join(lines(recorded)[:-1]))
    assert cut in {finding.what for finding in recorded.by_database().findings}


def test_a_task_of_which_the_database_says_something_else_is_found(recorded: Recorded) -> None:
    first, *others = recorded.known.tasks
    for changed in (
        replace(first, evidence_sha256="ab" * 32),
        replace(first, attempt=first.attempt + 1),
        replace(first, number=999),
    ):
        recorded.known = replace(recorded.known, tasks=[changed, *others])
        (found,) = recorded.by_database().findings
        assert found.where == RECORD
        assert f"task {changed.number}" in found.what
