"""Names, logo and colours in the engagement: what may be written, and what a report makes of it."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.engagement import Engagement, branding_now
from pipeline.errors import Mistake
from pipeline.render.branding import LEAST, PAPERS, Branding, Logo, OwnTemplates, contrast
from pipeline.render.html import render_html
from pipeline.render.variants import Variant
from tests.render import documents
from tests.render.page import read_page

Engage = Callable[[str], Engagement]
Mistakes = Callable[[str], list[Mistake]]

PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (8).to_bytes(4, "big") * 2 + b"\x08\x06\0\0\0crc_"
    b"\0\0\0\0IEND\xaeB`\x82"
)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 4"><script>alert(1)</script></svg>'
COLOURS = 'branding: {colours: {%s: "%s"}}\n'


def test_what_is_written_is_what_reports_get(engage: Engage, sound: str, tmp_path: Path) -> None:
    (tmp_path / "logo").write_bytes(PNG)
    text = "branding:\n  client: Holding\n  consultant: Sample\n  logo: logo\n"
    text += '  colours: {cover: "#5B2A86", link: "#5b2a86", link_dark: "#c9a6e8"}\n'
    text += "  language: de\n  variant: technical\n"
    engage(sound + text)
    said = branding_now(tmp_path / "engagement.yml", "weekly-perimeter")
    assert said == Branding(
        client="Holding",
        consultant="Sample",
        logo=Logo(media="image/png", data=PNG),
        cover="#5b2a86",
        link="#5b2a86",
        link_dark="#c9a6e8",
        language="de",
        variant=Variant.TECHNICAL,
    )
    assert branding_now(tmp_path / "engagement.yml", "another") == Branding()
    assert branding_now(tmp_path / "gone.yml", "weekly-perimeter") == Branding()


def test_branding_that_cannot_be_read_any_more_is_a_note(
    engage: Engage, sound: str, tmp_path: Path
) -> None:
    (tmp_path / "logo").write_bytes(PNG)
    engage(sound + "branding: {logo: logo}\n")
    (tmp_path / "logo").unlink()
    said = branding_now(tmp_path / "engagement.yml", "weekly-perimeter")
    assert said.logo is None
    assert "engagement.yml:16:18: branding.logo: there is no file" in said.note


@pytest.mark.parametrize(
    ("data", "media"),
    [(PNG, "image/png"), (b"\xff\xd8\xff\xe0\xff\xd9", "image/jpeg"), (SVG, "image/svg+xml")],
)
def test_a_logo_is_known_by_its_content(
    engage: Engage, sound: str, tmp_path: Path, data: bytes, media: str
) -> None:
    (tmp_path / "logo.gif").write_bytes(data)
    engage(sound + "branding: {logo: logo.gif}\n")
    logo = branding_now(tmp_path / "engagement.yml", "weekly-perimeter").logo
    assert logo is not None
    assert logo.media == media


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"GIF89a", "is neither PNG, JPEG nor SVG"),
        (b"", "is an SVG that is not whole"),
        (PNG[:-4], "is a PNG that is not whole"),
        (PNG.replace((8).to_bytes(4, "big"), (4001).to_bytes(4, "big")), "wider or higher"),
        (b"\xff\xd8\xff\xe0", "is a JPEG that is not whole"),
        (SVG[:-6], "is an SVG that is not whole"),
        (b"<html></html>", "is neither PNG, JPEG nor SVG"),
        (b'<!DOCTYPE svg [<!ENTITY a "a">]>' + SVG, "is neither PNG, JPEG nor SVG"),
        (b"\0" * ((256 << 10) + 1), "is larger than 256 KiB"),
    ],
)
def test_what_is_no_logo_is_refused(
    mistakes: Mistakes, sound: str, tmp_path: Path, data: bytes, what: str
) -> None:
    (tmp_path / "logo").write_bytes(data)
    (mistake,) = mistakes(sound + "branding: {logo: logo}\n")
    assert mistake.field == "branding.logo"
    assert what in mistake.what


@pytest.mark.parametrize(
    ("key", "colour", "what"),
    [
        ("cover", "red", "must be a colour such as"),
        ("cover", "#fff;}", "must be a colour such as"),
        ("link", "#999999", "has a contrast of 2.6 with the light page; text needs 4.5"),
        ("link_dark", "#14517f", "with the dark page"),
    ],
)
def test_a_colour_that_is_none_or_cannot_be_read_is_refused(
    mistakes: Mistakes, sound: str, key: str, colour: str, what: str
) -> None:
    (mistake,) = mistakes(sound + COLOURS % (key, colour))
    assert mistake.field == f"branding.colours.{key}"
    assert what in mistake.what


def test_a_language_or_a_variant_that_is_none_is_refused(mistakes: Mistakes, sound: str) -> None:
    (mistake,) = mistakes(sound + "branding: {language: tlh}\n")
    assert mistake.field == "branding.language"
    assert "must be one of de, en" in mistake.what
    (mistake,) = mistakes(sound + "branding: {variant: short}\n")
    assert "must be one of full, executive, technical" in mistake.what


PAGE = '{% extends "report.html.j2" %}{% block footer %}Sample{% endblock %}'


def test_templates_of_ones_own_are_read_once_with_their_style(
    engage: Engage, sound: str, tmp_path: Path
) -> None:
    place = tmp_path / "ours"
    place.mkdir()
    (place / "report.html.j2").write_text(PAGE)
    (place / "report.css").write_text(".cover { border: 0 }")
    (place / "notes.txt").write_text("no template")
    engage(sound + "branding: {templates: ours}\n")
    said = branding_now(tmp_path / "engagement.yml", "weekly-perimeter").templates
    assert said == OwnTemplates(
        folder="ours", files=(("report.html.j2", PAGE),), style=".cover { border: 0 }"
    )


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("report.html.j2", PAGE.replace("footer", "foot"), "report.html.j2:1: there is no block"),
        ("other.html.j2", PAGE, "has no report.html.j2"),
        ("report.css", "</style>", "report.css may not have '</' in it"),
        ("report.html.j2", "x" * (257 << 10), "report.html.j2 is larger than 256 KiB"),
    ],
)
def test_templates_that_cannot_be_used_are_refused(
    mistakes: Mistakes, sound: str, tmp_path: Path, name: str, text: str, what: str
) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / name).write_text(text)
    (mistake,) = mistakes(sound + "branding: {templates: ours}\n")
    assert mistake.field == "branding.templates"
    assert what in mistake.what


def test_no_template_leads_out_of_its_folder(
    mistakes: Mistakes, sound: str, tmp_path: Path
) -> None:
    (tmp_path / "secret.j2").write_text("secret")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "report.html.j2").symlink_to(tmp_path / "secret.j2")
    (mistake,) = mistakes(sound + "branding: {templates: ours}\n")
    assert "report.html.j2 leads out of the folder" in mistake.what
    (mistake,) = mistakes(sound + "branding: {templates: gone}\n")
    assert "there is no folder 'gone'" in mistake.what


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    for grey in range(0, 256, 5):
        cover = f"#{grey:02x}{grey:02x}{grey:02x}"
        (ink,) = set(re.findall("--cover-ink: (#[0-9a-f]{6})", Branding(cover=cover).style))
        assert contrast(ink, cover) >= LEAST


def test_the_papers_are_those_of_the_style() -> None:
    style = (Path(__file__).parents[2] / "templates" / "report" / "report.css").read_text()
    papers = re.findall(r"--paper: (#\w{6});\s+--shade: (#\w{6});", style)
    assert papers[:2] == [PAPERS["light"], PAPERS["dark"]]


def test_the_report_shows_it_and_its_policy_allows_just_that() -> None:
    look = Branding(consultant='"><img onerror>', logo=Logo(media="image/svg+xml", data=SVG))
    look = replace(look, cover="#5b2a86", link="#5b2a86")
    html = render_html(replace(documents.small(), branding=look))
    page = read_page(html)
    (image,) = page.named("img")
    assert image.attributes["src"] == f"data:image/svg+xml;base64,{b64encode(SVG).decode()}"
    assert "alert(1)" not in html
    assert 'Port scan report by "><img onerror>' in page.words
    style = html[html.index("<style>") + 7 : html.index("</style>")]
    assert "--cover: #5b2a86; --cover-ink: #ffffff" in style
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = next(e for e in page.named("meta") if "http-equiv" in e.attributes)
    assert f"style-src 'sha256-{digest}';" in policy.attributes["content"]
    assert "img-src data:;" in policy.attributes["content"]
