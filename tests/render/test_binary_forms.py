"""The forms that are no text: XLSX, DOCX and PDF, read back by independent readers."""

from __future__ import annotations

import io
import os
import socket
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import docx
import openpyxl
import pypdf
import pytest
import weasyprint
from docx.table import Table

from pipeline.engagement.policies import our_policy
from pipeline.errors import Error
from pipeline.render.branding import Branding, Logo
from pipeline.render.document import RunDocument
from pipeline.render.docx import plain_template, render_docx
from pipeline.render.extras import EXTRAS, needed, require
from pipeline.render.pdf import on_paper, printed, render_pdf
from pipeline.render.text import visible
from pipeline.render.xlsx import render_xlsx
from tests.render import documents
from tests.render.judged import ATTACKED, judged

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden"
RENDERERS = {"xlsx": render_xlsx, "docx": render_docx, "pdf": render_pdf}


def attacked() -> RunDocument:
    return judged(documents.hostile(), ATTACKED)


def cells(content: bytes) -> Iterator[tuple[str, str, object]]:
    """(sheet, kind of cell, value)."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    for sheet in book.worksheets:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.hyperlink is None
                yield sheet.title, cell.data_type, cell.value


def sheets(content: bytes) -> str:
    book = openpyxl.load_workbook(io.BytesIO(content))
    return "".join(
        f"{sheet.title}: " + " | ".join("" if v is None else str(v) for v in row) + "\n"
        for sheet in book.worksheets
        for row in sheet.iter_rows(values_only=True)
    )


def paragraphs(content: bytes) -> str:
    lines = []
    for block in docx.Document(io.BytesIO(content)).iter_inner_content():
        if isinstance(block, Table):
            lines += ["| " + " | ".join(c.text for c in row.cells) for row in block.rows]
        else:
            assert block.style is not None
            lines.append(f"{block.style.name}: {block.text}")
    return "\n".join(lines) + "\n"


def pages(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages)


def words(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("small-run.xlsx.txt", lambda run: sheets(render_xlsx(run))),
        ("small-run.docx.txt", lambda run: paragraphs(render_docx(run))),
        ("small-run-print.html", printed),
    ],
)
def test_the_small_run_is_made_of_what_is_expected(
    name: str, made: Callable[[RunDocument], str]
) -> None:
    found = made(judged(documents.small()))
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(found, encoding="utf-8")
    assert found == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("form", RENDERERS)
def test_the_same_run_gives_the_same_bytes(form: str) -> None:
    run = documents.cut_short()
    made = RENDERERS[form](run)
    assert made == RENDERERS[form](run)
    if form == "pdf":
        information = pypdf.PdfReader(io.BytesIO(made)).metadata
        assert information is not None
        assert str(information.creation_date) == "2026-11-03 02:00:00+00:00"
        return
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        times = {member.date_time for member in archive.infolist()}
        core = archive.read("docProps/core.xml")
    assert times <= {(1980, 1, 1, 0, 0, 0), (2026, 11, 3, 2, 0, 0)}
    assert core.count(b">2026-11-03T02:00:00Z<") == 2


@pytest.mark.parametrize("form", RENDERERS)
@pytest.mark.parametrize("run", [documents.EMPTY, documents.cut_short()], ids=["empty", "cut"])
def test_an_empty_run_and_one_that_was_cut_short_say_what_they_are(
    form: str, run: RunDocument
) -> None:
    read = {"xlsx": sheets, "docx": paragraphs, "pdf": pages}[form]
    told = words(read(RENDERERS[form](run)))
    empty = run is documents.EMPTY
    expected = "No open port was found" if empty else "This run was cut short"
    assert words(expected) in told


def test_thousands_of_artefacts_are_few_pages_and_one_row_of_findings() -> None:
    run = documents.tarpit(4_000)
    assert len(pypdf.PdfReader(io.BytesIO(render_pdf(run))).pages) <= 3
    assert len(paragraphs(render_docx(run))) < 6_000
    found = documents.tarpit(200)
    rows = [line for line in sheets(render_xlsx(found)).splitlines() if line[:9] == "Findings:"]
    assert len(rows) == 3


def test_no_cell_of_a_workbook_is_more_than_text_or_a_number() -> None:
    found = list(cells(render_xlsx(attacked())))
    assert {kind for _, kind, _ in found} == {"s", "n"}
    formula = documents.HOSTILE[3]
    assert formula in {value for sheet, _, value in found if sheet == "Endpoints"}
    with zipfile.ZipFile(io.BytesIO(render_xlsx(attacked()))) as archive:
        parts = b"".join(archive.read(name) for name in archive.namelist())
    assert b"<f>" not in parts
    assert b"hyperlink" not in parts


def test_a_workbook_of_a_careless_writer_would_have_formulas() -> None:
    out = io.BytesIO()
    book = needed("xlsx").Workbook(out, {"in_memory": True})
    book.add_worksheet().write(0, 0, documents.HOSTILE[3])
    book.close()
    assert {kind for _, kind, _ in cells(out.getvalue())} == {"f"}


def test_a_hostile_service_is_only_text_in_a_document() -> None:
    made = render_docx(attacked())
    told = paragraphs(made)
    for attack in documents.HOSTILE[:5]:
        assert visible(attack, 60) in told
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        body = archive.read("word/document.xml")
    assert b"<script" not in body
    assert b"<w:hyperlink" not in body
    assert told == visible(told, newlines=True)


def test_a_hostile_service_is_only_text_on_paper() -> None:
    whole = attacked()
    some = replace(whole, findings=whole.findings[:5], comparison=None, holes=(), events=())
    made = render_pdf(some)
    told = words(pages(made))
    for attack in documents.HOSTILE[:5]:
        assert words(visible(attack, 60)) in told
    reader = pypdf.PdfReader(io.BytesIO(made))
    assert not reader.attachments
    assert b"/JavaScript" not in made
    assert b"/URI" not in made
    assert all("/Annots" not in page for page in reader.pages)


@pytest.fixture
def visitors() -> Iterator[tuple[str, list[str]]]:
    """An address on this machine, and who came there."""
    came: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def wait() -> None:
            while True:
                try:
                    connection, peer = server.accept()
                except OSError:
                    return
                came.append(peer[0])
                connection.close()

        waiter = threading.Thread(target=wait)
        waiter.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/x.png", came
        server.shutdown(socket.SHUT_RDWR)
        waiter.join()


def test_nothing_is_fetched_for_a_page(visitors: tuple[str, list[str]], tmp_path: Path) -> None:
    address, came = visitors
    (tmp_path / "x.css").write_text("body::before { content: 'read a file' }")
    page = (
        f'<link rel="stylesheet" href="{(tmp_path / "x.css").as_uri()}"><img src="{address}">'
        f'<style>@import url("{address}")</style>still here'
    )
    assert pages(on_paper(page)).strip() == "still here"
    assert came == []
    careless = weasyprint.HTML(string=page).write_pdf()
    assert "read a file" in pages(careless)
    assert came


def test_a_template_of_ones_own_is_filled(tmp_path: Path) -> None:
    mine = tmp_path / "house.docx"
    document = docx.Document(io.BytesIO(plain_template()))
    document.paragraphs[0].insert_paragraph_before("House of {{ told.run }}")
    document.save(str(mine))
    told = paragraphs(render_docx(attacked(), template=mine))
    assert told.startswith("Normal: House of 20261103-020000-7f3a\n")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{ told.nobody }}", "has no attribute 'nobody'"),
        ("{% for x in %}", "the template cannot be filled"),
        ("{{ told.__class__.__mro__ }}", "the template cannot be filled"),
    ],
)
def test_a_template_that_cannot_be_filled_is_an_error(
    tmp_path: Path, text: str, complaint: str
) -> None:
    mine = tmp_path / "house.docx"
    document = docx.Document()
    document.add_paragraph(text)
    document.save(str(mine))
    with pytest.raises(Error, match=complaint) as caught:
        render_docx(documents.EMPTY, template=mine)
    assert caught.value.where == str(mine)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_a_template_that_is_no_docx_is_an_error(tmp_path: Path, content: bytes) -> None:
    mine = tmp_path / "house.docx"
    mine.write_bytes(content)
    with pytest.raises(Error, match="the template is no DOCX"):
        render_docx(documents.EMPTY, template=mine)
    with pytest.raises(Error, match="cannot be read"):
        render_docx(documents.EMPTY, template=tmp_path / "none.docx")


@pytest.mark.parametrize("form", RENDERERS)
def test_a_missing_package_is_an_error_that_says_what_to_install(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    require([form])
    monkeypatch.setitem(sys.modules, EXTRAS[form][0], None)
    for attempt in (lambda: require(["html", form]), lambda: RENDERERS[form](documents.EMPTY)):
        with pytest.raises(Error, match=f"{form} needs .* not installed") as caught:
            attempt()
        assert f"portproof[{form}]" in caught.value.hint


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63d8d8d4f01f0006100275b9c8d0b10000000049454e44ae426082"
)


def branded() -> RunDocument:
    logo = Logo(media="image/png", data=PIXEL)
    brand = Branding(consultant="Example <b>Consulting</b>", logo=logo, link="#7a1f5c")
    return replace(documents.small(), branding=brand)


def test_paper_carries_the_name_the_logo_and_the_colour_of_the_consultant() -> None:
    page = printed(branded())
    assert "Port scan report by Example &lt;b&gt;Consulting&lt;/b&gt;" in page
    assert "--accent: #7a1f5c" in page
    (first, *_) = pypdf.PdfReader(io.BytesIO(render_pdf(branded()))).pages
    assert "Example <b>Consulting</b>".upper() in first.extract_text()
    assert len(first.images) == 1
    (plain, *_) = pypdf.PdfReader(io.BytesIO(render_pdf(documents.small()))).pages
    assert len(plain.images) == 0


def test_a_picture_that_is_not_the_logo_is_not_even_taken_from_the_page() -> None:
    other = Logo(media="image/png", data=PIXEL).uri
    page = f'<html lang="en"><title>x</title><img src="{other}" alt="">'
    (first, *_) = pypdf.PdfReader(io.BytesIO(on_paper(page))).pages
    assert len(first.images) == 0


def test_a_document_carries_the_name_and_the_logo_of_the_consultant() -> None:
    made = docx.Document(io.BytesIO(render_docx(branded())))
    assert "By Example <b>Consulting</b>" in [p.text for p in made.paragraphs]
    assert [(shape.width.mm, shape.height.mm) for shape in made.inline_shapes] == [(16, 16)]
    assert render_docx(branded()) == render_docx(branded())
    drawn = Logo(media="image/svg+xml", data=b"<svg/>")
    other = replace(branded(), branding=Branding(logo=drawn))
    assert not docx.Document(io.BytesIO(render_docx(other))).inline_shapes
    plain = docx.Document(io.BytesIO(render_docx(documents.small()))).paragraphs
    assert not any(p.text.startswith("By ") for p in plain)


def test_what_is_to_be_typed_is_marked_in_each_form() -> None:
    document = judged(documents.small(), our_policy())
    assert any("`" in step for f in document.findings for r in f.risks for step in r.remediation)
    page = printed(document)
    assert "<code>" in page
    assert "`" not in page
    told = "\n".join(p.text for p in docx.Document(io.BytesIO(render_docx(document))).paragraphs)
    assert "“" in told
    assert "`" not in told


def test_paper_has_the_pictures_of_the_page_and_only_those_that_have_something_to_show() -> None:
    run = judged(documents.small(), our_policy())
    assert printed(run).count("<figure>") == 5
    assert printed(replace(run, trends=None)).count("<figure>") == 4
    assert printed(replace(run, trends=None, risk_policy="")).count("<figure>") == 3
    assert printed(replace(run, findings=(), trends=None)).count("<figure>") == 1


def test_a_document_in_german_says_so_to_word_processors_and_is_german() -> None:
    german = replace(documents.small(), branding=Branding(language="de"))
    content = render_docx(german)
    told = [p.text for p in docx.Document(io.BytesIO(content)).paragraphs]
    assert {"Zusammenfassung", "Was zuerst zu tun ist", "Befunde", "Änderungen"} <= {*told}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert 'w:lang w:val="de"' in archive.read("word/styles.xml").decode()
