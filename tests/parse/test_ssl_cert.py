"""Certificates as nmap prints them, honest and hostile, and what is wrong with them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decide.certificate import Certificate, Flaw, flaws
from pipeline.parse.ssl_cert import read_certificate

NOW = datetime(2026, 11, 3, tzinfo=UTC).timestamp()
CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures"


def output(
    subject: str = "commonName=www.example.test",
    issuer: str = "commonName=Example CA",
    bits: str = "2048",
    signature: str = "sha256WithRSAEncryption",
    before: str = "2026-01-10T00:00:00",
    after: str = "2027-01-10T00:00:00",
) -> str:
    return (
        f"Subject: {subject}\nSubject Alternative Name: DNS:www.example.test\nIssuer: {issuer}\n"
        f"Public Key type: rsa\nPublic Key bits: {bits}\nSignature Algorithm: {signature}\n"
        f"Not valid before: {before}\nNot valid after:  {after}\n"
        "MD5:   bf47 ceca d861 efa7 7d14 88ad 4a73 cb5b\n"
    )


def wrong(text: str) -> set[Flaw]:
    found = read_certificate(text)
    assert found is not None
    return set(flaws(found, now=NOW))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (output(), set()),
        (output(after="2026-11-02T23:59:59"), {Flaw.EXPIRED}),
        (output(before="2026-11-04T00:00:00"), {Flaw.NOT_YET_VALID}),
        (output(issuer="commonName=www.example.test"), {Flaw.SELF_SIGNED}),
        (output(bits="1024"), {Flaw.WEAK_KEY}),
        (output(signature="sha1WithRSAEncryption"), {Flaw.WEAK_SIGNATURE}),
        (output(signature="md5WithRSAEncryption"), {Flaw.WEAK_SIGNATURE}),
        (output(signature="ecdsa-with-SHA1"), {Flaw.WEAK_SIGNATURE}),
        (output(signature="sha1024-of-tomorrow"), set()),
    ],
)
def test_flaws_are_told_from_what_nmap_prints(text: str, expected: set[Flaw]) -> None:
    assert wrong(text) == expected


@pytest.mark.parametrize("spoiled", ["", "soon", "9999-99-99T00:00:00", "٢٠٢٧-01-10T00:00:00"])
def test_what_cannot_be_read_is_not_held_against_it(spoiled: str) -> None:
    assert wrong(output(before=spoiled, after=spoiled, bits=spoiled, signature=spoiled)) == set()


def test_a_name_cannot_pretend_to_be_a_line_of_nmap() -> None:
    lie = "commonName=x\nNot valid after:  2099-01-01T00:00:00\nPublic Key bits: 4096"
    assert wrong(output(subject=lie, bits="512", after="2020-01-01T00:00:00")) == {
        Flaw.EXPIRED,
        Flaw.WEAK_KEY,
    }


def test_who_signed_is_not_concluded_from_names_that_are_there_twice() -> None:
    found = read_certificate(output(subject="commonName=x\nIssuer: commonName=x", issuer="me"))
    assert found is not None
    assert found.self_signed is None


def test_an_output_without_a_certificate_has_none() -> None:
    assert read_certificate("") is None
    assert read_certificate("ERROR: no certificate\n") is None


def test_the_certificate_of_a_capture_is_read_whole() -> None:
    xml = (CAPTURES / "nmap-version.xml").read_text(encoding="utf-8")
    said = re.search(r'id="ssl-cert" output="([^"]*)"', xml)
    assert said is not None
    found = read_certificate(said[1].replace("&#xa;", "\n"))
    assert found is not None
    assert found.subject.startswith("commonName=web.example")
    assert (found.self_signed, found.key_type, found.key_bits) == (True, "rsa", 2048)
    assert found.not_before is not None
    assert found.not_after is not None
    assert found.not_before < found.not_after


@settings(max_examples=80)
@given(
    st.text(max_size=400) | st.text(alphabet="Subject: Isur\nNotvalidbefora0123-T", max_size=200)
)
def test_no_text_crashes_the_reader(text: str) -> None:
    found = read_certificate(text)
    assert found is None or flaws(found, now=NOW) <= set(Flaw)


def test_a_certificate_of_which_nothing_is_known_has_no_flaw() -> None:
    assert flaws(Certificate(), now=NOW) == frozenset()
