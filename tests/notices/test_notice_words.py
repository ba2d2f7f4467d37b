"""What is sent cannot be turned into something else, and nobody waits for ever."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.notices import post
from pipeline.notices.post import Post
from pipeline.notices.sending import send_mail
from pipeline.notices.settings import MailServer, NoticeKind, NoticeSettings, Security
from pipeline.notices.wording import Notice, as_mail, written
from pipeline.secret import Secret
from tests.cli.ground import a_free_port
from tests.notices.conftest import LOOPBACK

FACTS: dict[str, Any] = {
    "client": "Example Ltd",
    "engagement": "weekly",
    "run": "20261122T190000Z-3f9a",
    "text": "the window has closed",
}


def server(**changes: Any) -> MailServer:
    facts: dict[str, Any] = {
        "server": LOOPBACK,
        "port": a_free_port(LOOPBACK),
        "security": Security.NONE,
        "sender": "scans@example.com",
        "to": ("soc@example.com",),
    }
    return MailServer(**(facts | changes))


def notice(title: str = "x", body: str = "y\n") -> Notice:
    return Notice(kind=NoticeKind.PAUSED, run="r", title=title, body=body, now=1.0)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_no_name_adds_a_header_to_a_message(client: str, text: str) -> None:
    title, body = written(NoticeKind.PAUSED, FACTS | {"client": client, "text": text}, None)
    message = as_mail(notice(title, body), server(port=25))
    assert message.as_bytes()
    assert set(message.keys()) == {
        *("Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted"),
        *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
    }


def test_a_hostile_name_is_shown_and_stays_on_its_line() -> None:
    facts = FACTS | {"client": "a\r\nBcc: x@example.org\x1b[2J"}
    title, body = written(NoticeKind.PAUSED, facts, None)
    assert title == "Port scan of a\\r\\nBcc: x@example.org\\x1b[2J: paused"
    assert body == "weekly, run 20261122T190000Z-3f9a: the window has closed.\n"


def test_a_server_that_is_not_there_is_told_by_kind() -> None:
    found = send_mail(server(), as_mail(notice(), server()))
    assert found.problem == "no connection: ConnectionRefusedError"
    assert not found.hopeless


def test_a_secret_that_is_missing_is_told_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    settings_ = NoticeSettings(services=(Secret(env="NOWHERE"),))
    (found,) = Post(settings_).send_now(notice())
    assert (found.channel, found.problem) == (
        "service (env NOWHERE)",
        "the variable NOWHERE is not set",
    )


def test_what_fails_in_passing_is_tried_three_times() -> None:
    pauses: list[float] = []
    (found,) = Post(NoticeSettings(mail=server()), sleep=pauses.append).send_now(notice())
    assert found.problem
    assert pauses == list(post.PAUSES)


def test_who_sends_a_notice_does_not_wait_for_it() -> None:
    held = threading.Event()

    def sleep(_: float) -> None:
        held.wait(5)

    office = Post(NoticeSettings(mail=server()), sleep=sleep)
    for _ in range(60):
        office.send(notice())
    assert any("are waiting" in delivered.problem for _, delivered in office.heard())
    held.set()
    assert len(office.close()) >= 50
