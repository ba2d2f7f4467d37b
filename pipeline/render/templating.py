"""How a report becomes a page: Jinja with the filters and the words that templates of ours use.

Every value passes :func:`~pipeline.render.text.visible` and Jinja's escaping on its way out,
whatever a template forgets; only fixed texts of ours may have elements in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from pipeline.render.assets import LISTINGS, asset_text, source_notes, sources_text
from pipeline.render.checklist import standings
from pipeline.render.coverage import percentage
from pipeline.render.deviations import DEVIATIONS
from pipeline.render.document import Finding
from pipeline.render.known import GONE, file_text, known_count, known_text, seen_by
from pipeline.render.language import FIRST, figure, say, spoken, word
from pipeline.render.overview import look_rows
from pipeline.render.pictures.looks import looks
from pipeline.render.recorded import LEFT_OUT, has_words_for, recorded
from pipeline.render.references import citation, cited
from pipeline.render.risks import SEVERITY_MEANINGS, URGENCY, risk_anchor
from pipeline.render.text import (
    counted,
    duration,
    instant,
    iso,
    listed,
    minute,
    ports_of,
    shortened,
    typed_parts,
    visible,
)
from pipeline.render.words import (
    CHANGES,
    DISPUTED_VERDICTS,
    METHODS,
    VERDICTS,
    anchor,
    confidence_text,
    facts,
    round_name,
    service_text,
)
from pipeline.resources import folder

_BANNER: Final = 400
_OUTPUT: Final = 4000
_OUTPUT_LINES: Final = 60
_SHORT: Final = 400


@cache
def environment() -> Environment:
    """What templates of the HTML report are made into pages with."""
    return prepared(
        Environment(
            loader=our_templates(),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=shown_value,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
    )


def our_templates() -> FileSystemLoader:
    """Finds the templates of this installation."""
    return FileSystemLoader(folder("templates") / "report")


def prepared(environment: Environment) -> Environment:
    """The same environment, with the filters and words of templates of ours."""
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    environment.filters.update(
        cut=_cut,
        output=_output,
        instant=instant,
        minute=minute,
        iso=iso,
        duration=duration,
        percentage=percentage,
        anchor=anchor,
        confidence=confidence_text,
        label=_label,
        number=figure,
        field=_field,
        word=word,
        quoted=_quoted,
        quoted_all=_quoted_all,
        recorded=recorded,
        policy=_of_the_policy,
        prose=_prose,
        risk_anchor=risk_anchor,
    )
    environment.globals.update(
        say=_said,
        say_many=_said_many,
        ports_of=ports_of,
        counted=counted,
        listed=listed,
        shortened=shortened,
        citation=citation,
        cited=cited,
        severity_meanings=SEVERITY_MEANINGS,
        urgency=URGENCY,
        facts=facts,
        looks=_looks,
        disputed_verdicts=DISPUTED_VERDICTS,
        standings=standings,
        round_name=round_name,
        service_text=service_text,
        verdicts=VERDICTS,
        change_meanings=CHANGES,
        deviation_meanings=DEVIATIONS,
        asset_text=asset_text,
        listings=LISTINGS,
        source_notes=source_notes,
        gone_meanings=GONE,
        known_text=known_text,
        known_count=known_count,
        file_text=file_text,
        seen_by=seen_by,
        sources_text=sources_text,
        method_names=METHODS,
        banner_limit=_BANNER,
    )
    return environment


def shown_value(value: Any) -> Any:
    """Nothing invisible reaches the page, whatever a template forgets."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _output(text: str) -> Markup:
    """Several lines from the network, cut to a size that a reader bears."""
    lines = visible(text, _OUTPUT, newlines=True).strip("\n").split("\n")
    if len(lines) > _OUTPUT_LINES:
        rest = len(lines) - _OUTPUT_LINES
        lines = [*lines[:_OUTPUT_LINES], f"… (+{counted(rest, 'line')})"]
    return Markup("\n").join(map(escape, lines))


def _prose(text: str) -> Markup:
    """Text of a rule, in which what stands between backticks is to be typed."""
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if typed else escape(part)
        for part, typed in typed_parts(visible(text))
    )


def _label(name: str) -> str:
    """``valid_from`` as people write it: ``Valid from``."""
    words = recorded(name.replace("_", " ")).replace("-", " ")
    return words[:1].upper() + words[1:]


def _field(name: str) -> Markup:
    """The name of a particular that came with the run."""
    return _marked(name.replace("_", " "), escape(visible(_label(name), 90)))


def _said(text: str, /, **values: Any) -> Markup:
    """A fixed text of ours, which may have elements; what stands in it is escaped."""
    return Markup(say(text)).format(**_escapable(values))  # noqa: S704 -- our own text


def _said_many(number: int, one: str, several: str, /, **values: Any) -> Markup:
    said = Markup(spoken().of_many(number, one, several))  # noqa: S704 -- our own text
    return said.format(**_escapable({"n": number, **values}))


def _escapable(values: Mapping[str, Any]) -> dict[str, Any]:
    return {n: figure(v) if isinstance(v, int) else shown_value(v) for n, v in values.items()}


def _quoted(text: str, limit: int | None = None) -> Markup:
    """A text of the record: English, and so marked, unless the language has words for it."""
    return _marked(text, escape(visible(recorded(text), limit)))


def _quoted_all(texts: Iterable[str]) -> Markup:
    """Several of them, one after the other."""
    return Markup("; ").join(_quoted(text, _SHORT) for text in texts)


def _cut(text: object, limit: int | None = None) -> str:
    """A text of others, of which nothing is longer than it may be. What an anonymised copy leaves
    out is no text of others."""
    told = str(text)
    return visible(word(told) if told == LEFT_OUT else told, limit)


def _of_the_policy(text: str) -> Markup:
    return _marked(text, _prose(word(text)))


def _marked(text: str, shown: Markup) -> Markup:
    if not text or has_words_for(text):
        return shown
    return Markup('<span lang="{}">{}</span>').format(FIRST, shown)


def _looks(finding: Finding) -> Markup:
    return looks(look_rows(finding.observations), over=str(finding.verdict.endpoint))
