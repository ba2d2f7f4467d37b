"""Files of others, read as evidence: what they saw, what they asked, and what they cannot know."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from fixtures.captures import HERE
from pipeline.decide.compare import compare
from pipeline.errors import NotAdmitted, UsageError
from pipeline.importing.occasion import Occasion, read_occasion
from pipeline.importing.question import parse_scanned
from pipeline.model import ChangeKind, Endpoint, Method, TaskState, VerdictKind
from pipeline.parse import ParseError

NOW = 1_800_000_000.0
HAND = ("hand-masscan.list", "hand-syn.xml", "hand-connect.xml", "hand-version.xml")


def read(*names: str, scanned: str = "", expected: tuple[str, ...] = ()) -> Occasion:
    return read_occasion(
        [HERE / name for name in names],
        scanned=parse_scanned(scanned) if scanned else (),
        expected=[Endpoint.parse(text) for text in expected],
        now=NOW,
    )


def told(occasion: Occasion) -> dict[str, str]:
    return {str(e): v.kind.value for e, v in occasion.verdicts.items()}


def asked(occasion: Occasion, endpoint: str) -> bool:
    return occasion.side().covers(Endpoint.parse(endpoint))


def test_what_is_open_in_an_nmap_file_is_likely_and_has_its_real_method() -> None:
    occasion = read("nmap-syn.xml")
    assert told(occasion)["10.84.0.7:22/tcp"] == "likely"
    assert {o.method for heard in occasion.evidence.observations.values() for o in heard} == {
        Method.NMAP_SYN
    }
    (file,) = occasion.files
    assert (file.tool, file.version, file.format) == ("nmap", "7.93", "nmap XML")
    assert file.arguments.startswith("nmap -n -Pn -sS")
    assert file.problem == ""


def test_an_nmap_file_covers_what_it_lists_and_what_it_counts() -> None:
    occasion = read("nmap-open-only.xml")
    assert asked(occasion, "10.80.1.7:80")
    assert asked(occasion, "10.80.1.7:53")  # counted as filtered
    assert not asked(occasion, "10.80.1.7:121")
    # Without open ports, --open leaves out the whole host.
    assert not asked(occasion, "10.80.1.1:80")


def test_of_a_host_that_timed_out_nothing_is_covered() -> None:
    occasion = read("nmap-host-timeout.xml")
    assert asked(occasion, "10.84.0.7:23")
    assert not asked(occasion, "10.84.0.100:22")


def test_a_host_that_seemed_down_was_not_asked() -> None:
    occasion = read("nmap-down-hosts.xml")
    assert asked(occasion, "10.80.1.7:22")
    assert not asked(occasion, "10.80.1.200:22")


@pytest.mark.parametrize("name", ["nmap-sigint.xml", "nmap-sigkill.xml"])
def test_what_a_file_was_cut_off_before_is_a_task_that_failed(name: str) -> None:
    occasion = read(name)
    (failed,) = [r for r in occasion.evidence.tasks if r.state is TaskState.FAILED]
    assert failed.task.targets.addresses.texts() == ("10.84.0.100",)
    assert "cut off" in failed.outcome
    assert asked(occasion, "10.84.0.8:80")
    assert not asked(occasion, "10.84.0.100:80")
    assert "cut off" in occasion.files[0].problem


def test_a_masscan_file_covers_its_hits_and_nothing_else() -> None:
    occasion = read("masscan-hits.json")
    assert asked(occasion, "10.80.1.7:80")
    assert asked(occasion, "10.80.1.7:443")  # it refused
    assert not asked(occasion, "10.80.1.7:25")
    assert not asked(occasion, "10.80.1.2:80")


def test_whoever_knows_what_masscan_scanned_can_say_so() -> None:
    occasion = read("masscan-hits.json", scanned="10.80.1.0/28 22,80,443")
    assert asked(occasion, "10.80.1.2:80")
    assert not asked(occasion, "10.80.1.2:25")
    assert not asked(occasion, "10.80.1.16:80")


@pytest.mark.parametrize("name", ["masscan-hits.json", "masscan-hits.xml", "masscan-hits.bin"])
def test_a_masscan_file_knows_ttl_and_time_of_an_answer(name: str) -> None:
    heard = [o for some in read(name).evidence.observations.values() for o in some]
    assert {o.ttl for o in heard} <= {62, 63}
    assert {o.method for o in heard} == {Method.MASSCAN_SYN}
    assert all(1_795_000_000 < o.time < NOW for o in heard)


def test_files_of_one_occasion_corroborate_each_other() -> None:
    alone, together = read("hand-syn.xml"), read(*HAND)
    endpoint = Endpoint.parse("10.80.1.7:80")
    methods = {o.method for o in together.evidence.observations[endpoint]}
    assert methods == {
        Method.MASSCAN_SYN,
        Method.NMAP_SYN,
        Method.NMAP_CONNECT,
        Method.NMAP_VERSION,
    }
    assert together.verdicts[endpoint].confidence > alone.verdicts[endpoint].confidence
    service = together.verdicts[endpoint].service
    assert service is not None
    assert service.label == "http nginx 1.24.0"


def test_the_order_of_the_files_does_not_matter() -> None:
    one, other = read(*HAND), read(*reversed(HAND))
    assert told(one) == told(other)
    assert [f.name for f in one.files] == [f.name for f in other.files]


def test_what_masscan_found_and_nmap_was_refused_is_refuted(tmp_path: Path) -> None:
    found = tmp_path / "found.list"
    found.write_text("#masscan\nopen tcp 22 10.80.1.7 1795747000\n# end\n")
    occasion = read_occasion([HERE / "hand-syn.xml", found], now=NOW)
    verdict = occasion.verdicts[Endpoint.parse("10.80.1.7:22")]
    assert (verdict.kind, verdict.reason) == (VerdictKind.REFUTED, "closed-when-asked-again")


def test_an_expected_endpoint_is_told_whatever_became_of_it() -> None:
    occasion = read(
        "nmap-syn.xml", expected=("10.84.0.7:23", "10.84.0.9:50", "10.84.0.7:4000", "10.9.9.9:80")
    )
    assert told(occasion)["10.84.0.7:23/tcp"] == "refuted"
    assert told(occasion)["10.84.0.9:50/tcp"] == "filtered"
    assert "10.84.0.7:4000/tcp" not in told(occasion)
    assert not asked(occasion, "10.84.0.7:4000")


def test_what_was_open_is_only_closed_where_the_later_file_asked() -> None:
    before = read("masscan-hits.list", "hand-syn.xml")
    open_then = before.verdicts.keys()
    after = read_occasion([HERE / "nmap-open-only.xml"], expected=open_then, now=NOW)
    changes = {str(change.endpoint): change.kind for change in compare(before.side(), after.side())}
    assert changes["10.80.1.1:8080/tcp"] is ChangeKind.NOT_COVERED
    assert changes["10.80.1.7:88/tcp"] is ChangeKind.NEWLY_COVERED
    assert ChangeKind.CLOSED not in changes.values()


def test_an_occasion_against_itself_has_no_changes() -> None:
    side = read(*HAND).side()
    assert compare(side, side) == ()


def test_nothing_that_was_imported_can_be_asked() -> None:
    for record in read(*HAND).evidence.tasks:
        assert record.task.targets.on_record_only
        with pytest.raises(NotAdmitted, match="on record only"):
            list(record.task.targets)


def test_a_compressed_file_says_the_same(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    content = (HERE / "nmap-syn.xml").read_bytes()
    packed = tmp_path / "any-name"
    for data in (gzip.compress(content), zstandard.ZstdCompressor().compress(content)):
        packed.write_bytes(data)
        assert told(read_occasion([packed], now=NOW)) == told(read("nmap-syn.xml"))


def test_no_file_and_no_format_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        read_occasion([], now=NOW)
    odd = tmp_path / "notes.xml"
    odd.write_text("Dear customer,")
    with pytest.raises(ParseError, match="no format that can be imported") as error:
        read_occasion([odd], now=NOW)
    assert error.value.where == str(odd)
    assert "nmap XML begins with" in error.value.hint


@pytest.mark.parametrize(
    "text", ["", "10.0.0.0/24", "10.0.0.0/24 ", "10.0.0.0/24 top:100", "10.1 22", "10.0.0.1 70000"]
)
def test_what_was_scanned_is_said_in_networks_and_ports(text: str) -> None:
    with pytest.raises(UsageError, match="--scanned"):
        parse_scanned(text)
