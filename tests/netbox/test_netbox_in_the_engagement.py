"""A NetBox as a source of assets: named in the engagement, asked when a run is planned."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cli import edge
from pipeline.cli.conduct import with_netbox
from pipeline.engagement import load
from pipeline.errors import EngagementError
from tests.cli.ground import engage
from tests.netbox.fake import TOKEN, FakeNetbox, Row
from tests.netbox.test_reading_netbox import objects

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(entry: str) -> Path:
        path = engage(tmp_path, ["127.0.0.1"], [9])
        (tmp_path / "token").write_text(TOKEN)
        (tmp_path / "assets.csv").write_text("address,name\n127.0.0.1,here\n")
        path.write_text(f"{path.read_text()}\nassets: [{entry}, {{file: assets.csv}}]\n")
        return path

    return written


def test_loading_an_engagement_asks_nobody_and_planning_a_run_does(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    with FakeNetbox(objects()) as netbox:
        path = write(
            f"{{netbox: {{url: '{netbox.url}/', token: {{file: token}}, status: [active]}}, "
            "columns: {zone: Segment}}"
        )
        engagement = load(path)
        assert [source.name for source in engagement.inventory.sources] == ["assets.csv"]
        assert netbox.asked == []
        whole = with_netbox(engagement).inventory
        assert [source.kind for source in whole.sources] == ["netbox", "csv"]
        assert whole.entries[0].source == 0
        assert whole.entries[-1].source == 1
        assert edge.run(["check", str(path), "--format", "json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert [(each["kind"], each["entries"]) for each in found["assets"]] == [
            ("netbox", 4),
            ("csv", 1),
        ]
        (path.parent / "token").write_text("another")
        assert edge.run(["check", str(path)]) == 2
        assert "refuses what the token may not see (403)" in capsys.readouterr().err
        path.write_text(path.read_text().replace("status: [active]", "required: false"))
        assert edge.run(["check", str(path), "--format", "json"]) == 0
        (there, _) = json.loads(capsys.readouterr().out)["assets"]
        assert (there["entries"], there["note"][:18]) == (0, "could not be read:")


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{netbox: {url: 'http://netbox.example.com', token: {env: A}}}", "in the clear"),
        ("{netbox: {url: 'http://127.example.com', token: {env: A}}}", "in the clear"),
        ("{netbox: {url: 'https://a:b@netbox.example.com', token: {env: A}}}", "without user"),
        ("{netbox: {url: 'https://netbox.example.com/api', token: {env: A}}}", "and /api"),
        ("{netbox: {url: 'https://netbox.example.com', token: s3cret}}", "must be {env: NAME}"),
        ("{netbox: {url: 'https://n.example.com', token: {env: A}, vrf: ['a&b']}}", "a slug"),
        ("{netbox: {url: 'https://n.example.com', token: {env: A}, ca: no.pem}}", "is no file"),
        ("{netbox: {url: 'https://n.example.com', token: {env: A}}, file: a}", "one of file and"),
        ("{netbox: {url: 'https://n.example.com', token: {env: A}}, format: csv}", "a format"),
        ("{columns: {name: x}}", "one of file and netbox"),
    ],
)
def test_a_mistake_is_told_and_no_secret_is_repeated(write: Write, entry: str, told: str) -> None:
    with pytest.raises(EngagementError) as error:
        load(write(entry))
    text = "; ".join(mistake.what for mistake in error.value.mistakes)
    assert told in text
    assert "s3cret" not in text


def test_one_netbox_may_not_list_more_than_a_run_can_keep(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[Row] = objects()["ipam/ip-addresses"][:1]
    rows[0]["custom_fields"] = {"expected_ports": "1-60000"}
    twice = [{**rows[0], "id": n, "address": f"192.0.2.{n}/24"} for n in range(1, 36)]
    with FakeNetbox({**objects(), "ipam/ip-addresses": twice}, page=50) as netbox:
        path = write(f"{{netbox: {{url: '{netbox.url}', token: {{file: token}}}}}}")
        assert edge.run(["check", str(path)]) == 2
        assert "endpoints must be open" in capsys.readouterr().err
