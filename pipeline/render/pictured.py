"""The pictures of a run, for a page and for paper."""

from __future__ import annotations

from pipeline.render.document import RunDocument
from pipeline.render.overview import (
    course_of,
    funnel_steps,
    heat_of,
    network_rows,
    turnovers,
)
from pipeline.render.pictures.course import run_course
from pipeline.render.pictures.funnel import funnel
from pipeline.render.pictures.heat import heat_map
from pipeline.render.pictures.networks import risk_by_network
from pipeline.render.pictures.openings import opens_and_closes
from pipeline.render.pictures.svg import Picture


def pictures_of(document: RunDocument) -> dict[str, Picture | None]:
    """By name; ``course`` is ``None`` for a run that was imported."""
    findings = document.findings
    return {
        "funnel": funnel(funnel_steps(findings)),
        "networks": risk_by_network(network_rows(findings)),
        "heat": heat_map(heat_of(findings)),
        "openings": opens_and_closes(turnovers(document.trends)),
        "course": None if document.imported else run_course(course_of(document)),
    }
