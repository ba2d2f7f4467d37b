from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline.render.branding import OwnTemplates
from pipeline.render.document import RunDocument
from pipeline.render.html import render_html, template_failure
from pipeline.render.own import blocks, complaints
from tests.render import documents
from tests.render.judged import judged
from tests.render.page import Page, read_page

START = '{% extends "report.html.j2" %}\n'


def own(text: str, style: str = "", **more: str) -> OwnTemplates:
    files = {"report.html.j2": text, **{f"{name}.html.j2": each for name, each in more.items()}}
    return OwnTemplates(folder="templates", files=tuple(files.items()), style=style)


def within(templates: OwnTemplates, document: RunDocument) -> RunDocument:
    return replace(document, branding=replace(document.branding, templates=templates))


def page_of(templates: OwnTemplates, document: RunDocument | None = None) -> Page:
    return read_page(render_html(within(templates, document or judged(documents.small()))))


# --- what they can do -----------------------------------------------------------------------------


def test_a_block_is_overridden_and_all_others_stay_as_they_are() -> None:
    text = START + "{% block footer %}Sample Security, {{ document.run }}{% endblock %}\n"
    page, ours = page_of(own(text)), read_page(render_html(judged(documents.small())))
    assert "Sample Security, 20261103-020000-7f3a" in page.words
    assert "All times are UTC" not in page.words
    assert page.ids == ours.ids


def test_a_block_can_keep_what_we_say_and_use_what_we_use() -> None:
    text = START + (
        '{% import "macros.html.j2" as m with context %}\n'
        "{% block summary %}<p>{{ m.verdict_chip('confirmed') }} {{ summary.scanned }}</p>"
        '{{ super() }}{% include "own/letter.html.j2" %}{% endblock %}\n'
    )
    page = page_of(own(text, letter="<p>With {{ say('Findings') }}, {{ 1234|number }}</p>"))
    assert "With Findings, 1,234" in page.words
    assert "What to do first" in page.words


def test_every_block_can_be_overridden() -> None:
    text = START + "".join(f"{{% block {name} %}}{{% endblock %}}\n" for name in blocks())
    templates = own(text)
    assert list(complaints(templates)) == []
    assert page_of(templates).named("section") == []
    assert blocks() == (
        *("title", "cover", "contents", "summary", "uncovered", "where", "hosts", "risks"),
        *("findings", "changes", "deviations", "assets", "known", "trends", "inventory"),
        *("checklist", "method", "events", "glossary", "footer"),
    )


def test_a_style_of_ones_own_is_covered_by_the_policy() -> None:
    styled = within(own(START, ".cover { border: 0 }"), documents.EMPTY)
    assert ".cover { border: 0 }</style>" in render_html(styled)
    plain = within(own(START), documents.EMPTY)
    policies = [
        next(e for e in read_page(render_html(d)).named("meta") if "http-equiv" in e.attributes)
        for d in (styled, plain)
    ]
    assert policies[0].attributes["content"] != policies[1].attributes["content"]


def test_the_report_says_which_templates_it_was_made_with() -> None:
    templates = own(START)
    assert f"Own templates SHA-256 {templates.sha256}" in page_of(templates).words
    assert templates.sha256 != own(START + " ").sha256


# --- what they cannot do --------------------------------------------------------------------------


def test_what_the_network_said_is_text_in_a_block_of_ones_own() -> None:
    text = START + (
        "{% block findings %}{% for f in document.findings %}"
        "<p title='{{ f.verdict.service.product }}'>{{ f.verdict.endpoint }}"
        "{% for o in f.observations %}{{ o.banner }}{{ o.banner|upper }}"
        "{{ '<i>%s</i>'|format(o.banner) }}{% endfor %}"
        "{% if f.verdict.service %}{{ f.verdict.service.label|join }}{% endif %}</p>"
        "{% endfor %}{% endblock %}\n"
    ).replace("f.verdict.service.product", "f.names|join(' ')")
    hostile = documents.hostile()
    html = render_html(within(own(text), hostile))
    assert template_failure(within(own(text), hostile)) == ""
    page = read_page(html)
    assert page.named("img") == []
    assert len(page.code) == 1
    assert page.having("onerror") == []
    assert "\x1b" not in html
    assert "\u202e" not in html


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("<p>{% block footer %}{% endblock %}</p>", "report.html.j2:1: must begin with"),
        ("<script>x</script>" + START, "report.html.j2:1: must begin with"),
        ('{% extends "own/report.html.j2" %}', "report.html.j2:1: must begin with"),
        (
            START + "{% block foot %}{% endblock %}",
            "2: there is no block foot; did you mean footer",
        ),
        (START + "{% block footer %}\n{{ x|safe }}{% endblock %}", "3: No filter named 'safe'"),
        (
            START + "{% block footer %}{% autoescape false %}{% endautoescape %}{% endblock %}",
            "2: autoescape cannot be changed",
        ),
        (START + "{% block footer %}{{ say(summary) }}{% endblock %}", "2: say takes a text in"),
        (START + "{% block footer %}{% set f = say %}{% endblock %}", "2: say takes a text in"),
        (START + "{% block footer %}{{ say_many(1, x, x) }}{% endblock %}", "2: say_many takes a"),
        (START + "{% block footer %}", "report.html.j2:2: Unexpected end of template"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_line(text: str, complaint: str) -> None:
    assert complaint in next(complaints(own(text)))


def test_templates_without_a_page_are_refused() -> None:
    assert list(complaints(OwnTemplates(folder="t", files=()))) == ["has no report.html.j2"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ document.misspelt }}", "has no attribute 'misspelt'"),
        ("{{ misspelt }}", "'misspelt' is undefined"),
        ("{{ ''.__class__ }}", "access to attribute '__class__'"),
        ('{% include "../../etc/passwd" %}', "../../etc/passwd"),
        ('{% include "own/gone.html.j2" %}', "own/gone.html.j2"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ groups.append(1) }}", "append"),
        ("{{ range(1000000) }}", "range"),
    ],
)
def test_a_template_that_fails_costs_nothing_but_itself(text: str, why: str) -> None:
    document = within(
        own(f"{START}{{% block footer %}}\n{text}{{% endblock %}}"), documents.small()
    )
    told = template_failure(document)
    assert told.startswith("templates/report.html.j2:3: ")
    assert why in told
    page = read_page(render_html(document))
    assert "All times are UTC" in page.words
    assert "without the engagement's own templates: templates/report.html.j2:3:" in page.words


def test_the_same_run_in_the_same_templates_gives_the_same_bytes() -> None:
    document = within(own(START + "{% block footer %}x{% endblock %}"), documents.small())
    assert render_html(document) == render_html(document)
