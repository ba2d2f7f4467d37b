from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest
from jinja2 import UndefinedError

from pipeline.decide import reasons
from pipeline.decide.completeness import A_SAMPLE_ASSUMES, TWO_PASSES_ASSUME
from pipeline.model import RunState, VerdictKind
from pipeline.render.document import RunDocument
from pipeline.render.html import render_html
from pipeline.render.templating import environment
from tests.render import documents
from tests.render.judged import ATTACKED, judged
from tests.render.page import Page, read_page, unpacked

RUNS: dict[str, Callable[[], RunDocument]] = {
    "small": documents.small,
    "empty": lambda: documents.EMPTY,
    "nothing at all": lambda: replace(
        documents.EMPTY,
        state=RunState.RUNNING,
        ended=None,
        authorisation=(),
        scope_included=(),
        scope_excluded=(),
        addresses=0,
        ports="",
        port_count=0,
        vantage="",
        limits=(),
        rescan_delays=(),
        tools=(),
        tasks=(),
    ),
    "cut short": documents.cut_short,
    "tarpit": documents.tarpit,
    "hostile": documents.hostile,
    "judged": lambda: judged(documents.small()),
    "hostile and judged": lambda: judged(documents.hostile(), ATTACKED),
}


@pytest.fixture(scope="module", params=RUNS.values(), ids=tuple(RUNS))
def document(request: pytest.FixtureRequest) -> RunDocument:
    made: RunDocument = request.param()
    return made


def page_of(document: RunDocument) -> Page:
    return read_page(render_html(document))


def inventory_of(page: Page) -> Any:
    (data,) = [e for e in page.named("script") if e.attributes.get("id") == "inventory-data"]
    if data.attributes.get("data-packed") == "deflate":
        return unpacked(data.text)
    return json.loads(data.text)


# The page as a whole


def test_the_same_run_gives_the_same_bytes(document: RunDocument) -> None:
    assert render_html(document).encode() == render_html(document).encode()


def test_the_policy_allows_exactly_the_one_style_and_the_one_script(document: RunDocument) -> None:
    page = page_of(document)
    (policy,) = [
        e.attributes["content"]
        for e in page.named("meta")
        if e.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    (style,) = page.named("style")
    (script,) = page.code

    def source(text: str) -> str:
        return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"

    assert policy == (
        f"default-src 'none'; script-src {source(script.text)}; style-src {source(style.text)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def test_the_policy_stands_before_everything_that_it_governs() -> None:
    tags = [element.tag for element in page_of(documents.small()).elements]
    metas = [place for place, tag in enumerate(tags) if tag == "meta"]
    assert metas[1] < tags.index("link") < tags.index("style") < tags.index("script")


LOADING = {"img", "iframe", "object", "embed", "base", "form", "image", "use", "foreignobject"}


def test_nothing_is_loaded_and_nothing_is_styled_or_handled_inline(document: RunDocument) -> None:
    page = page_of(document)
    assert not page.having("style")
    for element in page.elements:
        assert element.tag not in LOADING
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            assert name not in {"src", "srcset", "action", "background", "poster", "ping"}
            if name == "href":
                assert value == "data:," or value.startswith("#")


def test_every_link_within_the_page_leads_somewhere(document: RunDocument) -> None:
    page = page_of(document)
    targets = {e.attributes["href"][1:] for e in page.named("a")}
    assert targets <= set(page.ids)


def test_no_two_elements_have_the_same_name(document: RunDocument) -> None:
    ids = page_of(document).ids
    assert len(ids) == len(set(ids))


def test_labels_point_at_elements_that_exist(document: RunDocument) -> None:
    page = page_of(document)
    for attribute in ("aria-labelledby", "aria-describedby", "for"):
        assert {e.attributes[attribute] for e in page.having(attribute)} <= set(page.ids)


def test_headings_never_skip_a_level_downwards(document: RunDocument) -> None:
    levels = [int(e.tag[1]) for e in page_of(document).elements if re.fullmatch(r"h[1-6]", e.tag)]
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in pairwise(levels))


def test_the_page_has_landmarks_a_skip_link_and_scopes_on_all_table_headers() -> None:
    page = page_of(documents.small())
    for landmark in ("header", "nav", "main", "footer"):
        assert len(page.named(landmark)) == 1
    assert page.named("a")[0].attributes == {"class": "skip", "href": "#summary"}
    assert all(e.attributes.get("scope") in ("col", "row") for e in page.named("th"))
    assert all("tabindex" in e.attributes and "role" in e.attributes for e in page.by_class("wide"))


def test_a_template_that_names_what_does_not_exist_fails_loudly() -> None:
    template = environment().from_string("{{ document.misspelt }}")
    with pytest.raises(UndefinedError, match="misspelt"):
        template.render(document=documents.EMPTY)


def test_what_a_template_forgets_to_treat_is_made_visible_and_escaped_all_the_same() -> None:
    template = environment().from_string("{{ text }}|{{ text|cut(3) }}")
    assert template.render(text="<\x1b>") == "&lt;\\x1b&gt;|&lt;… (+2 characters)"


# What it says


def test_the_cover_names_client_engagement_run_and_who_authorised_it() -> None:
    words = page_of(documents.small()).words
    for said in (
        "Example Ltd",
        "weekly-perimeter",
        "20261103-020000-7f3a",
        "Reference EX-2026-17",
        "Signatory Head of IT",
        "Valid from 2026-11-01",
        "Valid until 2027-10-31",
        "Began 2026-11-03 02:00:00 UTC",
        "Ended 2026-11-03 02:45:10 UTC",
    ):
        assert said in words


def test_every_finding_that_is_told_has_a_deep_link_a_verdict_a_reason_and_its_evidence() -> None:
    page = page_of(documents.small())
    for finding in documents.small().findings:
        where = finding.verdict.endpoint
        if finding.verdict.kind is VerdictKind.ARTEFACT and str(where.address) == "10.80.3.40":
            continue
        assert f"{where.address}-{where.port}-{where.protocol}" in page.ids
        assert str(where) in page.words
    assert "handshake, then listening corroboration open syn-ack; the service spoke" in page.words
    assert "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\\r\\n" in page.words
    assert "Subject Alternative Name: DNS:www.example.test, DNS:example.test" in page.words
    assert reasons.EXPLANATIONS[reasons.METHODS_DISAGREE] in page.words


def test_many_artefact_ports_of_one_host_are_one_entry_with_the_list_of_ports() -> None:
    page = page_of(documents.small())
    assert "10.80.3.40-tcp-artefact" in page.ids
    assert "10.80.3.40-100-tcp" not in page.ids
    assert "30 TCP ports answered by something on the path" in page.words
    assert "100-129" in page.words


def test_what_was_not_covered_stands_before_the_findings_and_says_why() -> None:
    page = page_of(documents.small())
    assert page.ids.index("not-covered") < page.ids.index("findings")
    assert "64,001 endpoints of 1,025,000 (6.2 %) were not asked." in page.words
    assert (
        "10.80.3.64-10.80.3.127, all ports 64,000 it was stopped at the close of the window"
        in page.words
    )
    assert "10.80.1.7-10.80.1.8 all that were asked nmap SYN scan host timed out" in page.words
    assert "Excluded by the engagement, and never touched: 10.80.9.0/24" in page.words
    assert "the other 64,535 TCP ports of each address and UDP" in page.words


def test_the_changes_say_whether_the_two_runs_can_be_compared() -> None:
    page = page_of(documents.small())
    assert "The two runs were not made alike" in page.words
    assert "the tools differ: masscan 1.3.1 before, masscan 1.3.2 now" in page.words
    assert "10.80.1.8:21/tcp confirmed ftp vsftpd 3.0.3 refuted refused" in page.words
    assert "10.80.3.70:25/tcp confirmed ftp vsftpd 3.0.3 no verdict not-asked" in page.words


def test_the_method_names_tools_limits_delays_packets_and_what_became_of_the_tasks() -> None:
    words = page_of(documents.small()).words
    for said in (
        "masscan 1.3.2",
        "nmap 7.93",
        "Packets per second 10,000 Packets per second and host 50",
        "Re-scans after 30 s, 5 min, 30 min",
        "Packets sent 1,238,114",
        "nmap SYN scan 2 1 0 5 4 2,000/s",
    ):
        assert said in words


def test_the_glossary_has_every_verdict_and_every_reason() -> None:
    page = page_of(documents.EMPTY)
    glossary = page.words[page.words.rindex("Glossary") :]
    for kind in VerdictKind:
        assert f" {kind} " in glossary
    for code, sentence in reasons.EXPLANATIONS.items():
        assert f"{code} {sentence}" in glossary


def test_a_reason_that_nobody_documented_is_still_told() -> None:
    found = documents.refuted("10.80.2.33:81")
    odd = replace(found, verdict=replace(found.verdict, reason="odd-code"))
    page = page_of(replace(documents.EMPTY, findings=(odd,)))
    assert "odd-code A reason from an imported file." in page.words


def test_a_run_without_findings_says_so_and_has_no_table() -> None:
    page = page_of(documents.EMPTY)
    assert "No open port was found among those that were asked." in page.words
    assert "Everything that was planned was asked." in page.words
    assert "Nothing: no finding of this run asks for attention." in page.words
    assert "inventory-table" not in page.ids


def test_a_run_that_was_cut_short_says_so_first() -> None:
    page = page_of(documents.cut_short())
    assert "This run was cut short: 3 of 7 planned tasks had been settled." in page.words
    assert page.words.index("cut short") < page.words.index("confirmed open")
    assert "Let the run finish before relying on it" in page.words


def test_twenty_thousand_artefact_ports_on_one_host_do_not_bury_the_one_service() -> None:
    html = render_html(documents.tarpit())
    page = read_page(html)
    assert len(page.named("article")) == 2
    assert "20,000 TCP ports answered by something on the path" in page.words
    assert "10.80.1.7-22-tcp" in page.ids
    assert inventory_of(page)["rows"] == 20_001
    assert len(html) < 2**20


def test_a_hundred_thousand_endpoints_fit_into_six_mebibytes() -> None:
    html = render_html(documents.large())
    page = read_page(html)
    assert len(html.encode()) <= 6 * 2**20
    assert inventory_of(page)["rows"] == 100_000
    assert len(page.named("article")) == 1_000
    assert "more with this verdict are not told one by one here" in page.words


# Hostile data


def test_no_text_from_the_network_becomes_an_element_or_an_attribute() -> None:
    # The same run with harmless texts of the same kind: the structure must be the same.
    attacked = page_of(documents.hostile())
    assert {e.tag for e in attacked.elements} <= {
        e.tag for e in page_of(documents.small()).elements
    } | {"noscript", "pre", "strong", "code"}
    assert len(attacked.named("style")) == 1
    assert len(attacked.named("script")) == 2
    assert not attacked.having("onerror") + attacked.having("onmouseover")


def test_hostile_texts_are_shown_as_what_they_are() -> None:
    words = page_of(documents.hostile()).words
    for shown in (
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{7*7}}{% raw %}",
        "\\x1b[2J\\x1b]0;owned\\x07",
        "\\u202egnp.exe\\u2066",
        "nul\\0byte",
        "\\ud800 lone \\udfff",
    ):
        assert shown in words


def test_no_invisible_character_reaches_the_page() -> None:
    html = render_html(documents.hostile())
    assert not re.search("[\0-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f]", html)
    html.encode("utf-8")


def test_noise_is_cut_and_what_was_cut_is_counted() -> None:
    html = render_html(documents.hostile())
    assert len(html) < 300_000
    assert re.search(r"… \(\+6\d,\d{3} characters\)", html)


def test_hostile_texts_in_the_inventory_stay_in_its_data() -> None:
    html = render_html(documents.hostile())
    data = html[html.index('id="inventory-data">') :].split("</script>")[0]
    assert "<" not in data
    assert inventory_of(read_page(html))["rows"] == len(documents.HOSTILE)


# Looks


def _colours(css: str) -> dict[str, tuple[float, float, float]]:
    found = re.findall(r"--([a-z-]+): #([0-9a-f]{6});", css)
    return {
        name: (int(hexa[:2], 16) / 255, int(hexa[2:4], 16) / 255, int(hexa[4:], 16) / 255)
        for name, hexa in found
    }


def _contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """The contrast ratio of WCAG 2.2."""

    def luminance(colour: tuple[float, float, float]) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_all_text_has_the_contrast_that_wcag_asks_for(scheme: str) -> None:
    css = page_of(documents.EMPTY).named("style")[0].text
    light, rest = css.split("@media (prefers-color-scheme: dark)")
    dark, paper = rest.split("@media print")
    colours = _colours({"light": light, "dark": dark, "print": paper}[scheme])
    pairs = [(name, "paper") for name in ("ink", "soft", "link", "gap", "changed", "confirmed")]
    pairs += [("ink", "shade"), ("soft", "shade"), ("cover-ink", "cover"), ("cover-soft", "cover")]
    pairs += [("critical-ink", "critical")]
    for name in colours:
        if name.endswith("-tint"):
            pairs += [(name.removesuffix("-tint"), name), ("ink", name)]
    for text, ground in pairs:
        assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert _contrast(colours["strong-rule"], colours["paper"]) >= 3 or scheme == "print"


def test_doubted_hosts_stand_before_the_findings_and_are_linked_from_the_summary() -> None:
    page = page_of(documents.small())
    assert page.ids.index("not-covered") < page.ids.index("hosts") < page.ids.index("findings")
    assert "10.80.3.40: answering for every port" in page.words
    assert {e.attributes["href"] for e in page.named("a")} >= {"#hosts"}
    assert "hosts" not in page_of(documents.EMPTY).ids


def test_the_method_tells_how_much_was_missed_with_every_assumption() -> None:
    words = page_of(documents.small()).words
    for assumption in (*TWO_PASSES_ASSUME, *A_SAMPLE_ASSUMES):
        assert assumption in words
    without = page_of(documents.EMPTY).words
    assert "no estimate of what was missed" in without
    assert "It assumes" not in without


def test_a_reason_is_linked_to_its_meaning_and_an_imported_one_is_not() -> None:
    page = page_of(documents.small())
    linked = {e.attributes["href"] for e in page.by_class("code")}
    assert linked
    assert linked <= {f"#reason-{code}" for code in reasons.EXPLANATIONS}
    hostile = page_of(documents.hostile())
    assert {i for i in hostile.ids if i.startswith("reason-")} <= {
        f"reason-{code}" for code in reasons.EXPLANATIONS
    }


def test_a_long_list_of_ports_is_folded_and_never_cut() -> None:
    ports = ",".join(str(port) for port in range(1, 2000, 2))
    page = page_of(replace(documents.EMPTY, ports=ports, port_count=1000))
    assert ports in page.text
    assert "1,000 of 65,535" in page.words
