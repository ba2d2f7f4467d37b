"""The report as its reader has it: opened from disk in a real browser.

Every page is watched: no word on the console, no request but for the file, no dialog, no violation
of the policy (see ``conftest.py``).
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pypdf
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from pipeline.model import Service
from pipeline.render.branding import Branding, OwnTemplates
from pipeline.render.document import RunDocument
from pipeline.render.html import render_html
from tests.browser.conftest import Opener, Watched, watching
from tests.render import documents
from tests.render.judged import ATTACKED, judged

Written = Callable[[RunDocument, str], Path]
MANY: Final = 100_000
PAPER: Final = 672
"""CSS pixels between the margins of A4: 178 mm at 96 to the inch."""


@pytest.fixture(scope="session")
def small(written: Written) -> Path:
    return written(judged(documents.small()), "small")


@pytest.fixture(scope="session")
def large(written: Written) -> Path:
    return written(documents.large(MANY, heard=False), "large")


def clipped(page: Watched) -> list[str]:
    """What sticks out of the page to the right, and cannot be scrolled to within its box."""
    found: list[str] = page.page.evaluate(
        """() => [...document.querySelectorAll("main table, main pre, main svg, main article")]
        .filter((each) => each.checkVisibility())
        .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
        .filter((each) => !each.closest(".scroller, .wide, .canvas"))
        .map((each) => each.outerHTML.slice(0, 80))"""
    )
    return found


def crammed(page: Watched) -> list[str]:
    """Cells whose text is wider than they are, so that it lies over that of the next one."""
    found: list[str] = page.page.evaluate(
        """() => [...document.querySelectorAll("main tbody td, main tbody th")]
        .filter((each) => each.checkVisibility() && !each.closest(".scroller"))
        .filter((each) => each.scrollWidth > each.clientWidth + 1)
        .map((each) => each.outerHTML.slice(0, 120))"""
    )
    return found


def serious(page: Watched, options: dict[str, Any]) -> list[tuple[str, str]]:
    """(rule, first element) of what axe finds serious or worse."""
    found = Axe().run(page.page, options={"resultTypes": ["violations"], **options}).response
    return [
        (each["id"], each["nodes"][0]["html"][:200])
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
    ]


# What is seen


@pytest.mark.parametrize("width", ["wide", "narrow"])
def test_axe_finds_no_serious_violation_in_light_and_in_dark(
    opened: Opener, small: Path, width: str
) -> None:
    page = opened(small, width=width)
    # What is folded away or not laid out would not be looked at.
    page.page.evaluate(
        """document.querySelectorAll("details").forEach((each) => { each.open = true; });
        document.querySelectorAll(".lot").forEach((each) => {
          each.style.contentVisibility = "visible";
        });"""
    )
    assert serious(page, {}) == []
    page.page.emulate_media(color_scheme="dark")
    # Of all that axe looks at, only this depends on colours.
    assert serious(page, {"runOnly": ["color-contrast"]}) == []
    assert clipped(page) == []
    assert crammed(page) == []
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_page_follows_the_reader_from_light_to_dark(opened: Opener, small: Path) -> None:
    page = opened(small).page

    def ground() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    light = ground()
    page.emulate_media(color_scheme="dark")
    assert (light, ground()) == ("rgb(255, 255, 255)", "rgb(18, 24, 31)")


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_reader_chooses_light_or_dark_whatever_the_system_prefers(
    opened: Opener, small: Path, system: str
) -> None:
    grounds = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 24, 31)"}
    other = {"light": "dark", "dark": "light"}[system]
    page = opened(small, scheme=system).page

    def ground() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    button = page.get_by_role("button", name=f"{other.capitalize()} colours")
    assert ground() == grounds[system]
    button.click()
    assert ground() == grounds[other]
    assert page.get_by_role("button", name=f"{system.capitalize()} colours").is_visible()
    page.reload()
    assert ground() == grounds[other]
    page.emulate_media(media="print")
    assert ground() in (grounds["light"], "rgba(0, 0, 0, 0)")
    page.emulate_media(media="screen")
    page.get_by_role("button", name=f"{system.capitalize()} colours").click()
    assert ground() == grounds[system]


def test_no_table_is_cut_on_paper(opened: Opener, small: Path) -> None:
    page = opened(small)
    paper = pypdf.PdfReader(io.BytesIO(page.page.pdf(format="A4", prefer_css_page_size=True))).pages
    assert len(paper) >= 3
    text = unicodedata.normalize("NFKC", "".join(sheet.extract_text() for sheet in paper))
    printed = "".join(text.split())  # a ligature is two letters again, a broken line is whole
    page.page.set_viewport_size({"width": PAPER, "height": 900})
    page.page.emulate_media(media="print")
    cut = page.page.evaluate(
        f"""[...document.querySelectorAll("main table, main pre, main svg")]
        .filter((each) => each.checkVisibility())
        .filter((each) => each.getBoundingClientRect().right > {PAPER} + 1)
        .map((each) => each.outerHTML.slice(0, 80))"""
    )
    assert cut == []
    words: list[str] = page.page.evaluate(
        """[...document.querySelectorAll("main tbody tr > *")]
        .filter((each) => each.checkVisibility()).flatMap((each) => each.innerText.split(/\\s+/))"""
    )
    assert len(words) > 100
    assert [word for word in words if word not in printed] == []
    assert page.page.locator("#inventory .on-paper").is_visible()
    assert not page.page.locator("#inventory-table").is_visible()


def test_without_scripts_the_findings_are_there_and_the_table_is_told(
    browser: Browser, small: Path
) -> None:
    context = browser.new_context(java_script_enabled=False, offline=True)
    try:
        page = context.new_page()
        page.goto(small.as_uri())
        assert page.locator("article.finding").first.is_visible()
        told = page.locator("#inventory").inner_text()
        assert "40 on 10 hosts (3 confirmed, 1 likely" in told
        assert "For each endpoint it has the address" in told
    finally:
        context.close()


# The table


def test_a_hundred_thousand_rows_are_filtered_sorted_and_found(opened: Opener, large: Path) -> None:
    page = opened(large)
    grid = page.page.locator("[role=grid]")
    assert page.status == "100,000 of 100,000"
    assert grid.get_attribute("aria-rowcount") == "100002"
    assert len(page.rows) < 60
    page.page.get_by_label("Filter by port").fill("22,3389-4000")
    assert page.status == "40,000 of 100,000"
    page.page.get_by_label("Filter by verdict").select_option(label="likely")
    assert page.status == "5,000 of 100,000"
    assert {(row[1], row[2]) for row in page.rows} <= {("22", "likely"), ("3389", "likely")}
    page.page.get_by_role("button", name="Address").dblclick()
    assert page.page.locator("[aria-sort=descending]").inner_text() == "Address"
    addresses = [tuple(map(int, row[0].split("."))) for row in page.rows]
    assert addresses == sorted(addresses, reverse=True)
    page.page.get_by_label("Filter by port").fill("no port")
    assert page.page.locator("[aria-invalid=true]").count() == 1
    page.search("no such word anywhere")
    assert page.status == "0 of 100,000"
    page.page.get_by_role("button", name="Clear").click()
    page.search("10.80.3.7:443")
    assert page.status == "1 of 100,000"
    assert page.rows[0][:2] == ["10.80.3.7", "443"]


def test_a_link_leads_to_a_row_and_another_to_a_finding(opened: Opener, large: Path) -> None:
    page = opened(large, "#row-10.80.50.7-443-tcp")
    row = page.page.locator("tr[aria-current]")
    row.wait_for()
    assert row.locator("td").nth(1).inner_text() == "10.80.50.7"
    assert row.bounding_box() is not None
    assert page.page.evaluate("document.activeElement.closest('tr').ariaCurrent") == "true"
    page.page.evaluate("location.hash = '10.80.50.7-80-tcp'")
    page.page.wait_for_function(
        "document.querySelector('tr[aria-current]').cells[2].textContent === '80'"
    )
    page.page.evaluate("location.hash = 'row-10.99.0.1-80-tcp'")
    page.page.wait_for_function(
        "document.getElementById('inventory-status').textContent.includes('no verdict')"
    )
    address = page.page.locator("td.address a").first
    page.page.evaluate("location.hash = 'row-10.80.0.0-22-tcp'")
    address.wait_for()
    assert address.get_attribute("href") == "#10.80.0.0-22-tcp"
    address.click()
    assert page.page.locator("[id='10.80.0.0-22-tcp'] details").get_attribute("open") is not None


def test_the_grid_is_walked_and_rows_are_selected_by_keys(opened: Opener, large: Path) -> None:
    page = opened(large)
    press = page.page.keyboard.press

    def where() -> tuple[str, int]:
        place: list[Any] = page.page.evaluate(
            "[document.activeElement.closest('tr').ariaRowIndex, document.activeElement.cellIndex]"
        )
        return place[0], place[1]

    assert page.page.locator("tbody td[tabindex='0']").count() == 1
    page.page.locator("tbody td[tabindex='0']").focus()
    assert where() == ("3", 0)
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        press(key)
    assert where() == ("4", 2)
    press("Space")
    press("Control+End")
    assert where()[0] == "100002"
    press("Space")
    assert page.status == "100,000 of 100,000, 2 selected"
    press("Control+Home")
    assert where() == ("3", 0)
    press("PageDown")
    assert int(where()[0]) > 5
    press("Control+a")
    assert page.status == "100,000 of 100,000, 100,000 selected"
    press("Control+Home")
    press("ArrowRight")
    press("Enter")
    assert page.page.evaluate("location.hash") == "#10.80.0.0-22-tcp"


def saved(page: Watched) -> list[list[str]]:
    with page.page.expect_download() as download:
        page.page.get_by_role("button", name="Save as CSV").click()
    text = download.value.path().read_bytes().decode("utf-8-sig")
    assert text.count("\r\n") == text.count("\n")
    return list(csv.reader(io.StringIO(text)))


def test_what_is_selected_is_copied_and_saved_without_formulas(
    opened: Opener, written: Written
) -> None:
    formulas = ("=1+1", "@x", "+cmd", '-2"3', "plain, text")
    found = tuple(
        documents.confirmed(f"10.80.1.{n}:80", Service(name=text, method="probed"), "x")
        for n, text in enumerate(formulas, 1)
    )
    page = opened(written(replace(documents.EMPTY, findings=found), "formulas"))
    page.page.get_by_text("Columns", exact=True).click()
    for name in ("Confidence", "Reason", "Evidence", "Protocol"):
        page.page.locator("#inventory-columns").get_by_label(name).uncheck()
    assert saved(page) == [
        ["Address", "Port", "Verdict", "Service"],
        *(
            [f"10.80.1.{n}", "80", "confirmed", text if n == 5 else f"'{text}"]
            for n, text in enumerate(formulas, 1)
        ),
    ]
    page.page.get_by_label("Select 10.80.1.5:80/tcp").check()
    assert page.status == "5 of 5, 1 selected"
    assert len(saved(page)) == 2
    page.page.get_by_role("button", name="Copy").click()
    assert page.status == "1 copied"
    page.search("")
    page.page.locator("#inventory-search").press("Control+v")
    assert "10.80.1.5 80 confirmed plain, text" in re.sub(
        r"\s+", " ", page.page.locator("#inventory-search").input_value()
    )


# Runs that are out of the ordinary


@pytest.mark.parametrize("width", ["wide", "narrow"])
def test_an_attack_in_every_text_does_nothing_and_is_shown(
    opened: Opener, written: Written, width: str
) -> None:
    page = opened(written(judged(documents.hostile(), ATTACKED), "hostile"), width=width)
    page.page.evaluate("document.querySelectorAll('details').forEach((e) => { e.open = true; })")
    services = [row[4] for row in page.rows]
    assert any(text.startswith("<script>alert(1)</script>") for text in services)
    assert any('"><img src=x onerror=alert(1)>' in text for text in services)
    assert any("{{7*7}}" in text for text in services)
    assert any("\\x1b[2J" in text for text in services)
    assert any("\\u202egnp.exe" in text for text in services)
    assert max(map(len, services)) < 140
    assert page.page.locator("main img, main script:not([type]), [onerror]").count() == 0
    assert clipped(page) == []
    assert crammed(page) == []
    assert page.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def crowded(document: RunDocument) -> RunDocument:
    """Its findings again and again, on other ports: more than a page lays out at once."""
    findings = tuple(
        replace(found, verdict=replace(found.verdict, endpoint=replace(where, port=port)))
        for found in document.findings[:3]
        if (where := found.verdict.endpoint)
        for port in range(8000, 8070)
    )
    return replace(document, findings=findings)


def test_evidence_of_many_findings_is_read_when_it_is_unfolded_and_nothing_of_it_runs(
    opened: Opener, written: Written, browser: Browser
) -> None:
    path = written(crowded(documents.hostile()), "crowded")
    page = opened(path, "#10.80.1.1-8003-tcp")
    linked = page.page.locator("[id='10.80.1.1-8003-tcp']")
    assert linked.locator(".evidence li").first.is_visible()
    other = page.page.locator("[id='10.80.1.2-8003-tcp']")
    assert other.locator(".evidence").count() == 0
    other.locator("summary").click()
    assert other.locator(".evidence li").first.is_visible()
    assert '"><img src=x onerror=alert(1)>' in other.locator(".evidence").inner_text()
    page.page.get_by_role("button", name="Open all evidence").click()
    page.page.wait_for_function("!document.querySelector('.finding noscript')")
    assert page.page.locator(".finding .evidence").count() > 200
    assert page.page.locator("main img, main script:not([type]), [onerror]").count() == 0
    context = browser.new_context(java_script_enabled=False, offline=True)
    try:
        plain = context.new_page()
        plain.goto(path.as_uri())
        plain.locator("[id='10.80.1.2-8003-tcp'] summary").click()
        assert plain.locator("[id='10.80.1.2-8003-tcp'] .evidence li").first.is_visible()
    finally:
        context.close()


@pytest.mark.parametrize(
    ("name", "document", "status"),
    [
        ("cut-short", documents.cut_short(), "2 of 2"),
        ("one-host", replace(documents.EMPTY, findings=documents.small().findings[:1]), "1 of 1"),
        ("tarpit", documents.tarpit(), "20,001 of 20,001"),
    ],
)
def test_few_rows_and_many_of_one_host_read_sensibly(
    opened: Opener, written: Written, name: str, document: RunDocument, status: str
) -> None:
    page = opened(written(document, name), width="narrow")
    assert page.status == status
    assert page.rows[0][:3] == ["10.80.1.7", "22", "confirmed"]
    assert clipped(page) == []
    assert crammed(page) == []


def test_a_run_that_found_nothing_has_no_table_and_no_error(
    opened: Opener, written: Written
) -> None:
    page = opened(written(documents.EMPTY, "empty"), "#row-10.80.1.7-22-tcp")
    assert page.page.locator("#inventory").inner_text().endswith("There is nothing to list.")


def test_nothing_of_a_template_of_ones_own_runs_whatever_stands_in_it(
    browser: Browser, tmp_path: Path
) -> None:
    page = (
        '{% extends "report.html.j2" %}{% block summary %}<p id="own" onclick="window.ran = 1">'
        "{% for f in document.findings %}{% for o in f.observations %}{{ o.banner }}{% endfor %}"
        "{% endfor %}</p><script>window.ran = 1</script>"
        '<img src="x" onerror="window.ran = 1">{% endblock %}'
    )
    own = OwnTemplates(folder="own", files=(("report.html.j2", page),))
    hostile = documents.hostile()
    path = tmp_path / "own.html"
    path.write_text(render_html(replace(hostile, branding=Branding(templates=own))))

    def look() -> None:
        with watching(browser) as opener:
            opened = opener(path).page
            opened.click("#own")
            assert opened.evaluate("window.ran") is None
            assert opened.locator("#own > *").count() == 0

    with pytest.raises(AssertionError) as noticed:
        look()
    assert "policy: script-src" in str(noticed.value)
    assert "alert" not in str(noticed.value)


# The watch


def test_a_page_that_misbehaves_is_noticed(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text(
        '<meta http-equiv="Content-Security-Policy" content="style-src \'none\'">'
        '<img src="other.png"><p>A page</p>'
        '<script>alert(1); console.log("loud"); document.body.append(Object.assign('
        'document.createElement("style"), { textContent: "p { color: red }" }));</script>'
    )
    with pytest.raises(AssertionError) as noticed, watching(browser) as opener:
        opener(path)
    for what in ("alert: 1", "console: loud", "other.png", "policy: style-src"):
        assert what in str(noticed.value)
