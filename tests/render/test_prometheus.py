"""Metrics of a run: the text format is kept to the letter, and the numbers add up."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pipeline.model import VerdictKind
from pipeline.render.document import RunDocument
from pipeline.render.exports.prometheus import render_prometheus
from tests.render import documents
from tests.render.judged import judged

SMALL = judged(documents.small())
HEAD = re.compile(r"# (?:HELP [a-z_]+ [^\\\n]+|TYPE [a-z_]+ gauge)")
LABEL = r'([a-z_]+)="((?:[^"\\\n]|\\[\\"n])*)"'
SAMPLE = re.compile(rf"([a-z_]+)\{{((?:{LABEL},?)+)\}} ([0-9]+)")


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], int]:
    """(name, values of the labels): number; fails on what the format does not allow."""
    found: dict[tuple[str, tuple[str, ...]], int] = {}
    assert text.endswith("\n")
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("#"):
            assert HEAD.fullmatch(line), line
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample is not None, line
        labels = tuple(value for _, value in re.findall(LABEL, sample[2]))
        assert (sample[1], labels) not in found, line
        found[sample[1], labels] = int(sample[5])
    return found


@pytest.mark.parametrize(
    "document",
    [SMALL, documents.hostile(), documents.EMPTY, documents.cut_short()],
    ids=["small", "hostile", "empty", "cut short"],
)
def test_the_format_is_kept_and_every_endpoint_counted_once(document: RunDocument) -> None:
    found = samples(render_prometheus(document))
    endpoints = [n for (name, _), n in found.items() if name == "portproof_run_endpoints"]
    assert len(endpoints) == len(VerdictKind)
    assert sum(endpoints) == len(document.findings)


def test_the_numbers_are_those_of_the_run() -> None:
    found = samples(render_prometheus(SMALL))
    of = SMALL.engagement
    assert found["portproof_run_complete", (of,)] == 1
    assert found["portproof_run_endpoints", (of, "confirmed")] == 3
    assert found["portproof_run_not_covered_endpoints", (of,)] == 64_001
    assert found["portproof_run_changes", (of, "opened")] == 1
    assert found["portproof_run_risks", (of, "high")] == 2
    assert found["portproof_run_packets", (of,)] == 1_238_114


def test_only_one_metric_tells_which_run_it_was() -> None:
    def names(document: RunDocument) -> set[tuple[str, tuple[str, ...]]]:
        return set(samples(render_prometheus(document)))

    other = names(replace(SMALL, run="20261110-020000-0000"))
    assert {name for name, _ in names(SMALL) ^ other} == {"portproof_run_info"}


def test_a_name_cannot_break_out_of_a_label_of_a_run() -> None:
    found = samples(render_prometheus(replace(SMALL, engagement='a"} 1\nevil{x="\\\x1b')))
    assert ("portproof_run_complete", (r"a\"} 1\nevil{x=\"\\\\x1b",)) in found
    assert all(name.startswith("portproof_run_") for name, _ in found)


@pytest.mark.parametrize("line", ['x{a="b} 1', 'x{a="b"} one', 'x{a="\\q"} 1', "x 1"])
def test_what_breaks_the_format_is_not_read(line: str) -> None:
    with pytest.raises(AssertionError):
        samples(f"{line}\n")
