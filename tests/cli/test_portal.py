"""The portal: a site of files over all runs of a workspace."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.model import RunState, VerdictKind
from pipeline.store.runs import Store
from tests.cli.conftest import Portproof
from tests.cli.past import file_run, found, past
from tests.decide.making import PLAN
from tests.render.page import read_page

HOSTILE = '"><script>alert(1)</script>../../\x1b[2J\u202e{{7*7}}'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Three complete runs of one engagement, and one of another that was cut short."""
    with past(tmp_path) as store:
        old, new = found("192.0.2.7:443"), found("192.0.2.7:22")
        file_run(store, "one", [old])
        file_run(store, "two", [old, new], day=7)
        file_run(store, "three", [found("192.0.2.7:443", VerdictKind.REFUTED), new], day=14)
        hostile = replace(PLAN, engagement=HOSTILE, client=HOSTILE)
        file_run(store, "four", [], day=15, plan=hostile, state=RunState.INCOMPLETE)
        yield store


def site(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_there_is_a_page_for_all_one_for_each_engagement_and_each_difference(
    portproof: Portproof, store: Store, tmp_path: Path
) -> None:
    said = portproof("portal", "--workspace", tmp_path)
    assert said.code == 0
    assert said.out == f"{tmp_path / 'portal' / 'index.html'}\n"
    pages = site(tmp_path / "portal")
    assert sorted(pages) == [
        "diff-one-two.html",
        "diff-two-three.html",
        "engagement-four.html",
        "engagement-one.html",
        "index.html",
    ]
    book = pages["engagement-one.html"]
    assert "<svg" in book
    assert book.index('id="run-three"') < book.index('id="run-one"')
    assert 'href="diff-two-three.html"' in book
    assert "192.0.2.7:22/tcp" in book, "the latest findings"
    assert "1 opened" in read_page(pages["diff-one-two.html"]).words


def test_every_link_of_the_site_leads_to_a_file_and_nothing_else_is_loaded(
    portproof: Portproof, store: Store, tmp_path: Path
) -> None:
    report = tmp_path / "runs" / "three" / "report.html"
    report.parent.mkdir(parents=True)
    report.write_text("the report")
    for folder in (tmp_path / "portal", tmp_path.parent / f"{tmp_path.name}-site"):
        assert portproof("portal", "--workspace", tmp_path, "--output", folder).code == 0
        linked = set()
        for text in site(folder).values():
            if text == "the report":
                continue
            page = read_page(text)
            assert "script" not in {element.tag for element in page.elements}
            policy = next(e for e in page.named("meta") if "http-equiv" in e.attributes)
            assert re.fullmatch(
                r"default-src 'none'; style-src 'sha256-\S+'; img-src data:; "
                r"base-uri 'none'; form-action 'none'",
                policy.attributes["content"],
            )
            hrefs = [e.attributes["href"] or "" for e in page.having("href")]
            for href in hrefs:
                path, _, anchor = href.partition("#")
                if path and not path.startswith("data:"):
                    assert (folder / path).is_file(), href
                    linked.add((folder / path).resolve())
                elif anchor:
                    assert anchor in page.ids
        copied = folder / "report-three.html"
        assert (report if folder.name == "portal" else copied).resolve() in linked


def test_a_second_time_nothing_is_written_that_did_not_change(
    portproof: Portproof, store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "portal"
    assert "5 files, 5 of them new" in portproof("portal", "--workspace", tmp_path).err
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert "5 files, 0 of them new" in portproof("portal", "--workspace", tmp_path).err
    file_run(store, "five", [], day=21)
    assert "6 files, 3 of them new" in portproof("portal", "--workspace", tmp_path).err
    kept = {path.name for path in folder.iterdir() if before.get(path.name) == path.stat().st_ino}
    assert kept == {"diff-one-two.html", "diff-two-three.html", "engagement-four.html"}


def test_a_page_looks_and_speaks_as_its_engagement_says(
    portproof: Portproof, tmp_path: Path
) -> None:
    file = tmp_path / "engagement.yml"
    file.write_text(
        f"engagement: {PLAN.engagement}\n"
        "branding: {client: Muster AG, consultant: Sample, language: de,"
        " colours: {cover: '#5b2a86'}}\n"
    )
    plan = replace(PLAN, engagement_file=str(file))
    with past(tmp_path) as store:
        file_run(store, "one", [found("192.0.2.7:443")], plan=plan)
        file_run(store, "two", [found("192.0.2.7:22")], day=7, plan=plan)
    portproof("portal", "--workspace", tmp_path)
    pages = site(tmp_path / "portal")
    for name in ("index.html", "engagement-one.html"):
        page = read_page(pages[name])
        assert page.named("html")[0].attributes["lang"] == "de"
        assert "--cover: #5b2a86" in pages[name]
        assert "1 Port auf 1 Host ist bestätigt offen" in page.words
        assert "Von Sample" in page.words
    assert "Portscans für Muster AG" in read_page(pages["engagement-one.html"]).words
    assert "2 Läufe" in read_page(pages["engagement-one.html"]).words
    assert read_page(pages["diff-one-two.html"]).named("html")[0].attributes["lang"] == "en"
    other = replace(plan, engagement="another", engagement_file="")
    with past(tmp_path) as store:
        file_run(store, "three", [found("192.0.2.7:443")], day=8, plan=other)
    portproof("portal", "--workspace", tmp_path)
    mixed = read_page(site(tmp_path / "portal")["index.html"])
    assert mixed.named("html")[0].attributes["lang"] == "en"
    assert [e.attributes["lang"] for e in mixed.having("lang")] == ["en", "en", "de"]


def test_a_hostile_name_is_shown_and_names_no_file(
    portproof: Portproof, store: Store, tmp_path: Path
) -> None:
    portproof("portal", "--workspace", tmp_path)
    for name, text in site(tmp_path / "portal").items():
        assert re.fullmatch(r"[a-z-]+\.html", name)
        assert "<script" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "{{7*7}}" in site(tmp_path / "portal")["engagement-four.html"]


def test_runs_that_are_unfinished_or_cannot_be_read_are_shown_as_such(
    portproof: Portproof, store: Store, tmp_path: Path
) -> None:
    store.close()
    with sqlite3.connect(tmp_path / "portproof.db") as database:
        database.execute("UPDATE runs SET plan = '{\"from\": \"the future\"}' WHERE id = 'two'")
    assert portproof("portal", "--workspace", tmp_path).code == 0
    pages = site(tmp_path / "portal")
    words = read_page(pages["engagement-one.html"]).words
    assert "unreadable this version of portproof cannot read the run" in words
    assert "diff-one-three.html" in pages, "of those that can be read"
    assert "incomplete" in read_page(pages["engagement-four.html"]).words
    assert "No run of this engagement is complete." in pages["index.html"]


def test_a_workspace_without_a_database_has_no_portal(portproof: Portproof, tmp_path: Path) -> None:
    said = portproof("portal", "--workspace", tmp_path)
    assert said.code == 2
    assert "there is no portproof.db here" in said.err
    assert not (tmp_path / "portal").exists()
