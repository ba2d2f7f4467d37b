"""The small run, rendered, against the files in fixtures/golden.

``UPDATE_GOLDEN=1 pytest tests/render`` rewrites them; the difference is then read by a person.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.decide import reasons
from pipeline.render.csv import render_endpoints_csv, render_findings_csv
from pipeline.render.document import RunDocument
from pipeline.render.document_json import render_json
from pipeline.render.html import render_html
from pipeline.render.markdown import render_markdown
from pipeline.render.nmap_xml import render_nmap_xml
from tests.render import documents
from tests.render.judged import judged

GOLDEN = Path(__file__).parents[2] / "fixtures" / "golden"
USED = sorted({finding.verdict.reason for finding in documents.small().findings})
EXPLAINED = {code: reasons.EXPLANATIONS[code] for code in USED}


def html(document: RunDocument) -> str:
    # Only the reasons that occur, so that a new reason elsewhere does not touch this file.
    return render_html(document, explanations=EXPLAINED)


def german(document: RunDocument) -> str:
    return html(replace(document, branding=replace(document.branding, language="de")))


@pytest.mark.parametrize(
    ("name", "render"),
    [
        ("small-run.html", html),
        ("small-run-de.html", german),
        ("small-run.json", render_json),
        ("small-run.xml", render_nmap_xml),
        ("small-run.md", render_markdown),
        ("small-run-endpoints.csv", render_endpoints_csv),
        ("small-run-findings.csv", render_findings_csv),
    ],
)
def test_the_small_run_is_rendered_as_expected(
    name: str, render: Callable[[RunDocument], str]
) -> None:
    path = GOLDEN / name
    rendered = render(judged(documents.small()))
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(rendered, encoding="utf-8", newline="")
    assert rendered.encode() == path.read_bytes()
