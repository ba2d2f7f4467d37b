"""What a recorded command line of nmap tells beside its targets."""

from __future__ import annotations

import pytest

from pipeline.importing.arguments import asks_versions


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("nmap -sS -sV -p 22 192.0.2.1", True),
        ("nmap -A 192.0.2.1", True),
        ("nmap -sSV 192.0.2.1", True),
        ("/usr/bin/nmap -sT --version-intensity 3 192.0.2.1", False),
        ("nmap -sS -oX -sVeryOdd.xml 192.0.2.1", False),
        ("nmap -sS --script -sV 192.0.2.1", False),
        ("-sV", False),
        ("nmap 'unclosed -sV", False),
        ("", False),
    ],
)
def test_it_says_whether_versions_were_asked_for(line: str, asked: bool) -> None:
    assert asks_versions(line) is asked
