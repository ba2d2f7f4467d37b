"""The list of expected ports: YAML or CSV, with a place in every complaint."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.addresses import AddressSet
from pipeline.decide.baseline import ACT_ON, Expected, ExpectedPorts
from pipeline.engagement import load
from pipeline.errors import EngagementError
from pipeline.model import ChangeKind, Protocol
from pipeline.ports import PortSet

ENGAGEMENT = """\
client: Example Ltd
engagement: weekly-perimeter
authorisation:
  reference: EX-2026-17
  signatory: Head of IT
  valid_from: 2026-11-01
  valid_until: 2027-10-31
scope: {include: [192.0.2.0/24]}
ports: top:1000
"""
YAML = """\
expected:
  - address: 192.0.2.10
    ports: [22, 8000-8002]
    note: web server
  - {address: 192.0.2.0/24, ports: 443}
  - {address: "2001:db8::7", ports: "53", protocol: udp}
"""
CSV = """\
# what the client says must be there
address,ports,protocol,note
192.0.2.10,"22,8000-8002",,web server

192.0.2.0/24,443,tcp,
2001:db8::7,53,udp,
"""


def entry(addresses: str, ports: str, protocol: str = "tcp", note: str = "") -> Expected:
    return Expected(
        addresses=AddressSet.parse([addresses]),
        protocol=Protocol(protocol),
        ports=PortSet.parse(ports),
        note=note,
    )


ENTRIES = (
    entry("192.0.2.10", "22,8000-8002", note="web server"),
    entry("192.0.2.0/24", "443"),
    entry("2001:db8::7", "53", "udp"),
)


def read(folder: Path, name: str, text: str, more: str = "") -> ExpectedPorts:
    (folder / name).write_text(text)
    path = folder / "engagement.yml"
    path.write_text(f"{ENGAGEMENT}baseline: {name}\n{more}")
    found = load(path).expected
    assert found is not None
    return found


def mistakes(folder: Path, name: str, text: str) -> list[str]:
    with pytest.raises(EngagementError) as caught:
        read(folder, name, text)
    return [str(m).removeprefix(f"{folder}/") for m in caught.value.mistakes]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("expected.yml", YAML),
        ("expected.csv", CSV),
        ("semicolons.csv", CSV.replace('"22,8000-8002"', "22|8000").replace(",", ";")),
        ("crlf.csv", CSV.replace("\n", "\r\n")),
        ("order.csv", "Note,Ports,Address\nweb server,22,192.0.2.10\n"),
    ],
)
def test_a_list_is_read(tmp_path: Path, name: str, text: str) -> None:
    text = text.replace("22|8000", "22,8000-8002")
    found = read(tmp_path, name, text)
    wanted = ENTRIES if name != "order.csv" else (entry("192.0.2.10", "22", note="web server"),)
    assert found.entries == wanted
    assert found.file == name


def test_the_list_is_among_the_files_of_the_engagement_with_its_hash(tmp_path: Path) -> None:
    found = read(tmp_path, "expected.csv", CSV)
    files = {file.path.name: file.sha256 for file in load(tmp_path / "engagement.yml").files}
    assert files["expected.csv"] == found.sha256


def test_only_a_single_address_requires_its_ports(tmp_path: Path) -> None:
    found = read(tmp_path, "expected.yml", YAML)
    assert [each.required for each in found.entries] == [True, False, True]
    scope = AddressSet.parse(["192.0.2.0/24"])
    assert [str(e) for e in found.required(scope)] == [
        f"192.0.2.10:{port}/tcp" for port in (22, 8000, 8001, 8002)
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (YAML.replace("192.0.2.10", "web"), "2:14: expected[0].address: must be an address"),
        (YAML.replace("8000-8002", "9-1"), "3:12: expected[0].ports: "),
        (YAML.replace("udp", "sctp"), "6:53: expected[2].protocol: must be tcp or udp"),
        (YAML.replace("note:", "notes:"), "4:5: expected[0].notes: is not a key here"),
        (YAML.replace("ports: 443", "ports: top:10"), "5:36: expected[1].ports: must name ports"),
        ("expected: []\n", "1:11: expected: must not be empty"),
        ("- 192.0.2.10\n", "1:1: must be a mapping"),
    ],
)
def test_a_mistake_in_yaml_has_its_line_and_column(
    tmp_path: Path, text: str, complaint: str
) -> None:
    (found,) = mistakes(tmp_path, "expected.yml", text)
    assert found.startswith(f"expected.yml:{complaint}")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (CSV.replace("192.0.2.10", "web"), "3:1: address: must be an address"),
        (CSV.replace('"22,8000-8002"', "22,8000-8002"), "3:1: has 5 cells below a heading of 4"),
        (CSV.replace("443", "https"), "5:1: ports: "),
        (CSV.replace("443", ""), "5:1: ports: is missing"),
        (CSV.replace("udp", "sctp"), "6:1: protocol: must be tcp or udp"),
        (CSV.replace("note", "notes"), "1:1: 'notes' is no column here; did you mean 'note'?"),
        (CSV.replace("address", "ports"), "1:1: the column ports is there twice"),
        ("address,note\n192.0.2.7,\n", "1:1: the heading has no column ports"),
        (CSV.replace("web server", '"web'), "1:1: "),
        (CSV.replace("web server", "\x1b[2J"), "3:1: note: must not contain the control character"),
    ],
)
def test_a_mistake_in_csv_has_its_line(tmp_path: Path, text: str, complaint: str) -> None:
    (found,) = mistakes(tmp_path, "expected.csv", text)
    assert found.startswith(f"expected.csv:{complaint}")


def test_all_mistakes_of_a_list_are_told_up_to_fifty(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "expected.csv", "address,ports\n" + "web,22\n" * 60)
    assert len(found) == 51
    assert found[-1].endswith("and 10 more lines with mistakes")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("expected.txt", CSV, "must end in .yml, .yaml or .csv"),
        ("expected.csv", "address,ports\n", "expects nothing at all"),
        (
            "expected.csv",
            "address,ports\n" + "".join(f"192.0.2.{n},1-65535\n" for n in range(1, 20)),
            "says that 1,245,165 endpoints must be open",
        ),
    ],
)
def test_a_list_that_cannot_be_one_is_a_mistake_of_the_engagement(
    tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    (found,) = mistakes(tmp_path, name, text)
    assert found.startswith("engagement.yml:")
    assert f"baseline: {complaint}" in found


def test_a_list_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    path = tmp_path / "engagement.yml"
    path.write_text(f"{ENGAGEMENT}baseline: nowhere.yml\n")
    with pytest.raises(EngagementError, match="baseline: there is no file"):
        load(path)


def test_changes_to_act_on_are_named(tmp_path: Path) -> None:
    path = tmp_path / "engagement.yml"
    path.write_text(f"{ENGAGEMENT}act_on: [opened, service-changed, opened]\n")
    assert load(path).act_on == (ChangeKind.OPENED, ChangeKind.SERVICE_CHANGED)
    path.write_text(f"{ENGAGEMENT}act_on: [openend]\n")
    with pytest.raises(EngagementError, match=r"act_on\[0\]: is no change; did you mean 'opened'"):
        load(path)
    path.write_text(ENGAGEMENT)
    assert load(path).act_on == ACT_ON
    assert load(path).expected is None
