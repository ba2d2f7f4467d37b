"""The examples of the page about assets can be read as they stand."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from pipeline.engagement import load, new_engagement
from tests.docs.pages import DOCS, blocks

PAGE = DOCS / "assets.md"


def test_the_example_is_read_with_all_its_files(tmp_path: Path) -> None:
    said, *files = list(blocks(PAGE))[:5]
    names = re.findall(r"file: ([\w.-]+)", said.text)
    for name, file in zip(names, files, strict=True):
        (tmp_path / name).write_text(file.text)
    path = tmp_path / "engagement.yml"
    path.write_text(new_engagement(date(2026, 11, 1)) + said.text)
    found = load(path).inventory
    assert [(source.kind, source.entries) for source in found.sources] == [
        ("csv", 3),
        ("ansible", 2),
        ("dhcp", 1),
        ("dns", 1),
    ]
