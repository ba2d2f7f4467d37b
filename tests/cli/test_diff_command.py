"""What changed between any two runs, for people, for programs, and for scripts."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from pipeline.model import RunState, Service, VerdictKind
from tests.cli.conftest import Portproof
from tests.cli.ground import engage
from tests.cli.past import file_run, found, past
from tests.decide.making import PLAN, PROBED, sweep

HOSTILE = Service(
    name="http\x1b[31m",
    product="<script>alert(1)</script>|[x](javascript:y)",
    version="\u202e=cmd()",
    method="probed",
)
FORMATS = ("text", "json", "markdown", "html")


@pytest.fixture(scope="module")
def _three_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs of one engagement, a day apart; the first is of another profile."""
    folder = tmp_path_factory.mktemp("three")
    closed = found("192.0.2.7:443", VerdictKind.REFUTED)
    with past(folder) as store:
        file_run(store, "one", [found("192.0.2.7:22", service=PROBED), found("192.0.2.7:443")])
        file_run(
            store,
            "two",
            [found("192.0.2.7:22", service=replace(PROBED, version="9.6")), closed],
            day=1,
            plan=replace(PLAN, profile="fast"),
        )
        file_run(
            store,
            "three",
            [found("192.0.2.7:22", service=HOSTILE), found("192.0.2.9:80")],
            day=2,
            plan=replace(PLAN, profile="fast"),
        )
    return folder


@pytest.fixture
def workspace(_three_runs: Path, tmp_path: Path) -> Path:
    """A copy of them, for a test to add to."""
    return shutil.copytree(_three_runs, tmp_path / "workspace")


def kinds(document: object) -> dict[str, str]:
    assert isinstance(document, dict)
    return {f"{c['address']}:{c['port']}": c["kind"] for c in document["changes"]}


def test_two_runs_are_compared_and_changes_exit_with_1(
    portproof: Portproof, workspace: Path
) -> None:
    said = portproof("diff", "one", "two", "--workspace", workspace, "--format", "json")
    assert said.code == 1
    assert kinds(said.json) == {
        "192.0.2.7:22": "service-changed",
        "192.0.2.7:443": "closed",
    }
    assert said.json["comparable"] is False
    assert said.json["differences"] == ["the profile differs: balanced before, fast now"]
    first, second = said.json["changes"]
    assert first["details"] == [{"what": "version", "before": "9.2", "after": "9.6"}]
    assert first.keys() >= {"protocol", "reason", "confidence", "before", "after", "folded"}
    assert (second["before"]["verdict"], second["after"]["verdict"]) == ("confirmed", "refuted")


def test_the_table_names_both_sides_and_what_is_another(
    portproof: Portproof, workspace: Path
) -> None:
    said = portproof("diff", "one", "two", "--workspace", workspace)
    assert said.code == 1
    lines = said.out.splitlines()
    assert lines[0] == "one (2026-11-03 02:00 UTC) → two (2026-11-04 02:00 UTC)"
    assert "not the same: the profile differs: balanced before, fast now" in lines[1]
    assert any("version: 9.2 → 9.6" in line and "service-changed" in line for line in lines)
    assert lines[-1] == "2 changes: 1 service-changed and 1 closed"


@pytest.mark.parametrize("format_", FORMATS)
def test_a_run_does_not_differ_from_itself_and_exits_with_0(
    format_: str, portproof: Portproof, workspace: Path
) -> None:
    said = portproof("diff", "two", "two", "--workspace", workspace, "--format", format_)
    assert said.code == 0
    assert said.json["changes"] == [] if format_ == "json" else "othing changed" in said.out


@pytest.mark.parametrize(
    ("arguments", "sides"),
    [
        ((), ("two", "three")),
        (("last~2", "last"), ("one", "three")),
        (("2026-11-03", "2026-11-04"), ("one", "two")),
        (("2026-11-04T02:00Z", "last"), ("one", "three")),
        (("--since", "2026-11-03"), ("one", "three")),
        (("2027-01-01",), ("two", "three")),
        (("--since", "2027-01-01"), ("two", "three")),
    ],
)
def test_a_side_is_an_id_a_place_or_a_date(
    arguments: tuple[str, ...], sides: tuple[str, str], portproof: Portproof, workspace: Path
) -> None:
    said = portproof("diff", *arguments, "--workspace", workspace, "--format", "json").json
    assert (said["before"]["name"], said["after"]["name"]) == sides


def test_a_date_means_a_complete_run_of_the_same_engagement(
    portproof: Portproof, workspace: Path
) -> None:
    with past(workspace) as store:
        file_run(store, "filed late", [], day=-30)
        file_run(store, "other", [], day=2, plan=replace(PLAN, engagement="another"))
        file_run(store, "cut", [], day=3, state=RunState.INCOMPLETE)
    said = portproof("diff", "2026-11-09", "cut", "--workspace", workspace, "--format", "json")
    assert said.json["before"]["name"] == "three"
    assert "was not finished" in said.json["after"]["problem"]
    assert said.json["comparable"] is False


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("none", "two"), "there is no run 'none'"),
        (("2026-01-01", "two"), "no complete run before two began by 2026-01-01"),
        (("2026-12-31", "one"), "no complete run before one began by 2026-12-31"),
        (("2026-13-01", "two"), "is no day of the calendar"),
        (("one", "two", "--since", "2026-11-03"), "--since stands for A"),
        (("--only", "shut"), "'shut' is no kind of change"),
        (("last~2", "one"), ""),
    ],
)
def test_what_cannot_be_compared_exits_with_2(
    arguments: tuple[str, ...], complaint: str, portproof: Portproof, workspace: Path
) -> None:
    said = portproof("diff", *arguments, "--workspace", workspace)
    assert said.code == (2 if complaint else 0)
    assert complaint in said.err


def test_of_the_first_run_and_of_one_that_was_killed_there_is_nothing_to_say(
    portproof: Portproof, workspace: Path
) -> None:
    said = portproof("diff", "--workspace", workspace, "", "one")
    assert said.code == 2
    assert "there is no complete run before one" in said.err
    with past(workspace) as store:
        file_run(store, "killed", [], day=4, state=RunState.RUNNING)
    said = portproof("diff", "one", "killed", "--workspace", workspace)
    assert said.code == 2
    assert "portproof resume" in said.err


def test_only_some_kinds_are_told_and_the_others_counted(
    portproof: Portproof, workspace: Path
) -> None:
    here = ("--workspace", workspace, "--format", "json")
    said = portproof("diff", "one", "two", "--only", "closed, opened", *here)
    assert (said.code, kinds(said.json)) == (1, {"192.0.2.7:443": "closed"})
    assert said.json["unwanted"] == 1
    assert portproof("diff", "one", "two", "--only", "opened", *here).code == 0


def test_what_the_new_run_did_not_ask_is_not_covered(portproof: Portproof, tmp_path: Path) -> None:
    with past(tmp_path) as store:
        file_run(store, "one", [found("192.0.2.7:22"), found("192.0.2.7:443")])
        file_run(store, "two", [], day=1, asked=sweep("192.0.2.7", ports="443"))
    said = portproof("diff", "one", "two", "--workspace", tmp_path, "--format", "json")
    assert kinds(said.json) == {"192.0.2.7:22": "not-covered", "192.0.2.7:443": "unreachable"}


def test_noise_is_one_line_and_all_tells_it(portproof: Portproof, tmp_path: Path) -> None:
    with past(tmp_path) as store:
        asked = sweep("192.0.2.0/28", ports="1-65535")
        file_run(store, "one", [], asked=asked)
        many = [found(f"192.0.2.7:{port}") for port in range(40000, 40009)]
        file_run(store, "two", many, day=1, asked=asked)
    said = portproof("diff", "--workspace", tmp_path)
    assert said.code == 1
    assert "  192.0.2.7/tcp: 9 opened: 40000-40008; ports that systems hand out" in said.out
    assert said.out.count("192.0.2.7") == 1
    assert portproof("diff", "--workspace", tmp_path, "--all").out.count("192.0.2.7") == 9
    document = portproof("diff", "--workspace", tmp_path, "--format", "json").json
    assert {change["folded"] for change in document["changes"]} == {"ephemeral"}


def test_what_comes_and_goes_is_folded_with_its_history(
    portproof: Portproof, tmp_path: Path
) -> None:
    with past(tmp_path) as store:
        for day in range(6):
            kind = VerdictKind.REFUTED if day % 2 else VerdictKind.CONFIRMED
            file_run(store, f"run-{day}", [found("192.0.2.7:80", kind)], day=day)
    said = portproof("diff", "--workspace", tmp_path)
    assert "comes and goes from run to run, opened or closed 5 times on record" in said.out


def test_what_was_open_before_the_two_runs_reappears(portproof: Portproof, tmp_path: Path) -> None:
    refused = found("192.0.2.7:80", VerdictKind.REFUTED)
    with past(tmp_path) as store:
        for day, verdict in enumerate([found("192.0.2.7:80"), refused, found("192.0.2.7:80")]):
            file_run(store, f"run-{day}", [verdict], day=day)
    here = ("--workspace", tmp_path, "--format", "json")
    assert kinds(portproof("diff", *here).json) == {"192.0.2.7:80": "reappeared"}
    assert portproof("diff", "run-0", "run-2", *here).json["changes"] == []


SUPPRESS = """\
suppress:
  - {{endpoint: "192.0.2.7:443", reason: "known, <b>", until: {until}}}
  - {{network: 192.0.2.0/24, ports: 1-99, kinds: [closed], reason: never, until: 2020-01-01}}
"""


@pytest.mark.parametrize("format_", FORMATS)
def test_a_suppressed_change_is_listed_apart_until_it_expires(
    format_: str, portproof: Portproof, workspace: Path, tmp_path: Path
) -> None:
    path = engage(tmp_path / "e", ["127.0.0.1"], [80])
    rest = path.read_text()
    ask = ("diff", "one", "two", "--workspace", workspace, "--engagement", path)
    path.write_text(rest + SUPPRESS.format(until="2099-12-31"))
    here = portproof(*ask, "--only", "closed", "--format", format_)
    assert here.code == 0
    assert "known, " in here.out
    assert "<b>" not in here.out or format_ in ("text", "json")
    path.write_text(rest + SUPPRESS.format(until="2020-01-01"))
    expired = portproof(*ask, "--only", "closed", "--format", format_)
    assert expired.code == 1
    if format_ == "json":
        assert [each["port"] for each in here.json["suppressed"]] == [443]
        assert here.json["changes"] == here.json["expired"] == []
        assert expired.json["expired"] == [{"reason": "known, <b>", "until": "2020-01-01"}]
    else:
        assert "expired and hold no more" in expired.out


def test_the_suppressions_of_the_run_are_those_that_its_file_has_now(
    portproof: Portproof, tmp_path: Path
) -> None:
    path = engage(tmp_path, ["127.0.0.1"], [80])
    plan = replace(PLAN, engagement_file=str(path))
    with past(tmp_path) as store:
        file_run(store, "one", [], plan=plan)
        file_run(store, "two", [found("192.0.2.7:443")], day=1, plan=plan)
    here = ("diff", "--workspace", tmp_path)
    assert portproof(*here).code == 1
    path.write_text(path.read_text() + SUPPRESS.format(until="2099-12-31"))
    said = portproof(*here)
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("nothing changed; 1 suppressed\n")
    path.unlink()
    said = portproof(*here)
    assert said.code == 1
    assert "engagement.yml is gone, so nothing is suppressed" in said.err


@pytest.mark.parametrize("format_", FORMATS)
def test_a_hostile_banner_disturbs_no_format(
    format_: str, portproof: Portproof, workspace: Path, tmp_path: Path
) -> None:
    output = tmp_path / "changes"
    said = portproof(
        *("diff", "two", "three", "--workspace", workspace),
        *("--format", format_, "--output", output),
    )
    assert (said.code, said.out) == (1, f"{output}\n")
    text = output.read_text(encoding="utf-8")
    assert "\x1b" not in text
    assert "\u202e" not in text
    if format_ == "json":
        details = json.loads(text)["changes"][0]["details"]
        assert {each["after"] for each in details} >= {HOSTILE.name, HOSTILE.product}
    if format_ in ("html", "markdown"):
        assert "<script" not in text
    if format_ == "markdown":
        assert "[x](" not in text
        rows = [line for line in text.splitlines() if line.startswith("| 192")]
        assert {line.replace("\\|", "").count("|") for line in rows} == {7}
    if format_ == "html":
        assert "default-src 'none'; style-src 'sha256-" in unescape(text)
        assert " style=" not in text
