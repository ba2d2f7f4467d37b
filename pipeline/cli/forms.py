"""The forms of a report on the command line: which are asked for, and where each is written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.render.document import RunDocument
    from pipeline.render.variants import Variant
    from pipeline.workspace import Workspace

    Form = tuple[str, Callable[[RunDocument], str | bytes]]


def known_forms(template: Path | None = None) -> Mapping[str, Form]:
    """Everything that a run can be written as, and what is of use only on demand.

    ``template`` is the DOCX that is filled instead of ours.
    """
    from functools import partial

    from pipeline.render.defectdojo import render_defectdojo
    from pipeline.render.docx import plain_template, render_docx
    from pipeline.render.exports.cef import render_cef
    from pipeline.render.exports.ecs import render_ecs
    from pipeline.render.exports.ocsf import render_ocsf
    from pipeline.render.exports.prometheus import render_prometheus
    from pipeline.render.exports.sarif import render_sarif
    from pipeline.render.nmap_xml import render_plain_nmap_xml
    from stages.report import RENDERERS

    return {
        **RENDERERS,
        "docx": (RENDERERS["docx"][0], partial(render_docx, template=template)),
        "docx-template": ("template.docx", lambda _: plain_template()),
        "nmap-xml-plain": ("report-plain.xml", render_plain_nmap_xml),
        "defectdojo": ("defectdojo.json", render_defectdojo),
        "cef": ("cef.log", render_cef),
        "ecs": ("ecs.jsonl", render_ecs),
        "ocsf": ("ocsf.jsonl", render_ocsf),
        "sarif": ("portproof.sarif", render_sarif),
        "prometheus": ("portproof-run.prom", render_prometheus),
    }


def forms_meant(text: str, *, on_demand: bool = True) -> tuple[str, ...]:
    """The forms of a list such as ``html,pdf``; those of use only on demand where that is meant.

    Raises ``UsageError`` for one that nobody knows, and :class:`Error` where a package is missing.
    """
    from pipeline.engagement.wording import did_you_mean, shown
    from pipeline.errors import UsageError
    from pipeline.render.extras import require
    from stages.report import RENDERERS

    known = known_forms() if on_demand else RENDERERS
    meant = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in meant:
        if name not in known:
            raise UsageError(f"--format: {shown(name)} is no format{did_you_mean(name, known)}")
    require(meant)
    return meant


def anonymised_copy(document: RunDocument, place: Workspace) -> RunDocument:
    """The document under the pseudonyms of its workspace, which are kept there."""
    import secrets

    from pipeline.anonymising import Shipped, anonymised, pseudonyms_in
    from pipeline.anonymising.pseudonyms import KEY_BYTES
    from pipeline.engagement.policies import our_policy
    from pipeline.engagement.profiles import known_profiles

    shipped = Shipped(policy=our_policy(), profiles=frozenset(known_profiles()))
    with pseudonyms_in(place.pseudonyms, secret=secrets.token_bytes(KEY_BYTES)) as pseudonyms:
        return anonymised(document, pseudonyms, shipped)


def tell_of_templates(document: RunDocument) -> None:
    """Say on stderr why the page is not in the engagement's own templates, where it is not."""
    if document.branding.templates is None:
        return
    from pipeline.render.html import template_failure

    why = template_failure(document)
    if why:
        print(
            f"the report is written without the templates of the engagement: {why}", file=sys.stderr
        )


def in_variant(document: RunDocument, variant: Variant) -> RunDocument:
    """The document as it is told in that variant, whatever the engagement says."""
    from dataclasses import replace

    return replace(document, branding=replace(document.branding, variant=variant))


def written(
    document: RunDocument, forms: tuple[str, ...], output: Path, template: Path | None = None
) -> tuple[Path, ...]:
    """Write one form into a file, or several into a folder, and return where they are."""
    from pipeline.files import write_whole

    known = known_forms(template)
    into_folder = len(forms) > 1 or output.is_dir()
    found = []
    for form in forms:
        name, render = known[form]
        place = output / name if into_folder else output
        write_whole(place, render(document))
        found.append(place)
    return tuple(found)
