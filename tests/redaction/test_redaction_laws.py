"""What holds for every text: twice is once, it ends in time, and equal texts stay equal."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.redact import Redactor
from pipeline.redaction_rules import RULES
from tests.redaction.samples import NEGATIVE, POSITIVE, Sample

REDACTOR = Redactor.of(["Jane Doe", "EMP-######", "*.corp.example.com", "redacted"])
PIECES = st.sampled_from(
    [
        *(sample.text for sample in (*POSITIVE, *NEGATIVE)),
        *(sample.secret for sample in POSITIVE),
        *(rule.example for rule in RULES),
        *("[redacted:email]", "[redacted:", "\r\n", " ", "=", ":", '"', "\\x0A", "@", "Jane Doe"),
        *("password", "Cookie: ", "authorization: ", "://", "x", "0", "EMP-123456", "a.corp."),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=8), max_size=8).map("".join)

HOSTILE = (
    *("a", "a@", "@a.", "a@a.", "eyJ", "eyJaaaaaaaa.", "://a", "://a:a@", "mysql://", "%40"),
    *("password=", "password: ", 'password"   ', "token", "Cookie: a", "Set-Cookie: a=", "Cookie:"),
    *("AKIA", "ghp_", "xoxb-", "sk-", "SG.aaaaaaaaaaaaaaaa.", "12345678:AA", "aA0_-", "\\x40"),
    *("-----BEGIN PRIVATE KEY-----", "-----BEGIN CERTIFICATE-----", "session=", "sid=", "basic "),
    *("$6$", "bearer ", " ", "\n", ".corp.example.com", "hooks.slack.com/services/", "sig="),
    *("authorization: ", "-", "[redacted:", "EMP-", "access-key_id"),
)


@given(TEXTS)
def test_to_redact_twice_is_to_redact_once(text: str) -> None:
    once = REDACTOR.text(text)
    assert REDACTOR.text(once) == once


WHOLE = tuple(sample for sample in POSITIVE if "cut off" not in sample.text)


@given(st.sampled_from(WHOLE), st.text(alphabet=" \t\r\n,;)<>", min_size=1, max_size=3))
def test_a_secret_is_found_between_others(sample: Sample, between: str) -> None:
    text = between.join(("220 ready", sample.text, "joe@example.com"))
    assert sample.secret not in REDACTOR.text(text)


@given(TEXTS)
def test_a_line_of_json_stays_one_and_says_the_same_without_secrets(text: str) -> None:
    line = json.dumps({"port": 22, "data": {"banner": text}}) + "\n"
    assert json.loads(REDACTOR.json_line(line)) == {
        "port": 22,
        "data": {"banner": REDACTOR.text(text)},
    }


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_time_does_not_grow_faster_than_the_text(piece: str) -> None:
    text = piece * (60_000 // len(piece))
    began = time.process_time()
    REDACTOR.text(text)
    # A pattern that tries again from every place takes a minute for this.
    assert time.process_time() - began < 3


def test_a_megabyte_of_hostile_text_is_done_in_seconds() -> None:
    share = 1_000_000 // len(HOSTILE)
    text = "".join((piece * (share // len(piece) + 1))[:share] for piece in HOSTILE)
    began = time.process_time()
    REDACTOR.text(text)
    assert time.process_time() - began < 20
