"""Notices arrive, a refused one blocks where it is required, and no secret is written anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from icalendar import Calendar

from tests.cli.ground import Said, Service, engage
from tests.notices.conftest import LOOPBACK, Mailbox, Webhook

Portproof = Callable[..., Said]
SECRET = "s3cr3t-0f-the-w3bh00k"

NOTICES = """\
notices:
  mail:
    server: 127.0.0.1
    port: {port}
    security: none
    sender: scans@example.com
    to: [soc@example.com, noc@example.com]
  {more}
"""


def told(folder: Path, service: Service, mailbox: Mailbox, more: str = "") -> Path:
    path = engage(folder, [service.address], [service.port])
    text = path.read_text() + NOTICES.format(port=mailbox.port, more=more)
    path.write_text(text.replace("Example Ltd", '"Bcc: x@example.org"'))
    return path


def test_notices_arrive_by_mail_and_at_a_webhook(
    portproof: Portproof,
    service: Service,
    tmp_path: Path,
    mailbox: Mailbox,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOOK", f"json://user:{SECRET}@{LOOPBACK}:{webhook.port}/{SECRET}")
    more = "services: [{env: HOOK}]\n  schemes: [json]\n  lead: 1s\n  required: true"
    said = portproof("run", told(tmp_path, service, mailbox, more))
    assert said.code == 1, said.err
    heads = [
        subject.removeprefix("Port scan of Bcc: x@example.org: ") for subject in mailbox.subjects()
    ]
    assert [head.split(" ")[0].strip(",") for head in heads] == ["announced", "begun", "finished"]
    assert len(webhook.bodies) == 3
    assert "Bcc" not in mailbox.messages[0]
    assert str(mailbox.messages[0]["To"]) == "soc@example.com, noc@example.com"
    assert "1 confirmed" in mailbox.texts()[2]

    (invitation,) = mailbox.messages[0].iter_attachments()
    assert invitation.get_content_type() == "text/calendar"
    event = Calendar.from_ical(invitation.get_content()).walk("VEVENT")[0]
    begins, ends = event.decoded("DTSTART"), event.decoded("DTEND")
    assert 0 < (ends - begins).total_seconds() <= 86400

    (run,) = (tmp_path / "runs").iterdir()
    record = (run / "audit.jsonl").read_text()
    assert record.count("was taken by mail to 2") == 3
    assert record.count("was taken by json (env HOOK)") == 3
    assert portproof("audit", "verify", "last", "--workspace", tmp_path).code == 0
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 5
    for path in written:
        assert SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in said.out + said.err


def test_a_refused_notice_blocks_where_it_is_required_and_nothing_is_sent(
    portproof: Portproof, service: Service, tmp_path: Path, mailbox: Mailbox
) -> None:
    mailbox.refuses = f"550 no, {SECRET}"
    path = told(tmp_path, service, mailbox, "required: true")
    said = portproof("run", path)
    assert said.code == 3
    assert "nothing is sent" in said.err
    (run,) = (tmp_path / "runs").iterdir()
    record = (run / "audit.jsonl").read_text()
    assert "task-started" not in record
    assert "not taken by mail to 2: refused with 550" in record
    assert SECRET not in record + said.err
    mailbox.refuses = ""
    assert portproof("resume", "--workspace", tmp_path).code == 1
    assert len(mailbox.messages) == 3
    assert [*(tmp_path / "runs").iterdir()] == [run]


def test_a_required_notice_is_sent_again_until_every_channel_has_taken_it(
    portproof: Portproof,
    service: Service,
    tmp_path: Path,
    mailbox: Mailbox,
    webhook: Webhook,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOOK", f"json://{LOOPBACK}:{webhook.port}/")
    mailbox.refuses = "550 no"
    more = "services: [{env: HOOK}]\n  schemes: [json]\n  required: true\n  on: [before]"
    assert portproof("run", told(tmp_path, service, mailbox, more)).code == 3
    assert len(webhook.bodies) == 1
    again = portproof("resume", "--workspace", tmp_path)
    assert again.code == 3, "one channel has still not taken it"
    mailbox.refuses = ""
    assert portproof("resume", "--workspace", tmp_path).code == 1
    assert [subject.split(": ")[-1][:9] for subject in mailbox.subjects()] == ["announced"]


def test_a_refused_notice_is_on_record_and_does_not_block_where_it_is_not_required(
    portproof: Portproof, service: Service, tmp_path: Path, mailbox: Mailbox
) -> None:
    mailbox.refuses = "550 no"
    said = portproof("run", told(tmp_path, service, mailbox, "on: [before, finished]"), "--quiet")
    assert said.code == 1
    assert "notice failed: before: not taken" in said.err
    (run,) = (tmp_path / "runs").iterdir()
    assert "before: not taken by mail" in (run / "report.json").read_text()


def test_an_own_template_is_used_and_cannot_reach_out_of_its_sandbox(
    portproof: Portproof, service: Service, tmp_path: Path, mailbox: Mailbox
) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "before.txt.j2").write_text("Scan of {{ client }}\n{{ run.__class__.__mro__ }}\n")
    (texts / "started.txt.j2").write_text("Own words\n{{ run }}\n")
    path = told(tmp_path, service, mailbox, "texts: texts\n  on: [before, started]")
    said = portproof("run", path)
    assert said.code == 1
    assert mailbox.subjects() == ["Own words"]
    assert "before: not taken by template" in said.err


def test_a_secret_in_the_engagement_is_a_mistake_that_is_not_repeated(
    portproof: Portproof, service: Service, tmp_path: Path, mailbox: Mailbox
) -> None:
    for wrong in (
        f"services: [{SECRET}]",
        f"services: [{{env: '{SECRET} '}}]",
        f"services: [{{url: {SECRET}}}]",
        f"webhook: {SECRET}",
    ):
        said = portproof("check", told(tmp_path, service, mailbox, wrong))
        assert said.code == 2
        assert "must be {env: NAME} or {file: PATH}" in said.err or "is not a key" in said.err
        assert SECRET not in said.err + said.out


def test_the_document_of_a_run_names_where_secrets_lie_and_no_more(
    portproof: Portproof, service: Service, tmp_path: Path, mailbox: Mailbox
) -> None:
    (tmp_path / "hook").write_text(f"exec://{SECRET}")
    path = told(tmp_path, service, mailbox, "services: [{file: hook}]\n  on: [finished]")
    said = portproof("run", path, "--format", "json")
    assert said.code == 1
    assert json.loads(said.out)
    (run,) = (tmp_path / "runs").iterdir()
    record = (run / "audit.jsonl").read_text()
    assert "service (file hook): its scheme is not among notices.schemes" in record
    assert SECRET not in record + said.err + said.out
