"""What can be put on a command line, and what cannot."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.addresses import AddressSet
from pipeline.process import OPTIONS, Command
from pipeline.scope import Scope, Targets

SCOPE = Scope(included=AddressSet.parse(["10.80.0.0/16"]))
ASKS = Command(
    program="/usr/bin/nmap",
    options=(("-n", None), ("-p", "80,443"), ("-iL", "targets.txt"), ("-oX", "out.xml")),
    targets=SCOPE.admit_all(AddressSet.parse(["10.80.3.1"])),
    deadline=10.0,
)
ALL_OPTIONS = [
    (program, flag, pattern)
    for program, table in OPTIONS.items()
    for flag, pattern in table.items()
]


@st.composite
def permitted_options(draw: st.DrawFn) -> tuple[str, tuple[str, str | None]]:
    program, flag, pattern = draw(st.sampled_from(ALL_OPTIONS))
    if pattern is None:
        return program, (flag, None)
    value = draw(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True))
    return program, (flag, value)


@given(permitted_options())
def test_no_element_of_a_command_line_stands_where_a_target_would(
    option: tuple[str, tuple[str, str | None]],
) -> None:
    program, pair = option
    command = replace(ASKS, program=f"/usr/bin/{program}", options=(pair,))
    (element,) = command.argv[1:]
    assert re.match(r"--?[A-Za-z0-9]", element)
    assert not re.search(r"\s", element)


@given(st.sampled_from(ALL_OPTIONS), st.text(max_size=30))
def test_a_value_is_either_in_the_table_or_refused(
    option: tuple[str, str, str | None], value: str
) -> None:
    program, flag, pattern = option
    if pattern is not None and re.fullmatch(pattern, value, re.ASCII):
        return
    with pytest.raises(ValueError, match=re.escape(flag)):
        replace(ASKS, program=f"/usr/bin/{program}", options=((flag, value),))


def test_an_option_is_one_element_whatever_its_form() -> None:
    assert ASKS.argv == ("/usr/bin/nmap", "-n", "-p80,443", "-iL=targets.txt", "-oX=out.xml")


@pytest.mark.parametrize(
    ("program", "flag", "value"),
    [
        ("nmap", "10.80.3.1", None),
        ("nmap", "example.org", None),
        ("nmap", "-", None),
        ("nmap", "--", None),
        ("nmap", "-n 10.80.3.1", None),
        ("nmap", "-iR", "10"),
        ("nmap", "-iL", "/etc/hosts"),
        ("nmap", "-iL", "-"),
        ("nmap", "--resume", "out.xml"),
        ("nmap", "--script", "broadcast-ping"),
        ("nmap", "--script", "external"),
        ("nmap", "--script", "/tmp/mine.nse"),
        ("nmap", "--script-args", "newtargets"),
        ("nmap", "-oX", "/etc/cron.d/x"),
        ("nmap", "-oX", "../out.xml"),
        ("nmap", "-p", "80 10.80.3.1"),
        ("nmap", "-p", "80\n"),
        ("nmap", "-p", "\uff18\uff10"),
        ("nmap", "-p", None),
        ("nmap", "-n", ""),
        ("masscan", "--range", "10.80.3.1"),
        ("masscan", "--includefile", "others.txt"),
        ("masscan", "-c", "paused.conf"),
        ("masscan", "--resume", "paused.conf"),
        ("masscan", "--output-filename", "sub/out.json"),
        ("masscan", "--rate", "-1"),
    ],
)
def test_what_could_name_a_target_or_leave_the_folder_is_refused(
    program: str, flag: str, value: str | None
) -> None:
    with pytest.raises(ValueError, match=program):
        replace(ASKS, program=f"/usr/bin/{program}", options=((flag, value),))


@pytest.mark.parametrize("program", ["nmap", "./nmap", "/usr/bin/curl", "/bin/sh", ""])
def test_only_known_tools_with_their_full_path_are_started(program: str) -> None:
    with pytest.raises(ValueError, match="known tool"):
        replace(ASKS, program=program)


def test_a_command_without_targets_or_without_time_is_refused() -> None:
    with pytest.raises(ValueError, match="asks nothing"):
        replace(ASKS, targets=SCOPE.admit_all(AddressSet()))
    for deadline in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="leaves no time"):
            replace(ASKS, deadline=deadline)


def test_a_command_about_what_is_on_record_only_cannot_be_made() -> None:
    record = Scope(included=SCOPE.included, record_only=True)
    with pytest.raises(ValueError, match="on record only"):
        replace(ASKS, targets=record.recall(ASKS.targets.addresses))


def test_targets_that_no_scope_admitted_cannot_be_made() -> None:
    with pytest.raises(TypeError):
        Targets(AddressSet.parse(["10.80.3.1"]), key=object())
