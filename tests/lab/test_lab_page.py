"""The pages about the lab say what its code says."""

from __future__ import annotations

import random
import re
import types
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.lab import PRESETS, Parameters, make
from fixtures.lab import rules as rule_texts
from fixtures.lab.classes import CLASSES
from fixtures.lab.model import HostClass, Share, Site
from fixtures.lab.page import table
from fixtures.lab.plan import DIFFICULT, QUARTERS, USUAL_PORTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "lab.md").read_text()


def test_the_page_has_the_table_that_the_code_prints() -> None:
    assert table() in PAGE, "renew it: python -m fixtures.lab classes"


def test_the_page_names_every_preset_and_how_every_difficult_class_is_made() -> None:
    by_hand = PAGE.replace(table(), "")
    for name in (*PRESETS, *DIFFICULT):
        assert re.search(rf"^\| .*`{name}`.* \|", by_hand, flags=re.MULTILINE), name


def test_every_class_with_tricks_is_in_the_difficult_presets() -> None:
    assert set(DIFFICULT) <= {kind.name for kind in CLASSES}
    for preset in ("difficult", "difficult-small"):
        assert set(DIFFICULT) <= {
            h.class_name for h in make(Parameters(name="x", preset=preset)).share.hosts
        }


@pytest.fixture
def example() -> HostClass:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, flags=re.M | re.S)
    module = types.ModuleType("example")
    exec(compile(code, "CONTRIBUTING.md", "exec"), module.__dict__)
    found = module.__dict__["CLASS"]
    assert isinstance(found, HostClass)
    return found


def test_the_example_of_a_class_is_one(example: HostClass) -> None:
    parameters = Parameters(name="example")
    site = Site(
        class_name=example.name,
        region4=QUARTERS[0].in4(parameters.subnet),
        region6=QUARTERS[0].in6(parameters.prefix6),
        count4=3,
        count6=1,
        pool=USUAL_PORTS,
        block_seconds=60.0,
        random=random.Random(1),
    )
    share = example.build(site)
    assert len(share.hosts) == 4
    assert {e.state for e in share.endpoints} == {"open"}
    text = rule_texts.target(replace(make(parameters), share=share))
    assert text.count("tcp sport & 1 == 0 drop") == 2
    assert isinstance(share, Share)
