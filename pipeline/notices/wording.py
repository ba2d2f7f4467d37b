"""Notices as texts: templates, and the invitation to the window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final

from pipeline.errors import Error
from pipeline.notices.settings import MailServer, NoticeKind
from pipeline.render.text import visible
from pipeline.resources import folder

_SUBJECT: Final = 200
_BODY: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice that can be sent; from ``begins`` to ``ends``, in epoch seconds, it invites."""

    kind: NoticeKind
    run: str
    title: str
    body: str
    now: float
    begins: float | None = None
    ends: float | None = None


def written(kind: NoticeKind, facts: Mapping[str, Any], own: Path | None) -> tuple[str, str]:
    """Title and body by the template of a kind: one of the user's ``own``, or portproof's.

    The first line is the title. Facts are made visible; a template can reach nothing but them.
    Raises :class:`Error` when a template of the user's own is wrong.
    """
    from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    places = [*([own] if own else []), folder("templates") / "notices"]
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(places),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    try:
        text = environment.get_template(f"{kind}.txt.j2").render(_shown(dict(facts)))
    except (TemplateError, TypeError, ValueError, OSError, OverflowError) as problem:
        raise Error(
            f"the template of the notice cannot be used: {visible(str(problem), 200)}",
            where=f"{kind}.txt.j2",
            hint="compare it with the one of portproof, in templates/notices",
        ) from None
    title, _, body = text.strip().partition("\n")
    return visible(title.strip(), _SUBJECT), visible(body.strip(), _BODY, newlines=True) + "\n"


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value, 2000)
    if isinstance(value, Mapping):
        return {key: _shown(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(each) for each in value]
    return value


def as_mail(notice: Notice, server: MailServer) -> EmailMessage:
    """A message; the library refuses a header that ends a line."""
    message = EmailMessage()
    message["Subject"] = notice.title
    message["From"] = server.sender
    message["To"] = ", ".join(server.to)
    message["Date"] = format_datetime(datetime.fromtimestamp(int(notice.now), UTC))
    domain = server.sender.rpartition("@")[2]
    message["Message-ID"] = f"<{notice.run}.{notice.kind}.{int(notice.now)}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(notice.body)
    if notice.begins is not None and notice.ends is not None:
        message.add_attachment(
            invitation(notice, server),
            maintype="text",
            subtype="calendar",
            filename="scan.ics",
            params={"method": "REQUEST"},
        )
    return message


def invitation(notice: Notice, server: MailServer) -> bytes:
    """The time of the scan as an invitation (RFC 5545, RFC 5546); it blocks nobody's calendar."""
    from icalendar import Calendar, Event, vCalAddress

    assert notice.begins is not None
    assert notice.ends is not None
    event = Event()
    event.add("uid", f"{notice.run}@portproof")
    event.add("dtstamp", datetime.fromtimestamp(int(notice.now), UTC))
    event.add("dtstart", datetime.fromtimestamp(int(notice.begins), UTC))
    event.add("dtend", datetime.fromtimestamp(int(notice.ends), UTC))
    event.add("summary", notice.title)
    event.add("description", notice.body)
    event.add("transp", "TRANSPARENT")
    event.add("organizer", vCalAddress(f"mailto:{server.sender}"))
    for address in server.to:
        event.add("attendee", vCalAddress(f"mailto:{address}"))
    calendar = Calendar()
    calendar.add("prodid", "-//portproof//notices//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "REQUEST")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
