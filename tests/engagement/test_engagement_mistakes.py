"""Every mistake in an engagement is reported, all at once, each at its line and column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.engagement import Engagement, load
from pipeline.errors import EngagementError, ExitCode, Mistake, UsageError

Mistakes = Callable[[str | bytes], list[Mistake]]
Engage = Callable[[str | bytes], Engagement]


def _brief(found: list[Mistake]) -> list[str]:
    return [
        f"{mistake.line}:{mistake.column}: {mistake.field}: {mistake.what}" for mistake in found
    ]


@pytest.mark.parametrize(
    ("start", "line", "mistake"),
    [
        ("client", "client: 3", "1:9: client: must be text; put it in quotes (got 3)"),
        ("client", "client: [x]", "1:9: client: must be text (got a list)"),
        ("client", "client: ' '", "1:9: client: must not be empty (got ' ')"),
        ("client", r'client: "a\nb"', "1:9: client: must not contain the control character U+000A"),
        ("client", r'client: "a\u202eb"', "1:9: client: must not contain the control"),
        ("client", f"client: {'x' * 201}", "1:9: client: is longer than 200 characters (got 201)"),
        ("client", "", "2:1: client: is missing"),
        ("engagement", "engagment: x", "2:1: engagment: is not a key here; did you mean"),
        (
            "engagement",
            "colour: x",
            "2:1: colour: is not a key here; known here: act_on, assets, audit,",
        ),
        ("  reference", "  reference:", "4:13: authorisation.reference: has no value"),
        ("  reference", "", "3:1: authorisation.reference: is missing"),
        ("  valid_from", "  valid_from: 2026-02-30", "6:15: authorisation.valid_from: is no day"),
        ("  valid_from", "  valid_from: 20261101", "6:15: authorisation.valid_from: must be text"),
        ("  valid_from", "  valid_from: soon", "6:15: authorisation.valid_from: is neither a day"),
        (
            "  valid_from",
            "  valid_from: 2026-11-01T08:00",
            "6:15: authorisation.valid_from: has no ",
        ),
        (
            "  valid_from",
            "  valid_from: 9999-12-31",
            "6:15: authorisation.valid_from: lies too far",
        ),
        ("  valid_from", "  valid_from: ٢٠٢٦-11-01", "6:15: authorisation.valid_from: is neither"),
        (
            "  valid_until",
            "  valid_until: 2026-10-31",
            "7:16: authorisation.valid_until: ends before",
        ),
        (
            "  valid_until",
            "  timezone: Mars/Dome",
            "7:13: authorisation.timezone: is not a time zone",
        ),
        (
            "  valid_until",
            "  timezone: ../../etc/passwd",
            "7:13: authorisation.timezone: is not a t",
        ),
        ("ports", "ports: 0", "11:8: ports: port 0 does not exist"),
        ("ports", "ports: 65536", "11:8: ports: port 65536 does not exist"),
        ("ports", "ports: 80-", "11:8: ports: '80-' has no end; write 80-65535"),
        ("ports", "ports: 22:22", "11:8: ports: '22:22': only T (TCP), U (UDP) and top"),
        ("ports", "ports: NO", "11:8: ports: 'NO' is not a port"),
        ("ports", "ports: 100000", "11:8: ports: '100000' is not a port"),
        ("ports", "ports: 22.5", "11:8: ports: must be ports such as 22"),
        ("ports", "ports: true", "11:8: ports: must be ports such as 22"),
        ("ports", "ports: []", "11:8: ports: must not be empty"),
        ("ports", "ports: S:22", "11:8: ports: 'S:22': only T (TCP), U (UDP) and top"),
        ("ports", "ports: U:53-", "11:8: ports: '53-' has no end; write 53-65535"),
        ("ports", "ports: U:top:0", "11:8: ports: 'top:0': write top: and a number"),
        ("ports", "ports: '22,U:'", "11:8: ports: a port is missing"),
        ("ports", "ports: [22, U:0]", "11:13: ports[1]: port 0 does not exist"),
        ("ports", "ports: {}", "11:1: ports: must name tcp or udp ports"),
        ("ports", "ports: {udp: []}", "11:14: ports.udp: must not be empty"),
        ("ports", "ports: {udp: [53, 0]}", "11:19: ports.udp[1]: port 0 does not exist"),
        ("ports", "ports: {tcp: 22, udp: 53-}", "11:23: ports.udp: '53-' has no end"),
        ("ports", "ports: {tcp: U:53}", "11:14: ports.tcp: 'U:53': here only the port is written"),
        ("ports", "ports: {udp: {a: 1}}", "11:9: ports.udp: must be ports such as 22"),
        ("ports", "ports: {sctp: 22}", "11:9: ports.sctp: is not a key here; known here: tcp, udp"),
        (
            "ports",
            "ports: {udp: 53,123}",
            "11:17: ports: a key must be text; in braces a list needs",
        ),
        ("ports", "ports: [22, [80]]", "11:13: ports[1]: must be ports such as 22"),
        ("vantage", "vantage: office", "12:10: vantage: must be a mapping of keys to values (got "),
        ("vantage", "vantage: {name: a b}", "12:17: vantage.name: must be letters, digits, dots"),
        ("vantage", "vantage: {name: -x}", "12:17: vantage.name: must be letters, digits, dots"),
        ("vantage", "vantage: {interface: -oN}", "12:22: vantage.interface: is not the name"),
        ("vantage", "vantage: {interface: eth/0}", "12:22: vantage.interface: is not the name"),
        (
            "vantage",
            "vantage: {source_address: 10.1}",
            "12:27: vantage.source_address: must be text",
        ),
        (
            "vantage",
            "vantage: {source_address: 1.2.3}",
            "12:27: vantage.source_address: '1.2.3' is",
        ),
        (
            "vantage",
            "vantage: {source_address: 224.0.0.1}",
            "12:27: vantage.source_address: contai",
        ),
        ("limits", "limits: {rate: 0}", "13:16: limits.rate: must be at least 1 (got 0)"),
        ("limits", "limits: {rate: -5}", "13:16: limits.rate: must be at least 1 (got -5)"),
        (
            "limits",
            "limits: {rate: 10000001}",
            "13:16: limits.rate: must be at most 10000000 (got ",
        ),
        ("limits", "limits: {rate: 010}", "13:16: limits.rate: must be a whole number (got '010')"),
        ("limits", "limits: {rate: 1.5}", "13:16: limits.rate: must be a whole number (got 1.5)"),
        ("limits", "limits: {rate: '5'}", "13:16: limits.rate: must be a whole number (got '5')"),
        ("limits", "limits: {rate: true}", "13:16: limits.rate: must be a whole number (got true)"),
        ("limits", "limits: {concurrency: 65}", "13:23: limits.concurrency: must be at most 64"),
        ("limits", "limits: {rate: 9, rate_per_host: 10}", "13:34: limits.rate_per_host: must not"),
        (
            "limits",
            "limits: {rate_per_host: 1001}",
            "13:25: limits.rate_per_host: must not exceed ",
        ),
        ("rescan", "rescan: {delays: 30s}", "15:18: rescan.delays: must be a list"),
        ("rescan", "rescan: {delays: [30]}", "15:19: rescan.delays[0]: needs a unit; write 30s"),
        ("rescan", "rescan: {delays: [soon]}", "15:19: rescan.delays[0]: is not a duration"),
        ("rescan", "rescan: {delays: ['']}", "15:19: rescan.delays[0]: is not a duration"),
        ("rescan", "rescan: {delays: [0s]}", "15:19: rescan.delays[0]: must lie between 1s and"),
        ("rescan", "rescan: {delays: [8d]}", "15:19: rescan.delays[0]: must lie between 1s and"),
        (
            "rescan",
            f"rescan: {{delays: [{'1s, ' * 11}]}}",
            "15:18: rescan.delays: must have at most 10",
        ),
        ("rescan", "outputs: [html, pdff]", "15:17: outputs[1]: is no output"),
        ("rescan", "canaries: [192.0.2.1]", "15:12: canaries[0]: '192.0.2.1' has no port"),
        (
            "rescan",
            "canaries: ['192.0.2.1:53/udp']",
            "15:12: canaries[0]: is of UDP, of which no ports are asked",
        ),
        ("rescan", "canaries: ['192.0.2.1:53/sctp']", "15:12: canaries[0]: ends in neither /tcp"),
        ("rescan", "canaries: ['192.0.2.1:0']", "15:12: canaries[0]: port 0 does not exist"),
        ("rescan", "canaries: ['2001:db8::1:80']", "15:12: canaries[0]: '2001:db8::1:80': put"),
        ("rescan", "canaries: ['192.0.2.9:80']", "15:12: canaries[0]: is excluded by the scope"),
        ("rescan", "canaries: ['10.0.0.1:80']", "15:12: canaries[0]: lies outside the scope"),
        ("rescan", f"canaries: ['{'1' * 5000}:80']", "15:12: canaries[0]: is too long for"),
    ],
)
def test_a_mistake_is_reported_with_its_place_and_what_to_do(
    start: str, line: str, mistake: str, with_line: Callable[..., str], mistakes: Mistakes
) -> None:
    found = _brief(mistakes(with_line(start, line)))
    assert any(text.startswith(mistake) for text in found), found


@pytest.mark.parametrize(
    "line",
    [
        "ports: 22",
        "ports: -100",
        "ports: 22,80,8000-8100",
        "ports: [22, 80-90, top:10]",
        "ports: all",
        "ports: '22'",
        "ports: T:22,80,U:53,161",
        "ports: [22, U:53]",
        "ports: {tcp: 22}",
        "ports: {tcp: top:1000, udp: [53, 123, 161]}",
    ],
)
def test_ports_may_be_a_number_a_text_a_list_of_them_or_all_this_by_protocol(
    line: str, with_line: Callable[..., str], engage: Engage
) -> None:
    assert engage(with_line("ports", line)).ports


def test_all_mistakes_come_at_once_in_the_order_of_the_file(mistakes: Mistakes) -> None:
    found = mistakes(
        """\
client: 3
engagment: x
authorisation:
  reference: EX-2026-17
  valid_from: 2026-13-01
  valid_until: 2027-10-31
scope:
  include: [10.0.0.300, "-oN/etc/passwd", 192.0.2.0/24]
  exclude:
ports: [0, 65536, 80-]
limits: {rate: 0, concurrency: true, concurrency: 2}
profile: balancd
"""
    )
    assert _brief(found) == [
        "1:1: engagement: is missing",
        "1:9: client: must be text; put it in quotes (got 3)",
        "2:1: engagment: is not a key here; did you mean 'engagement'?",
        "3:1: authorisation.signatory: is missing",
        "5:15: authorisation.valid_from: is no day of the calendar (got '2026-13-01')",
        "8:13: scope.include[0]: '10.0.0.300' is not an IP address",
        "8:25: scope.include[1]: begins with a dash, like an option; no host does "
        "(got '-oN/etc/passwd')",
        "9:11: scope.exclude: has no value; give it one, or leave it out",
        "10:9: ports[0]: port 0 does not exist; ports go from 1 to 65535 (got 0)",
        "10:12: ports[1]: port 65536 does not exist; ports go from 1 to 65535 (got 65536)",
        "10:19: ports[2]: '80-' has no end; write 80-65535 to go up to the last",
        "11:16: limits.rate: must be at least 1 (got 0)",
        "11:32: limits.concurrency: must be a whole number (got true)",
        "11:38: limits.concurrency: is here twice; the first is in line 11, column 19",
        "12:10: profile: is neither a profile nor the name of a YAML file beside the engagement "
        "(got 'balancd'); did you mean 'balanced'?",
    ]


def test_every_mistake_names_the_file_as_the_user_named_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("e.yml").write_text("client: x\n")
    with pytest.raises(EngagementError) as caught:
        load(Path("e.yml"))
    assert {mistake.file for mistake in caught.value.mistakes} == {"e.yml"}
    assert str(caught.value).startswith("e.yml:1:1: authorisation: is missing\n")
    assert caught.value.exit_code is ExitCode.FAILED


def test_a_broken_value_is_reported_once_and_not_again_as_missing(
    with_line: Callable[..., str], mistakes: Mistakes
) -> None:
    found = mistakes(with_line("client", "client: &x !!str Example"))
    assert [mistake.what for mistake in found] == ["an anchor is not allowed here (got 'x')"]


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[2J",
        "\u202ednuof",
        "a\rb",
        "'; rm -rf / #",
        "\u200b",
        "x" * 100_000,
        "{}%s{0}",
        "\U0001f600",
    ],
)
def test_a_hostile_value_is_printed_on_one_short_line(
    hostile: str, with_line: Callable[..., str], mistakes: Mistakes
) -> None:
    quoted = '"' + hostile.encode("unicode_escape").decode().replace('"', '\\"') + '"'
    for start, line in (
        ("profile", f"profile: {quoted}"),
        ("ports", f"ports: {quoted}"),
        ("engagement", f"{quoted}: x"),
        ("  include", f"  include: [192.0.2.1, {quoted}, {{file: {quoted}}}, {{{quoted}: x}}]"),
        ("rescan", f"canaries: [{quoted}]"),
        ("  reference", f"  valid_untill: {quoted}"),
        ("limits", f"limits: {{rate: {quoted}}}"),
    ):
        for mistake in mistakes(with_line(start, line)):
            assert str(mistake).isprintable()
            assert len(mistake.what) < 420
            assert len(mistake.field) < 80


@pytest.mark.parametrize(
    ("data", "mistake"),
    [
        (b"", "1:1: : must be a mapping of keys to values (got an empty file)"),
        (b"# nothing", "1:1: : must be a mapping of keys to values (got an empty file)"),
        (b"- a\n", "1:1: : must be a mapping of keys to values (got a list)"),
        (b"just text", "1:1: : must be a mapping of keys to values (got 'just text')"),
        (b"client: a\nx: \xff\xfe", "2:4: : the byte 0xff is not UTF-8"),
        ("client: a".encode("utf-16"), "1:1: : the byte 0xff is not UTF-8"),
        (b"\x7fELF\x01\x01", "1:1: : the character U+007F has no place in an engagement"),
        (b"\x00" * 100, "1:1: : the character U+0000 has no place in an engagement"),
        (b"client: " + b"x" * (1 << 20), "1:1: : is larger than 1 MiB"),
        (b"---\n---\nclient: b", "2:1: : a second document begins here"),
        (b"[" * 1000, "1:22: [0][0][0]: nested deeper than 20 levels"),
    ],
)
def test_a_file_that_is_no_engagement_at_all_is_said_to_be_none(
    data: bytes, mistake: str, mistakes: Mistakes
) -> None:
    assert _brief(mistakes(data))[0].startswith(mistake)


def test_a_byte_order_mark_and_windows_line_endings_do_no_harm(sound: str, engage: Engage) -> None:
    engagement = engage(b"\xef\xbb\xbf" + sound.replace("\n", "\r\n").encode())
    assert engagement.client == "Example Ltd"
    assert not engagement.text.startswith("\ufeff")


def test_columns_are_right_behind_a_byte_order_mark(mistakes: Mistakes, sound: str) -> None:
    text = "\ufeff" + sound.replace("Example Ltd", "3")
    assert _brief(mistakes(text)) == ["1:9: client: must be text; put it in quotes (got 3)"]


def test_keys_that_look_like_the_tags_of_the_models_are_unknown_keys(
    sound: str, mistakes: Mistakes
) -> None:
    found = mistakes(sound + "<text>: 1\n<host>: {<file>: 2}\n")
    assert [mistake.field for mistake in found] == ["<text>", "<host>"]


def test_a_missing_file_is_a_usage_error_that_names_init(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file") as caught:
        load(tmp_path / "engagement.yml")
    assert "portproof init" in caught.value.hint
    assert caught.value.exit_code is ExitCode.FAILED


def test_a_folder_is_no_engagement(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a regular file"):
        load(tmp_path)


def test_a_name_in_the_way_of_a_terminal_is_escaped(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[2J\nb.yml"
    with pytest.raises(UsageError) as caught:
        load(path)
    assert caught.value.what.isprintable()
    path.write_text("client: x\n")
    with pytest.raises(EngagementError) as found:
        load(path)
    assert all(str(mistake).isprintable() for mistake in found.value.mistakes)
