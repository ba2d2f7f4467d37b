from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from jinja2 import Environment, nodes
from markupsafe import Markup, escape

from pipeline.anonymising.harmless import _SENTENCES
from pipeline.engagement.policies import our_policy
from pipeline.render.branding import Branding
from pipeline.render.catalogue import CatalogueError, read_catalogue
from pipeline.render.document import AuditHead, RunDocument
from pipeline.render.html import render_html
from pipeline.render.language import (
    RULES,
    Language,
    figure,
    language,
    language_in,
    languages,
    say,
    say_many,
    speaking,
)
from pipeline.render.markdown import render_markdown
from pipeline.render.messages import catalogue, messages, rule_texts
from pipeline.render.pdf import printed
from pipeline.render.recorded import KINDS, SENTENCES, has_words_for, recorded
from pipeline.render.templating import environment
from pipeline.render.text import counted, day, later
from pipeline.render.words import FIELDS, RECORDED
from pipeline.resources import folder
from tests.render import documents
from tests.render.judged import judged
from tests.render.page import read_page
from tests.render.pseudo import PSEUDO, forgotten

ROOT = Path(__file__).parents[2]
OTHERS = [code for code in languages() if code != "en"]
HEAD = 'msgid ""\nmsgstr "Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'


def german(document: RunDocument) -> RunDocument:
    return replace(document, branding=replace(document.branding, language="de"))


# --- nothing is forgotten ------------------------------------------------------------------------


@pytest.mark.parametrize("code", OTHERS)
def test_a_language_has_every_fixed_text_and_no_other(code: str) -> None:
    known, needed = language(code).messages, messages()
    assert sorted(needed.keys() - known.keys()) == []
    assert sorted(known.keys() - needed.keys() - rule_texts().keys()) == []
    assert [text for text, several in needed.items() if several and len(known[text]) < 2] == []


@pytest.mark.parametrize(
    "code", sorted(path.stem for path in (folder("templates") / RULES).glob("*.po"))
)
def test_what_a_language_says_of_risks_is_what_rules_say_and_is_marked_as_typed(code: str) -> None:
    path = folder("templates") / RULES / f"{code}.po"
    _, known = read_catalogue(path.read_text(encoding="utf-8"), str(path), whole=False)
    assert sorted(known.keys() - rule_texts().keys()) == []
    for text, (said,) in known.items():
        assert text.count("`") == said.count("`"), said
        typed = {part for place, part in enumerate(text.split("`")) if place % 2}
        assert {part for place, part in enumerate(said.split("`")) if place % 2} == typed, said


def test_a_rule_in_german_is_not_marked_as_english() -> None:
    rule = next(rule for rule in our_policy().rules if rule.id == "telnet")
    own = replace(judged(documents.small()).findings[0].risks[0], title=rule.title, why=rule.why)
    small = documents.small()
    finding = replace(small.findings[0], risks=(own,))
    html = render_html(german(replace(small, findings=(finding,))))
    assert "Fernanmeldung über Telnet, im Klartext" in html
    assert '<span lang="en">Remote login' not in html


RUNS: dict[str, Callable[[], RunDocument]] = {
    "a run": lambda: replace(judged(documents.small()), trends=documents.developed()),
    "a run that was cut short": documents.cut_short,
    "a tarpit": lambda: documents.tarpit(200),
    "nothing at all": lambda: documents.EMPTY,
}
NAMES = {
    *("UTC", "SHA", "tcp", "udp", "TCP", "UDP", "SYN", "TTL", "CSV", "min"),
    *("nmap", "masscan", "portproof", "audit", "verify", "seal", "json", "sig", "ack", "syn", "db"),
}
"""Words that are the same in every language, or come with the runs of these tests."""


def own_words(document: RunDocument) -> set[str]:
    """The words that a run brings with it, and that no language changes."""
    told = (
        *(document.client, document.engagement, document.run, document.vantage, document.profile),
        *(document.risk_policy, document.portproof_version, document.ports),
        *(value for _, value in document.authorisation),
        *(text for pair in document.limits for text in pair),
        *(o.banner + " " + o.reason for f in document.findings for o in f.observations),
        *(s for f in document.findings if f.verdict.service for s, _ in f.verdict.service.scripts),
        *(record.banner for record in document.neighbourhoods.hosts),
        *(text for pair in document.tools for text in pair),
        *(f.verdict.service.label for f in document.findings if f.verdict.service),
    )
    return set(re.findall(r"[A-Za-z]{2,}", " ".join(told)))


@pytest.mark.parametrize("name", RUNS)
def test_every_fixed_text_of_a_page_is_said_in_its_language(name: str) -> None:
    document = RUNS[name]()
    html = render_html(document, spoken_in=PSEUDO)
    assert '<html lang="ru">' in html
    assert forgotten(html, NAMES | own_words(document)) == []


def quoted_words(document: RunDocument) -> set[str]:
    """The words of what the record and the rules of risk say, which stay as they are."""
    told = (
        *(risk.why for f in document.findings for risk in f.risks),
        *(text for f in document.findings for risk in f.risks for text in risk.remediation),
        *(f"{risk.title} {risk.rule}" for f in document.findings for risk in f.risks),
        *(text for f in document.findings for risk in f.risks for text in risk.remarks),
        *(f"{event.kind} {event.text}" for event in document.events),
        *(f"{gap.what} {gap.why}" for gap in document.gaps),
        *(hole.reason for _, hole in document.holes),
        *(document.comparison.differences if document.comparison else ()),
        *(" ".join(f.names) for f in document.findings),
        *(o for f in document.findings if f.verdict.service for _, o in f.verdict.service.scripts),
        *(
            side.service.label
            for change in (document.comparison.changes if document.comparison else ())
            for side in (change.before, change.after)
            if side and side.service
        ),
        *(f"{f.verdict.reason} {o.method}" for f in document.findings for o in f.observations),
    )
    return set(re.findall(r"[A-Za-z]{2,}", " ".join(told)))


def test_every_fixed_text_of_the_other_forms_is_said_in_their_language() -> None:
    document = RUNS["a run"]()
    known = NAMES | own_words(document) | quoted_words(document)
    known |= {"CIS", "Controls", "NIST", "SP", "SC", "CWE", "nServer"}  # cited, or after an escape
    page = printed(document, spoken_in=PSEUDO)
    text = render_markdown(document, spoken_in=PSEUDO)
    assert '<html lang="ru">' in page
    assert forgotten(page, known) == []
    assert forgotten("".join(f"<p>{escape(line)}</p>" for line in text.splitlines()), known) == []


@pytest.mark.parametrize(
    "path",
    sorted((folder("templates") / "report").rglob("*.j2"))
    + sorted((folder("templates") / "print").glob("*.j2"))
    + sorted((folder("templates") / "portal").glob("*.j2")),
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_no_template_of_the_report_says_anything_by_itself(path: Path) -> None:
    tree = Environment().parse(path.read_text(encoding="utf-8"))
    parts = [
        part.data if isinstance(part, nodes.TemplateData) else " "
        for output in tree.find_all(nodes.Output)
        for part in output.nodes
    ]
    told = re.sub(r"<!?[a-z/][^>]*>", " ", "".join(parts), flags=re.IGNORECASE)
    told = re.sub(r"[\w-]+=\"[^\"]*\"|[^<>]*\">", " ", told)
    assert {*re.findall(r"[A-Za-z]{2,}", told)} <= {"UTC", "SHA", "portproof", "audit", "verify"}


def test_what_a_run_brings_with_it_is_there_where_it_is_made() -> None:
    sources = "".join(
        re.sub(r'"\s*\n\s*"', "", path.read_text(encoding="utf-8"))
        for path in (*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "stages").glob("*.py"))
        if path.parent.name != "render"
    )
    assert [text for text in (*RECORDED, *FIELDS) if f'"{text}"' not in sources] == []


IN_PARTS = {
    *("% of the rate from now on", " more addresses by now", " more addresses than before"),
    *("the connection is not encrypted", "One step up from ", "One step down from "),
    *(" own rule (", " own rules (", "was taken by "),
}
"""What the code says with a word or a number of its own in it."""


def said_elsewhere() -> Iterator[str]:
    """Every text of the code outside of the renderers, with ``{}`` for what is put into it."""
    for path in (*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "stages").glob("*.py")):
        if path.name in ("recorded.py", "harmless.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "{}"
                    for part in node.values
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_a_sentence_of_the_record_is_one_that_the_code_says() -> None:
    """Piece by piece: some are put together in more than one place."""
    sources = "\n".join(said_elsewhere())
    between = re.compile(r"\{[a-z]+\}|[;:] | files? | scheduled runs?")
    pieces = [(text, p) for text in SENTENCES for p in between.split(text)]
    assert [each for each in pieces if each[1] not in sources and each[1] not in IN_PARTS] == []
    assert [kind for kind in KINDS if kind not in sources] == []


@pytest.mark.parametrize("code", OTHERS)
def test_what_may_stay_in_an_anonymised_copy_is_said_in_every_language(code: str) -> None:
    slots = {
        "any": "left out",
        "ranges": "240.0.0.1, 240.0.1.0/24 and 7 more ranges",
        "ports": "ports 1-22,80",
        "method": "nmap-syn",
        "tool": "masscan",
        "n": "1,234",
        "sign": "all is well",
        "severity": "high",
        "time": "2026-11-03 02:00",
    }
    with speaking(language(code)):
        for sentence in _SENTENCES:
            if sentence.startswith("Both passes"):  # a number, said by the report itself
                continue
            text = re.sub(r"\{([a-z]+)\}", lambda slot: slots[slot[1]], sentence)
            assert has_words_for(text), text


@pytest.mark.parametrize(
    ("said", "german"),
    [
        ("the rate differs: 9 before, not known now", "andere Rate: zuvor 9, jetzt nicht bekannt"),
        ("task 7 failed: nmap wrote no output", "Aufgabe 7 scheiterte: nmap schrieb keine Ausgabe"),
        ("task 7 failed: a message of others", "Aufgabe 7 scheiterte: a message of others"),
        (
            "10.0.0.0/24, 2001:db8::1 and 1234 more ranges, ports 22-80",
            "10.0.0.0/24, 2001:db8::1 und 1.234 weitere Bereiche, Ports 22-80",
        ),
        (
            "no window is open; the next one opens 2026-11-03 02:00 UTC",
            "kein Zeitfenster ist offen; das nächste öffnet 03.11.2026 02:00 UTC",
        ),
        ("One step up from high: criticality is high.", None),
        ("nobody knows this sentence", "nobody knows this sentence"),
        ("\u202e is a host, all ports", "\u202e is a host, all ports"),
    ],
)
def test_what_a_run_recorded_is_said_in_german(said: str, german: str | None) -> None:
    assert recorded(said) == said
    with speaking(language("de")):
        assert recorded(said) == (german or "Eine Stufe höher als hoch: Die Kritikalität ist hoch.")
        assert has_words_for(said) is (recorded(said) != said)


# --- German ---------------------------------------------------------------------------------------


def test_what_an_anonymised_copy_leaves_out_is_said_in_german() -> None:
    head = AuditHead(lines=3, sha256="left out", signed=False)
    document = replace(documents.small(), engagement="engagement-1, anonymised", audit=head)
    words = read_page(render_html(german(document))).words
    assert "SHA-256 ausgelassen" in words
    assert "engagement-1, anonymisiert" in words
    assert "left out" not in words + render_markdown(german(document))


def test_a_german_page_says_so_and_has_its_numbers_and_days() -> None:
    html = render_html(german(judged(documents.small())))
    page = read_page(html)
    assert page.named("html")[0].attributes["lang"] == "de"
    assert "64.001 Endpunkte (6,2 % des Geplanten) wurden nicht gefragt" in page.words
    assert "Beginn 03.11.2026 02:00:00 UTC" in page.words
    assert "1 Port auf 1 Host ist wahrscheinlich offen" in page.words


def test_what_stays_english_on_a_german_page_is_marked_for_screen_readers() -> None:
    html = render_html(german(judged(documents.small())))
    marked = [e.text for e in read_page(html).named("span") if e.attributes.get("lang") == "en"]
    assert "Why desktop matters." in marked
    english = render_html(judged(documents.small()))
    assert "<span lang=" not in english


def test_the_words_of_the_script_travel_with_a_page_that_needs_them() -> None:
    assert '"Select all rows that match":"Alle passenden' in render_html(german(documents.small()))
    assert 'id="texts"' not in render_html(documents.small())


def test_the_language_ends_with_the_report() -> None:
    render_html(german(documents.small()))
    assert counted(1234, "endpoint") == "1,234 endpoints"


def test_the_same_run_gives_the_same_bytes_in_german() -> None:
    assert render_html(german(documents.small())) == render_html(german(documents.small()))


# --- the mechanism --------------------------------------------------------------------------------


def test_a_number_takes_the_form_that_its_language_has_for_it() -> None:
    text = (
        'msgid ""\nmsgstr ""\n"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 '
        '&& (n%100<10 || n%100>=20) ? 1 : 2);\\n"\n"X-Number-Group:  \\n"\n'
        '"X-Number-Decimal: ,\\n"\n"X-Date: %d.%m.%Y\\n"\n\n'
        'msgid "port"\nmsgid_plural "ports"\n'
        'msgstr[0] "port"\nmsgstr[1] "porty"\nmsgstr[2] "portów"\n'
    )
    with speaking(language_in(text, "pl", "pl.po")):
        told = [counted(number, "port") for number in (1, 3, 5, 22, 1234)]
        assert told == ["1 port", "3 porty", "5 portów", "22 porty", "1 234 porty"]
        assert day(0) == "01.01.1970"
        assert later(3600, 0) == "01:00:00"
        assert later(86400, 0) == "02.01.1970 00:00:00"


def test_a_text_that_a_catalogue_lacks_is_said_in_english() -> None:
    with speaking(Language(code="xx")):
        assert say("{n} of {all}", n=1234, all=5) == "1,234 of 5"
        assert say_many(2, "{n} time", "{n} times") == "2 times"
        assert figure(1e6) == "1,000,000"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('msgid "a"\nmsgstr ""\n', "has no text"),
        ('msgid "a"\nmsgstr "b"\n\nmsgid "a"\nmsgstr "c"\n', "is there twice"),
        ('msgid "{n} a"\nmsgstr "b"\n', "has other values"),
        ('msgid "a"\nmsgstr "{m}"\n', "has other values"),
        ('msgid "a"\nmsgid_plural "as"\nmsgstr[0] "b"\nmsgstr[1] "c"\nmsgstr[2] "d"\n', "3 forms"),
        ('msgctxt "x"\nmsgid "a"\nmsgstr "b"\n', "is no line"),
        ("a\n", "is no line"),
    ],
)
def test_a_catalogue_that_cannot_be_used_is_refused_with_its_line(
    text: str, complaint: str
) -> None:
    with pytest.raises(CatalogueError, match=complaint) as caught:
        language_in(f"{HEAD}{text}", "xx", "xx.po")
    assert str(caught.value.where).startswith("xx.po")


def test_a_catalogue_without_a_rule_for_numbers_is_refused() -> None:
    with pytest.raises(CatalogueError, match="Plural-Forms"):
        language_in('msgid "a"\nmsgstr "b"\n', "xx", "xx.po")


def test_the_file_to_begin_a_language_with_has_every_text_and_keeps_what_there_is() -> None:
    begun = catalogue(
        {"Plural-Forms": "nplurals=2; plural=(n != 1);"}, {"Ports": ("Häfen",)}, messages()
    )
    _, known = read_catalogue(begun, "begun", whole=False)
    assert known == {"Ports": ("Häfen",)}
    assert begun.count("\nmsgid ") == len(messages())
    with pytest.raises(CatalogueError, match="has no text"):
        read_catalogue(begun, "begun")


def test_a_value_in_a_fixed_text_is_shown_and_escaped() -> None:
    template = environment().from_string('{{ say("Run {run}", run=text) }}')
    shown = template.render(text="<b>\x1b{n}")
    assert shown == "Run &lt;b&gt;\\x1b{n}"
    assert template.render(text=Markup("<i>x</i>")) == "Run <i>x</i>"


def test_branding_without_a_language_is_english() -> None:
    assert Branding().language == "en"
