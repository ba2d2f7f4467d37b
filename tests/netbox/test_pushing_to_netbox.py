"""What a run found, written into NetBox: dry at first, only what is ours, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.recording import recording, seal_again
from pipeline.decide import reasons
from pipeline.errors import Error
from pipeline.files import make_private_folder
from pipeline.model import ChangeKind, Service
from pipeline.netbox.services import GONE, OPEN, TAG, Planned, Step, planned, version_of
from pipeline.netbox.session import Netbox
from pipeline.netbox.settings import NetboxSettings
from pipeline.netbox.writing import write
from pipeline.render.document import Comparison, RunDocument
from pipeline.secret import Secret
from pipeline.workspace import Workspace
from tests.cli.conftest import portproof as portproof
from tests.cli.ground import Said, engage
from tests.cli.past import file_run, found, past
from tests.decide.making import PLAN
from tests.netbox.fake import TOKEN, FakeNetbox, Row, choice
from tests.netbox.test_reading_netbox import address, on
from tests.render import documents

HOSTILE = Service(name="http", product="x\x1b[2J\u202e" + "y" * 400, version="1", method="probed")
TAGS = [{"id": 1, "name": TAG, "slug": TAG}]


def service(number: int, port: int, **more: Any) -> Row:
    usual: Row = {
        "id": number,
        "name": "https",
        "description": f"{OPEN}: nginx 1.25.3",
        "protocol": choice("tcp"),
        "ports": [port],
        "ipaddresses": [{"id": 1}],
        "parent_object_type": "dcim.device",
        "parent_object_id": 7,
        "tags": TAGS,
    }
    return usual | more


def objects(*services: Row) -> dict[str, list[Row]]:
    return {
        "ipam/ip-addresses": [
            address(1, "10.80.1.7/24", assigned_object=on("device", 7, "shop")),
            address(2, "10.80.1.8/24", assigned_object=on("virtual_machine", 8, "vm")),
            address(3, "10.80.1.9/24", assigned_object=on("device", 9, "a")),
            address(4, "10.80.1.9/24", assigned_object=on("device", 10, "b")),
        ],
        "ipam/services": list(services),
        "extras/tags": [],
    }


def document(*more: str, closed: str = "") -> RunDocument:
    """22 and 443 of one host are open, and what else is named; ``closed`` was refused."""
    found = [
        documents.confirmed("10.80.1.7:22", HOSTILE, "x"),
        documents.confirmed("10.80.1.7:443", replace(documents.NGINX, name="https"), "x"),
        *(documents.confirmed(each, None, "x") for each in more),
        documents.likely("10.80.1.7:3389"),
    ]
    comparison = None
    if closed:
        gone = documents.refuted(closed).verdict
        change = documents.changed(ChangeKind.CLOSED, None, gone, reasons.REFUSED)
        comparison = Comparison(against="x", against_started=0.0, differences=(), changes=(change,))
    return replace(documents.EMPTY, findings=tuple(found), comparison=comparison)


def steps_of(
    run: RunDocument, there: dict[str, list[Row]], version: str = "4.4"
) -> dict[str, Step]:
    steps = planned(run, there["ipam/ip-addresses"], there["ipam/services"], version_of(version))
    return {str(step.endpoint).removesuffix("/tcp"): step.step for step in steps}


def test_only_services_with_our_tag_are_changed_and_only_confirmed_ones_created() -> None:
    theirs = service(1, 443, ports=[80, 443], tags=[], ipaddresses=[])
    wide = service(2, 22, ports=[22, 2222], name="ssh of theirs", tags=[])
    run = document("10.80.1.8:25", "10.80.1.9:25", "10.80.1.99:25")
    assert steps_of(run, objects()) == {
        "10.80.1.7:22": Step.CREATE,
        "10.80.1.7:443": Step.CREATE,
        "10.80.1.8:25": Step.CREATE,
        "10.80.1.9:25": Step.NOWHERE,
        "10.80.1.99:25": Step.NOWHERE,
    }
    found = steps_of(run, objects(theirs, wide, service(3, 25)))
    assert found["10.80.1.7:443"] is found["10.80.1.7:22"] is Step.THEIRS
    assert found["10.80.1.8:25"] is Step.CREATE, "of another host"
    assert steps_of(run, objects(service(3, 443)))["10.80.1.7:443"] is Step.SAME
    old = service(3, 443, description="Open", parent_object_id=None, device={"id": 7})
    assert steps_of(run, objects(old))["10.80.1.7:443"] is Step.UPDATE


def test_what_was_not_covered_stays_and_what_was_refused_says_so() -> None:
    there = objects(service(5, 8443), service(6, 8444), service(7, 8444, tags=[]))
    assert "10.80.1.7:8443" not in steps_of(document(), there)
    steps = planned(
        document(closed="10.80.1.7:8444"), there["ipam/ip-addresses"], there["ipam/services"], ()
    )
    (step,) = (step for step in steps if step.step is Step.CLOSE)
    assert (step.number, step.body) == (6, {"description": GONE})
    there["ipam/services"][1]["description"] = GONE
    assert steps_of(document(closed="10.80.1.7:8444"), there)["10.80.1.7:8444"] is Step.SAME


def test_texts_are_visible_and_short_and_a_service_of_an_older_netbox_has_a_device() -> None:
    there = objects()
    for version, key in (("4.3", "parent_object_id"), ("4.2", "device"), ("", "parent_object_id")):
        steps = planned(
            document(), there["ipam/ip-addresses"], there["ipam/services"], version_of(version)
        )
        body = steps[0].body
        assert body[key] == 7
        assert len(body["description"]) <= 200
        assert "\x1b" not in body["description"]
        assert "\u202e" not in body["description"]
        assert body["tags"] == [{"name": TAG, "slug": TAG}]


@pytest.mark.parametrize("row", [{}, {"id": "1"}, {"id": 1, "ports": 7, "protocol": [], "tags": 3}])
def test_odd_rows_are_passed_over(row: Row) -> None:
    there = objects(row, {**row, "parent_object_type": "dcim.device", "parent_object_id": 7})
    there["ipam/ip-addresses"].append(row)
    assert steps_of(document(), there)["10.80.1.7:22"] is Step.CREATE


def connected(netbox: FakeNetbox, folder: Path, *, writes: bool) -> Netbox:
    (folder / "token").write_text(TOKEN)
    settings = NetboxSettings(url=netbox.url, token=Secret(file=folder / "token"))
    return Netbox(settings, lambda: 0.0, writes=writes)


def test_pushing_twice_writes_once_and_an_error_says_how_far_it_came(tmp_path: Path) -> None:
    with FakeNetbox(objects()) as netbox:
        there = connected(netbox, tmp_path, writes=True)

        def steps() -> tuple[Planned, ...]:
            return planned(
                document(),
                there.listed("ipam/ip-addresses", {}),
                there.listed("ipam/services", {}),
                version_of(there.version()),
            )

        failing: Iterator[tuple[int, dict[str, str], bytes] | None] = iter(
            [None, None, (500, {}, b"secret")]
        )
        netbox.before = lambda path: next(failing) if path.startswith("POST") else None
        with pytest.raises(Error, match="1 of 2 were written before") as error:
            write(there, steps())
        assert "secret" not in str(error.value)
        netbox.before = lambda _: None
        write(there, steps())
        assert [row["ports"] for row in netbox.objects["ipam/services"]] == [[22], [443]]
        assert [row["slug"] for row in netbox.objects["extras/tags"]] == [TAG]
        before = deepcopy(netbox.objects)
        write(there, steps())
        assert netbox.objects == before
        assert {step.step for step in steps()} == {Step.SAME}
        assert not [line for line in netbox.asked if line.startswith("DELETE")]


def test_who_only_reads_cannot_write(tmp_path: Path) -> None:
    with FakeNetbox(objects()) as netbox:
        there = connected(netbox, tmp_path, writes=False)
        with pytest.raises(Error, match="not to be asked to POST"):
            there.create("ipam/services", {"name": "x"})
        assert netbox.asked == []


def test_the_command_says_what_it_would_write_and_writes_it_when_told(
    portproof: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = engage(tmp_path, ["192.0.2.7"], [443])
    (tmp_path / "token").write_text("may only read")
    with past(tmp_path) as store:
        plan = replace(PLAN, engagement_file=str(path))
        run = file_run(store, "one", [found("192.0.2.7:443")], plan=plan)
        folder = Workspace(tmp_path).run_folder("one")
        make_private_folder(folder)
        with recording(run, store, folder) as trail:
            seal_again(run, store, folder, trail)
    there = objects()
    there["ipam/ip-addresses"] = [
        address(1, "192.0.2.7/24", assigned_object=on("device", 7, "shop"))
    ]
    here: tuple[str | Path, ...] = ("netbox", "push", "last", "--workspace", tmp_path)
    assert "names 0 NetBoxes" in portproof(*here).err
    monkeypatch.setenv("NETBOX_WRITE", TOKEN)
    with FakeNetbox(there) as netbox:
        entry = f"{{netbox: {{url: '{netbox.url}', token: {{file: token}}}}}}"
        path.write_text(f"{path.read_text()}\nassets: [{entry}]\n")
        assert portproof(*here).code == 2
        here += ("--token-env", "NETBOX_WRITE")
        said = portproof(*here)
        assert said.code == 0, said.err
        assert "create   192.0.2.7:443/tcp" in said.out
        assert "nothing was written" in said.out
        assert netbox.objects["ipam/services"] == []
        said = portproof(*here, "--apply", "--format", "json")
        assert json.loads(said.out)["steps"][0]["step"] == "create"
        (row,) = netbox.objects["ipam/services"]
        assert row["ports"] == [443]
        assert "1 same" in portproof(*here).out
    shown = portproof("audit", "show", "last", "--workspace", tmp_path).out
    (line,) = (line for line in shown.splitlines() if "netbox" in line and "services" in line)
    assert line.endswith('"create": 1}')
    assert portproof("audit", "verify", "last", "--workspace", tmp_path).code == 0
