"""Files against each other, and against runs: what was not asked is never closed."""

from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Portproof
from tests.cli.past import file_run, found, past

FILES = Path(__file__).parents[2] / "fixtures" / "diff"


def pair(before: str, after: str) -> tuple[Path, Path]:
    return FILES / f"{before}.xml", FILES / f"{after}.xml"


def told(document: Any) -> dict[str, tuple[str, str, str | None]]:
    return {
        f"{c['address']}:{c['port']}": (c["kind"], c["reason"], c["note"])
        for c in document["changes"]
    }


SIX = {
    "not-asked": ("not-covered", "not-asked", "its port was not asked"),
    "extraports": ("closed", "refused", "counted among the closed ports, not listed"),
    "timed-out": ("not-covered", "gave-up", "host timed out"),
    "host-missing": ("not-covered", "not-asked", "its address was not asked"),
    "closed": ("closed", "refused", None),
    "truncated": ("not-covered", "gave-up", "the file is cut off or damaged at"),
}


@pytest.mark.parametrize("case", SIX)
def test_what_became_of_an_open_port_is_told_apart(case: str, portproof: Portproof) -> None:
    said = portproof("diff", *pair("before", case), "--format", "json")
    assert said.code == 1
    changes = told(said.json)
    kind, reason, note = changes.pop("192.0.2.7:22")
    assert (kind, reason) == SIX[case][:2]
    assert (note is None) == (SIX[case][2] is None)
    assert note is None or note.startswith(SIX[case][2] or "")
    # The whole host is gone from some of them, and 80/tcp with it; nothing else ever changed.
    assert changes.keys() <= {"192.0.2.7:80"}
    assert {kind for kind, *_ in changes.values()} <= {"not-covered"}


ROWS = {
    "text": r"(?m)^192\.0\.2\.7:22/tcp .*$",
    "json": r"(?m)^.*\"port\":22,.*$",
    "markdown": r"(?m)^\| 192\.0\.2\.7:22/tcp .*$",
    "html": r"(?s)<tr><th[^>]*>192\.0\.2\.7:22/tcp</th>.*?</tr>",
}


@pytest.mark.parametrize("form", ROWS)
def test_no_two_of_the_six_read_alike_in_any_form(form: str, portproof: Portproof) -> None:
    said = {}
    for case, (kind, reason, note) in SIX.items():
        out = portproof("diff", *pair("before", case), "--format", form).out
        (row,) = re.findall(ROWS[form], out)
        said[row] = case
        assert reason in row
        assert note is None or note in row
        # Of a page the heading above the row names the kind.
        assert kind in (out if form == "html" else row)
    assert len(said) == len(SIX)


@pytest.mark.parametrize("case", SIX)
def test_backwards_nothing_was_opened_that_had_not_been_asked(
    case: str, portproof: Portproof
) -> None:
    after, before = pair("before", case)
    said = portproof("diff", before, after, "--format", "json")
    expected = "opened" if SIX[case][0] == "closed" else "newly-covered"
    assert told(said.json)["192.0.2.7:22"][0] == expected


def test_a_file_does_not_differ_from_itself(portproof: Portproof) -> None:
    for file in sorted(FILES.glob("*.xml")):
        said = portproof("diff", file, file)
        assert (said.code, said.out.splitlines()[-1]) == (0, "nothing changed"), file


def test_a_lost_tunnel_is_a_change(portproof: Portproof) -> None:
    said = portproof("diff", *pair("tunnel-before", "tunnel-after"), "--format", "json")
    (change,) = said.json["changes"]
    assert change["kind"] == "service-changed"
    assert change["details"] == [{"what": "tunnel", "before": "ssl", "after": ""}]


def test_the_order_of_extraports_is_no_change(portproof: Portproof) -> None:
    said = portproof("diff", *pair("extraports-one", "extraports-other"), "--format", "json")
    assert (said.code, said.json["changes"], said.json["comparable"]) == (0, [], True)


def test_addresses_stand_in_numeric_order(portproof: Portproof) -> None:
    said = portproof("diff", *pair("order-before", "order-after"), "--format", "json")
    assert list(told(said.json)) == ["192.0.2.9:22", "192.0.2.10:22"]


@pytest.mark.parametrize("form", ROWS)
def test_what_ndiff_gets_wrong_is_right_in_any_form(form: str, portproof: Portproof) -> None:
    lost = portproof("diff", *pair("tunnel-before", "tunnel-after"), "--format", form)
    assert (lost.code, "tunnel" in lost.out, "ssl" in lost.out) == (1, True, True)
    moved = portproof("diff", *pair("extraports-one", "extraports-other"), "--format", form)
    assert moved.code == 0
    assert '"changes":[]' in moved.out or "nothing changed" in moved.out.lower()
    ordered = portproof("diff", *pair("order-before", "order-after"), "--format", form).out
    found = re.findall(r"192\.0\.2\.\d+(?=:22/tcp|\",\"protocol)", ordered)
    assert found == ["192.0.2.9", "192.0.2.10"]


def test_the_header_says_what_was_not_the_same(portproof: Portproof) -> None:
    said = portproof("diff", *pair("before", "truncated"))
    assert "not the same: after: the file is cut off or damaged at line 25" in said.out
    said = portproof("diff", *pair("before", "not-asked"), "--format", "json")
    (difference,) = said.json["differences"]
    assert difference.startswith("the ports differ: 22,80,443 before, 80,443 now")
    assert said.json["after"]["arguments"].startswith("nmap -sS -sV -p 80,443")


@pytest.mark.parametrize("after", ["before", "closed"])
def test_the_header_says_that_only_one_of_two_files_has_versions(
    after: str, portproof: Portproof, tmp_path: Path
) -> None:
    with_, other = pair("before", after)
    without = tmp_path / "without.xml"
    without.write_text(other.read_text().replace(" -sV", ""))
    for files, words in (
        ((with_, without), "versions were asked for before and not now"),
        ((without, with_), "versions are asked for now and were not before"),
    ):
        (said,) = portproof("diff", *files, "--format", "json").json["differences"]
        assert said.startswith(words)


def test_packed_files_say_the_same(portproof: Portproof, tmp_path: Path) -> None:
    before, after = pair("before", "closed")
    packed = tmp_path / "closed.xml.gz"
    packed.write_bytes(gzip.compress(after.read_bytes()))
    said = portproof("diff", before, packed, "--format", "json")
    assert told(said.json) == {"192.0.2.7:22": ("closed", "refused", None)}


@pytest.mark.parametrize(
    ("scanned", "kind"), [((), "not-covered"), (("--scanned", "192.0.2.0/24 1-100"), "unreachable")]
)
def test_a_file_of_masscan_proves_nothing_unless_somebody_says_what_was_scanned(
    scanned: tuple[str, ...], kind: str, portproof: Portproof, tmp_path: Path
) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    line = '{{"ip":"192.0.2.{}","timestamp":"1793671200","port":22,"proto":"tcp","rec_type":'
    line += '"status","data":{{"status":"open","reason":"syn-ack","ttl":63}}}}\n'
    one.write_text(line.format(7) + line.format(9))
    other.write_text(line.format(9))
    said = portproof("diff", one, other, *scanned, "--format", "json")
    assert {where: kind for where, (kind, *_) in told(said.json).items()} == {"192.0.2.7:22": kind}
    assert said.json["comparable"] is bool(scanned)


def test_a_file_is_compared_with_a_run_and_a_run_with_a_file(
    portproof: Portproof, tmp_path: Path
) -> None:
    with past(tmp_path) as store:
        file_run(store, "one", [found("192.0.2.7:22"), found("192.0.2.8:443")])
    here = ("--workspace", tmp_path, "--format", "json")
    said = portproof("diff", "last", FILES / "extraports.xml", *here)
    kinds = {where: kind for where, (kind, *_) in told(said.json).items()}
    assert kinds["192.0.2.7:22"] == "closed"
    assert kinds["192.0.2.8:443"] == "not-covered"
    back = portproof("diff", FILES / "extraports.xml", "last", *here)
    assert told(back.json)["192.0.2.7:22"][0] == "opened"
    assert back.json["before"]["name"].endswith("extraports.xml")


def test_what_is_no_scan_or_lacks_its_other_side_exits_with_2(
    portproof: Portproof, tmp_path: Path
) -> None:
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("<html>")
    assert portproof("diff", nonsense, FILES / "closed.xml").code == 2
    said = portproof("diff", "--workspace", tmp_path, "", FILES / "closed.xml")
    assert said.code == 2


def test_what_an_imported_file_counts_and_does_not_list_is_told_of_its_run_too(
    portproof: Portproof, tmp_path: Path
) -> None:
    here = ("--workspace", tmp_path)
    for name in ("before", "extraports", "closed"):
        assert portproof("import", FILES / f"{name}.xml", *here, "--engagement", "x").code == 0
    for after, note in (("last~1", SIX["extraports"][2]), ("last", None)):
        said = portproof("diff", "last~2", after, *here, "--format", "json")
        assert told(said.json)["192.0.2.7:22"] == ("closed", "refused", note)


def test_imported_runs_are_compared_as_the_files_are(portproof: Portproof, tmp_path: Path) -> None:
    here = ("--workspace", tmp_path)
    for name in ("before", "extraports"):
        shutil.copy(FILES / f"{name}.xml", tmp_path)
        assert portproof("import", tmp_path / f"{name}.xml", *here).code == 0
    said = portproof("diff", "last~1", "last", *here, "--format", "json")
    assert told(said.json) == {"192.0.2.7:22": ("closed", "refused", None)}


def test_the_page_says_of_each_case_what_portproof_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "comparing.md").read_text(encoding="utf-8")
    for case, (kind, reason, _) in SIX.items():
        (row,) = re.findall(rf"^\| \[`{case}\.xml`\].*$", page, re.MULTILINE)
        assert f"`{kind}`" in row
        assert f"`{reason}`" in row
