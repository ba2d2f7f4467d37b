"""The examples of the page about assets can be read as they stand."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from pipeline.engagement import load, new_engagement
from pipeline.engagement.inventories import COLUMNS
from pipeline.engagement.inventorying import AssetDocument
from tests.docs.pages import DOCS, blocks, plain, rows, section

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


def test_the_foreign_table_of_the_page_is_read(tmp_path: Path) -> None:
    own, said, table = list(blocks(PAGE))[5:8]
    (tmp_path / "assets.yml").write_text(own.text)
    (tmp_path / "cmdb.csv").write_text(table.text)
    path = tmp_path / "engagement.yml"
    path.write_text(f"{new_engagement(date(2026, 11, 1))}{said.text}  - {{file: assets.yml}}\n")
    entries = load(path).inventory.entries
    assert (str(entries[0].zone), str(entries[0].criticality)) == ("dmz", "high")
    assert len(entries) == 5


def test_the_page_names_our_columns() -> None:
    assert tuple(plain(row[0]) for row in rows(section(PAGE, "Our own tables"))) == COLUMNS
    assert tuple(AssetDocument.model_fields) == COLUMNS
