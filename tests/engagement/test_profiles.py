"""Profiles: the three that come along, and those of people's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import resources
from pipeline.engagement import FRAGILE_PORTS, SCRIPTS, Engagement, known_profiles
from pipeline.engagement.fragile import FRAGILE_LIST
from pipeline.errors import Mistake
from pipeline.ports import PortSet

Mistakes = Callable[[str | bytes], list[Mistake]]
Engage = Callable[[str | bytes], Engagement]
Edit = Callable[..., str]

OWN = """\
name: own
masscan_retries: 1
masscan_wait: 2s
nmap_max_retries: 1
handshake_connect_timeout: 2s
handshake_listen: 500ms
handshake_speaks: false
control_ports: 1
version_probe: false
version_intensity: 0
scripts: []
rescan_delays: [1s]
limits: {rate: 100, rate_per_host: 10, concurrency: 1}
"""


def test_three_profiles_come_along() -> None:
    assert known_profiles() == ("balanced", "careful", "fast")


@pytest.mark.parametrize("name", ["balanced", "careful", "fast"])
def test_a_profile_that_comes_along_is_sound_and_says_why(
    name: str, with_line: Edit, engage: Engage
) -> None:
    text = with_line("profile", f"profile: {name}").replace("rate_per_host: 50", "concurrency: 1")
    found = engage(text).profile
    assert found.name == name
    # masscan loses answers even where nothing is lost: somebody has to ask again.
    assert found.masscan_retries + found.second_looks >= 1
    assert found.canary_waits
    assert found.control_ports >= 1
    assert set(found.scripts) <= set(SCRIPTS)
    assert found.fragile_ports == FRAGILE_PORTS
    assert resources.read_text("configs", f"profiles/{name}.yml").count("#") > 5


def test_careful_asks_more_gently_and_more_often_than_fast(with_line: Edit, engage: Engage) -> None:
    text = with_line("limits")
    careful, balanced, fast = (
        engage(text.replace("balanced", name)).profile for name in ("careful", "balanced", "fast")
    )
    for slow, quick in ((careful, balanced), (balanced, fast)):
        assert slow.limits.rate < quick.limits.rate
        assert slow.limits.rate_per_host < quick.limits.rate_per_host
        assert slow.second_looks > quick.second_looks
        assert slow.nmap_max_retries > quick.nmap_max_retries
        assert slow.watch_looks > quick.watch_looks
        assert slow.sample > quick.sample
        assert sum(slow.rescan_delays) > sum(quick.rescan_delays)
        assert sum(slow.canary_waits) > sum(quick.canary_waits)
    assert not careful.handshake_speaks


def test_printers_are_fragile() -> None:
    assert not PortSet.parse("9100-9107") - FRAGILE_PORTS


def test_each_fragile_port_has_a_reason_and_a_source() -> None:
    assert all(entry.what and entry.why and entry.source for entry in FRAGILE_LIST)
    printers_and_plcs = "102,502,515,789,1962,2404,4840,9600,20000,44818,47808,104,2575,2001-2032"
    assert not PortSet.parse(printers_and_plcs) - FRAGILE_PORTS
    ordinary_servers = PortSet.parse("22,80,443,631,2222,3001,8080")
    assert not ordinary_servers & FRAGILE_PORTS


def test_a_profile_of_ones_own_lies_beside_the_engagement(
    with_line: Edit, engage: Engage, tmp_path: Path
) -> None:
    (tmp_path / "own.yml").write_text(OWN)
    found = engage(with_line("profile", "profile: own.yml"))
    assert found.profile.name == "own"
    assert found.profile.handshake_listen == 0.5
    assert found.profile.masscan_wait == 2
    assert found.profile.fragile_ports == FRAGILE_PORTS
    assert found.profile.attempts == 3
    assert tmp_path / "own.yml" in [file.path for file in found.files]


def test_a_profile_that_knows_nothing_of_canaries_and_looks_has_those_of_balanced(
    with_line: Edit, engage: Engage, tmp_path: Path
) -> None:
    (tmp_path / "own.yml").write_text(OWN)
    own = engage(with_line("profile", "profile: own.yml")).profile
    balanced = engage(with_line("profile", "profile: balanced")).profile
    for key in ("canary_waits", "gentle_pace", "second_looks", "watch_looks", "sample"):
        assert getattr(own, key) == getattr(balanced, key), key


def test_canaries_looks_and_the_sample_can_all_be_left_out(
    with_line: Edit, engage: Engage, tmp_path: Path
) -> None:
    none = "canary_waits: []\nsecond_looks: 0\nwatch_looks: 0\nsample: 0\n"
    (tmp_path / "own.yml").write_text(OWN + none)
    found = engage(with_line("profile", "profile: own.yml")).profile
    assert (found.canary_waits, found.second_looks) == ((), 0)
    assert (found.watch_looks, found.sample) == (0, 0)


@pytest.mark.parametrize(
    ("line", "ports"),
    [
        ("fragile_ports: 9100-9107", "9100-9107"),
        ("fragile_ports: [23, 9100]", "23,9100"),
        ("fragile_ports: []", ""),
    ],
)
def test_naming_the_fragile_ports_replaces_them(
    line: str, ports: str, with_line: Edit, engage: Engage, tmp_path: Path
) -> None:
    (tmp_path / "own.yml").write_text(OWN + line)
    found = engage(with_line("profile", "profile: own.yml"))
    assert str(found.profile.fragile_ports) == ports


@pytest.mark.parametrize(
    ("start", "line", "mistake"),
    [
        ("name", "nmae: own", "1:1: nmae: is not a key here; did you mean 'name'?"),
        ("masscan_wait", "masscan_wait: 2500ms", "3:15: masscan_wait: must be whole seconds"),
        ("masscan_wait", "masscan_wait: 2", "3:15: masscan_wait: needs a unit"),
        ("masscan_wait", "masscan_wait: 0s", "3:15: masscan_wait: must lie between 1s and 60s"),
        (
            "handshake_c",
            "handshake_connect_timeout: 6001ms",
            "5:28: handshake_connect_timeout: must",
        ),
        ("handshake_c", "handshake_connect_timeout: 1m", "must lie between 0.1s and 6s (got 60s)"),
        ("handshake_l", "handshake_listen: 2m", "6:19: handshake_listen: must lie between"),
        ("handshake_s", "handshake_speaks: no", "7:19: handshake_speaks: must be true or false"),
        ("version_i", "version_intensity: 10", "10:20: version_intensity: must be at most 9"),
        (
            "scripts",
            "scripts: [ssl-enum-ciphers]",
            "11:11: scripts[0]: is a script that portproof does not",
        ),
        ("scripts", "scripts: [ssl_cert]", "did you mean 'ssl-cert'? (got 'ssl_cert')"),
        ("scripts", "scripts: ['ssl-cert,vuln']", "11:11: scripts[0]: is not the name of a script"),
        ("limits", "limits: {rate: 10, rate_per_host: 50, concurrency: 1}", "must not exceed rate"),
        ("limits", "limits: {rate: 10}", "13:1: limits.concurrency: is missing"),
        ("limits", "fragile_ports: top:10", "13:16: fragile_ports: must name ports one by one"),
        ("limits", "fragile_ports: U:47808", "13:16: fragile_ports: must be port numbers alone"),
        ("limits", "snmp_public: 1", "13:14: snmp_public: must be true or false"),
        ("limits", "canary_waits: [20]", "13:16: canary_waits[0]: needs a unit"),
        ("limits", "canary_waits: [500ms]", "13:16: canary_waits[0]: must lie between"),
        ("limits", "gentle_pace: 0", "13:14: gentle_pace: must be at least 0.1"),
        ("limits", "second_looks: -1", "13:15: second_looks: must be at least 0"),
        ("limits", "watch_looks: 61", "13:14: watch_looks: must be at most 60"),
        ("limits", "sample: 1.5", "13:9: sample: must be a whole number"),
        ("limits", "attempts: 0", "13:11: attempts: must be at least 1"),
    ],
)
def test_mistakes_in_a_profile_have_its_own_lines_and_columns(
    start: str, line: str, mistake: str, with_line: Edit, mistakes: Mistakes, tmp_path: Path
) -> None:
    lines = [line if old.startswith(start) else old for old in OWN.splitlines()]
    (tmp_path / "own.yml").write_text("\n".join(lines))
    found = mistakes(with_line("profile", "profile: own.yml"))
    assert any(f"{tmp_path / 'own.yml'}:" in str(each) and mistake in str(each) for each in found)


def test_mistakes_of_a_profile_and_of_the_engagement_come_at_once(
    with_line: Edit, mistakes: Mistakes, tmp_path: Path
) -> None:
    (tmp_path / "own.yml").write_text(OWN.replace("attempts", "x").replace("own", "a b"))
    found = mistakes(with_line("profile", "profile: own.yml", "client: again"))
    assert {Path(each.file).name for each in found} == {"engagement.yml", "own.yml"}


@pytest.mark.parametrize(
    ("name", "mistake"),
    [
        ("balancd", "did you mean 'balanced'?"),
        ("zzz", "known here: balanced, careful, fast"),
        ("other.yml", "there is no file"),
        ("../profiles", "is neither a profile nor the name of a YAML file"),
        ("balanced/../fast", "is neither a profile nor the name of a YAML file"),
        ("3", "must be text; put it in quotes"),
    ],
)
def test_an_unknown_profile_is_a_mistake_that_lists_the_known_ones(
    name: str, mistake: str, with_line: Edit, mistakes: Mistakes
) -> None:
    found = mistakes(with_line("profile", f"profile: {name}"))
    assert [(each.line, each.column, each.field) for each in found] == [(14, 10, "profile")]
    assert mistake in found[0].what
