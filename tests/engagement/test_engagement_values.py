"""What a sound engagement becomes: plain values, defaults, days as seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.addresses import AddressSet
from pipeline.engagement import Engagement, Limits, Vantage, load
from pipeline.errors import EngagementError, ExitCode, NotAuthorised
from pipeline.model import Endpoint

Engage = Callable[[str | bytes], Engagement]


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_the_engagement_of_the_issue_is_read_as_it_stands(
    sound: str, engage: Engage, tmp_path: Path
) -> None:
    found = engage(sound)
    assert (found.client, found.name) == ("Example Ltd", "weekly-perimeter")
    assert found.path == tmp_path / "engagement.yml"
    assert found.folder == tmp_path
    assert found.text == sound
    assert found.text_sha256 == hashlib.sha256(sound.encode()).hexdigest()
    assert found.authorisation.reference == "EX-2026-17"
    assert found.authorisation.signatory == "Head of IT"
    assert found.include == AddressSet.parse(["192.0.2.0/24"])
    assert found.exclude == AddressSet.parse(["192.0.2.9"])
    assert str(found.ports) == "top:1000"
    assert not found.udp_ports
    assert found.vantage == Vantage(name="office", interface="eth0")
    assert found.limits == Limits(rate=10000, rate_per_host=50, concurrency=8)
    assert found.profile.name == "balanced"
    assert found.rescan_delays == (30.0, 300.0, 1800.0)
    assert found.outputs == ("html", "json")
    assert found.canaries == ()


def test_what_is_left_out_comes_from_the_profile(
    with_line: Callable[..., str], engage: Engage
) -> None:
    text = with_line("limits").replace("rescan: {delays: [30s, 5m, 30m]}\n", "")
    text = text.replace("profile: balanced", "profile: careful")
    found = engage(text.replace("vantage: {name: office, interface: eth0}\n", ""))
    assert found.limits == found.profile.limits
    assert found.rescan_delays == found.profile.rescan_delays
    assert found.vantage == Vantage(name="local")


def test_a_rate_below_the_share_of_the_profile_per_host_lowers_that_too(
    with_line: Callable[..., str], engage: Engage
) -> None:
    found = engage(with_line("limits", "limits: {rate: 20}"))
    assert found.limits == Limits(rate=20, rate_per_host=20, concurrency=8)


def test_an_empty_list_of_delays_means_no_rescans(
    with_line: Callable[..., str], engage: Engage
) -> None:
    assert engage(with_line("rescan", "rescan: {delays: []}")).rescan_delays == ()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("2d", 172800),
        ("1500ms", 1.5),
        ("1d1h1m1s", 90061),
    ],
)
def test_durations_are_seconds(
    text: str, seconds: float, with_line: Callable[..., str], engage: Engage
) -> None:
    found = engage(with_line("rescan", f"rescan: {{delays: [{text}]}}"))
    assert list(found.rescan_delays) == [seconds]


def test_a_day_counts_from_its_first_second_to_its_last(sound: str, engage: Engage) -> None:
    found = engage(sound).authorisation
    assert found.valid_from == _seconds("2026-11-01T00:00:00+00:00")
    assert found.valid_until == _seconds("2027-11-01T00:00:00+00:00")
    assert (found.valid_from_text, found.valid_until_text) == ("2026-11-01", "2027-10-31")


def test_days_begin_and_end_in_the_time_zone_of_the_authorisation(
    with_line: Callable[..., str], engage: Engage
) -> None:
    text = with_line("  reference", "  reference: x", "  timezone: Europe/Berlin")
    found = engage(text).authorisation
    assert found.valid_from == _seconds("2026-11-01T00:00:00+01:00")
    assert found.valid_until == _seconds("2027-11-01T00:00:00+01:00")


def test_a_time_with_its_offset_is_meant_exactly(
    with_line: Callable[..., str], engage: Engage
) -> None:
    found = engage(with_line("  valid_until", "  valid_until: 2026-11-01 18:30+02:00"))
    assert found.authorisation.valid_until == _seconds("2026-11-01T18:30:00+02:00")


def test_an_authorisation_may_be_for_one_day(with_line: Callable[..., str], engage: Engage) -> None:
    found = engage(with_line("  valid_until", "  valid_until: 2026-11-01")).authorisation
    assert found.valid_until - found.valid_from == 86400


def test_an_authorisation_is_valid_from_its_first_second_to_before_its_end(
    sound: str, engage: Engage
) -> None:
    found = engage(sound).authorisation
    found.require(found.valid_from)
    found.require(found.valid_until - 0.001)
    with pytest.raises(NotAuthorised, match="not valid yet: it begins 2026-11-01") as early:
        found.require(found.valid_from - 0.001)
    with pytest.raises(NotAuthorised, match="has expired: it ended 2027-10-31"):
        found.require(found.valid_until)
    assert early.value.exit_code is ExitCode.REFUSED


def test_loading_with_a_clock_refuses_what_is_not_authorised_then(
    sound: str, tmp_path: Path
) -> None:
    path = tmp_path / "e.yml"
    path.write_text(sound)
    now = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    assert load(path, now=now)
    with pytest.raises(NotAuthorised):
        load(path, now=now - 1)


def test_canaries_are_endpoints_sorted_and_once_each(
    with_line: Callable[..., str], engage: Engage
) -> None:
    line = "canaries: ['192.0.2.10:443', '192.0.2.2:22', '192.0.2.10:443/tcp']"
    found = engage(with_line("rescan", line)).canaries
    assert found == (Endpoint.parse("192.0.2.2:22"), Endpoint.parse("192.0.2.10:443"))


def test_the_document_lies_beside_the_file_and_is_hashed(
    with_line: Callable[..., str], engage: Engage, tmp_path: Path
) -> None:
    (tmp_path / "signed.pdf").write_bytes(b"%PDF")
    sha256 = hashlib.sha256(b"%PDF").hexdigest()
    lines = ["  reference: x", "  document: signed.pdf", f"  document_sha256: {sha256.upper()}"]
    found = engage(with_line("  reference", *lines))
    assert found.authorisation.document == tmp_path / "signed.pdf"
    assert found.authorisation.document_sha256 == sha256
    assert [file.path.name for file in found.files] == [
        "engagement.yml", "signed.pdf", "balanced.yml"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "mistake"),
    [
        (["  document: none.pdf"], "5:13: authorisation.document: there is no file"),
        (["  document: ."], "5:13: authorisation.document: "),
        (["  document_sha256: " + "a" * 64], "authorisation.document_sha256: is given, but no "),
        (["  document_sha256: abc"], "authorisation.document_sha256: must be the 64 hexadecimal"),
        (
            ["  document: signed.pdf", "  document_sha256: " + "a" * 64],
            "6:20: authorisation.document_sha256: does not match: signed.pdf has 2d711642",
        ),
    ],
)
def test_a_document_that_is_missing_or_another_one_is_a_mistake(
    lines: list[str], mistake: str, with_line: Callable[..., str], engage: Engage, tmp_path: Path
) -> None:
    (tmp_path / "signed.pdf").write_bytes(b"x")
    lines = ["  reference: x", *lines]
    with pytest.raises(EngagementError) as caught:
        engage(with_line("  reference", *lines))
    assert mistake in str(caught.value)


def test_a_document_with_a_newline_or_a_nul_in_its_name_is_refused(
    with_line: Callable[..., str], engage: Engage
) -> None:
    for name in (r'"a\0b"', r'"a\nb"'):
        with pytest.raises(EngagementError, match="control character"):
            engage(with_line("  reference", "  reference: x", f"  document: {name}"))


@pytest.mark.parametrize(
    "line", ["ports: top:10,22,U:53,161", "ports: {tcp: [22, top:10], udp: [53, 161]}"]
)
def test_udp_ports_stand_apart_however_they_are_written(
    line: str, engage: Engage, with_line: Callable[..., str]
) -> None:
    found = engage(with_line("ports", f"{line}\ncanaries: ['192.0.2.1:53/udp', '192.0.2.1:22']"))
    assert (str(found.ports), str(found.udp_ports)) == ("top:10,22", "53,161")
    assert [str(canary) for canary in found.canaries] == ["192.0.2.1:22/tcp", "192.0.2.1:53/udp"]
