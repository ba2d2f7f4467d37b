"""Proposals as a patch to the files of an engagement, applied whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from pipeline import resources
from pipeline.decide.tuning.proposal import Change, Key, Proposal, Value
from pipeline.engagement import load, new_engagement
from pipeline.engagement.patching import apply, patch_of
from pipeline.errors import EngagementError, Error


def proposal(key: Key, after: Value, change: Change = Change.SET, place: int = 0) -> Proposal:
    return Proposal(key=key, change=change, before=0, after=after, why="", grounds=(), place=place)


LOWER = proposal(Key.RATE_PER_HOST, 25)
LONGER = proposal(Key.CONNECT_TIMEOUT, "6s")


@pytest.fixture
def written(tmp_path: Path, sound: str) -> Path:
    path = tmp_path / "engagement.yml"
    path.write_text(sound)
    return path


def test_every_key_can_be_written_into_the_template_and_no_comment_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "engagement.yml"
    text = new_engagement(date(2026, 11, 1))
    path.write_text(text)
    proposals = [
        proposal(Key.RATE, 500),
        proposal(Key.RATE_PER_NETWORK, 200),
        proposal(Key.RATE_PER_HOST, 50),
        proposal(Key.DELAYS, ("30s", "20m")),
        proposal(Key.CANARY_WAITS, ("20s", "1m")),
        proposal(Key.CONTROL_PORTS, 4),
        proposal(Key.SECOND_LOOKS, 5),
        proposal(Key.WATCH_LOOKS, 14),
        LONGER,
        proposal(Key.LISTEN, "2s"),
        proposal(Key.CANARIES, ("127.0.0.1:22",), Change.ADD),
        proposal(Key.FRAGILE_HOSTS, ("127.0.0.1",), Change.ADD),
    ]
    assert {each.key for each in proposals} == set(Key) - {Key.SUPPRESS}
    patch = patch_of(load(path), proposals)
    assert [file.name for file in patch.files] == ["engagement-profile.yml", "engagement.yml"]
    assert all(patch.lines)
    after = apply(patch, load(path))
    assert after.limits == replace(after.limits, rate=500, rate_per_network=200, rate_per_host=50)
    assert after.rescan_delays == (30.0, 1200.0)
    profile = after.profile
    assert (profile.second_looks, profile.watch_looks, profile.canary_waits) == (
        5,
        14,
        (20.0, 60.0),
    )
    assert (profile.handshake_connect_timeout, profile.handshake_listen) == (6.0, 2.0)
    assert [str(each) for each in after.canaries] == ["127.0.0.1:22/tcp"]
    assert after.fragile.hosts.texts() == ("127.0.0.1",)
    kept = iter(path.read_text().splitlines())
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            assert line in kept, line  # all of them, in their order


def test_several_entries_leave_a_list_by_the_places_that_they_had(
    written: Path, sound: str
) -> None:
    entries = [
        f'  - {{endpoint: "192.0.2.{n}:80", reason: host {n}, until: 2027-01-31}}\n'
        for n in range(1, 5)
    ]
    written.write_text(f"{sound}suppress:\n{''.join(entries)}")
    drops = [proposal(Key.SUPPRESS, "", Change.DROP, place) for place in (0, 2)]
    after = apply(patch_of(load(written), drops), load(written))
    assert [entry.reason for entry in after.suppressions] == ["host 2", "host 4"]


def test_a_profile_of_ones_own_is_changed_where_it_lies(written: Path, sound: str) -> None:
    apply(patch_of(load(written), [LONGER]), load(written))
    own = written.parent / "engagement-profile.yml"
    assert "profile: engagement-profile.yml\n" in written.read_text()
    again = patch_of(load(written), [proposal(Key.LISTEN, "2s")])
    assert [file.path for file in again.files] == [own]
    assert apply(again, load(written)).profile.handshake_listen == 2.0
    # Another engagement in this folder gets a copy of its own.
    written.write_text(sound)
    (new, _) = patch_of(load(written), [LONGER]).files
    assert new.name == "engagement-profile-2.yml"


def test_the_diff_names_a_profile_by_its_way_from_the_engagement(written: Path, sound: str) -> None:
    own = written.parent / "profiles" / "gentle.yml"
    own.parent.mkdir()
    own.write_text(resources.read_text("configs", "profiles/careful.yml"))
    written.write_text(sound.replace("profile: balanced", "profile: profiles/gentle.yml"))
    patch = patch_of(load(written), [proposal(Key.LISTEN, "5s")])
    assert patch.diff.startswith("--- a/profiles/gentle.yml\n+++ b/profiles/gentle.yml\n")
    assert apply(patch, load(written)).profile.handshake_listen == 5.0


def test_a_byte_order_mark_and_the_line_ends_stay(written: Path, sound: str) -> None:
    data = b"\xef\xbb\xbf" + sound.replace("\n", "\r\n").encode()
    written.write_bytes(data)
    patch = patch_of(load(written), [LOWER])
    apply(patch, load(written))
    assert written.read_bytes() == data.replace(b"rate_per_host: 50", b"rate_per_host: 25")


def test_a_link_to_the_engagement_stays_a_link(written: Path) -> None:
    real = written.with_name("real.yml")
    written.rename(real)
    written.symlink_to("real.yml")
    apply(patch_of(load(written), [LOWER]), load(written))
    assert written.is_symlink()
    assert load(real).limits.rate_per_host == 25


def test_what_would_not_be_sound_is_not_written(written: Path, sound: str) -> None:
    outside = proposal(Key.CANARIES, ("203.0.113.1:443",), Change.ADD)
    patch = patch_of(load(written), [outside, LONGER])
    with pytest.raises(EngagementError, match="lies outside the scope"):
        apply(patch, load(written))
    assert written.read_text() == sound
    assert [path.name for path in written.parent.iterdir()] == ["engagement.yml"]


def test_what_changed_meanwhile_is_left_alone(written: Path, sound: str) -> None:
    patch = patch_of(load(written), [LOWER])
    written.write_text(f"{sound}# somebody was here\n")
    with pytest.raises(Error, match="changed meanwhile"):
        apply(patch, load(written))
    assert written.read_text() == f"{sound}# somebody was here\n"


def test_what_cannot_be_changed_by_itself_is_not_proposed_as_a_patch(
    written: Path, sound: str
) -> None:
    written.write_text(sound.replace("rescan: {delays: [30s, 5m, 30m]}", "rescan: {delays: []}"))
    engagement = load(written)
    gone = proposal(Key.SUPPRESS, "", Change.DROP)
    with pytest.raises(Error, match="suppress cannot be changed by itself"):
        patch_of(engagement, [gone])


def test_without_a_proposal_there_is_no_patch(written: Path, sound: str) -> None:
    patch = patch_of(load(written), [])
    assert (patch.files, patch.diff) == ((), "")
    apply(patch, load(written))
    assert written.read_text() == sound


def test_a_line_without_an_end_is_marked_in_the_diff(written: Path, sound: str) -> None:
    written.write_text(sound.rstrip("\n"))
    diff = patch_of(load(written), [proposal(Key.CANARIES, ("192.0.2.1:443",), Change.ADD)]).diff
    assert diff.count("\\ No newline at end of file\n") == 2
