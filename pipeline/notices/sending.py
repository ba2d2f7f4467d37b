"""The only place from which notices leave: mail by SMTP, everything else by Apprise.

It never reaches a target: where it connects to is what the engagement names under ``notices``.
What went wrong is told by kind and number. Nothing of a server's answer, of a secret or of an
address with a secret in it is repeated.
"""

from __future__ import annotations

import logging
import smtplib
import ssl
import warnings
from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING, Final

from pipeline.errors import Error
from pipeline.notices.settings import MailServer, Security
from pipeline.secret import Secret

if TYPE_CHECKING:
    from apprise import NotifyBase

TIMEOUT: Final = 10.0
"""Seconds that one step of a delivery may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What became of one notice on one channel; ``problem`` is empty when it was taken."""

    channel: str
    problem: str = ""
    hopeless: bool = False
    """To try again would be of no use."""


def send_mail(server: MailServer, message: EmailMessage) -> Delivered:
    """Hand a message in. Never raises for what the other side does."""
    channel = f"mail to {len(server.to)}"
    try:
        password = server.password.read() if server.password else ""
    except Error as error:
        return Delivered(channel=channel, problem=error.what, hopeless=True)
    try:
        with _connected(server) as connection:
            if server.user:
                connection.login(server.user, password)
            refused = connection.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        return _refused(channel, codes[0] if codes else 0)
    except smtplib.SMTPResponseException as error:
        return _refused(channel, error.smtp_code)
    except smtplib.SMTPNotSupportedError:
        what = "the server offers no STARTTLS, or no login"
        return Delivered(channel=channel, problem=what, hopeless=True)
    except ssl.SSLCertVerificationError:
        what = "the certificate of the server is not to be trusted"
        return Delivered(channel=channel, problem=what, hopeless=True)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        return Delivered(channel=channel, problem=f"no connection: {type(error).__name__}")
    if refused:
        return Delivered(channel=channel, problem=f"{len(refused)} recipients were refused")
    return Delivered(channel=channel)


def _connected(server: MailServer) -> smtplib.SMTP:
    if server.security is Security.TLS:
        trust = ssl.create_default_context()
        return smtplib.SMTP_SSL(server.server, server.port, timeout=TIMEOUT, context=trust)
    connection = smtplib.SMTP(server.server, server.port, timeout=TIMEOUT)
    if server.security is Security.STARTTLS:
        try:
            connection.starttls(context=ssl.create_default_context())
        except BaseException:
            connection.close()
            raise
    return connection


def _refused(channel: str, code: int) -> Delivered:
    what = f"refused with {code}" if code else "refused"
    return Delivered(channel=channel, problem=what, hopeless=500 <= code < 600)


def push(secret: Secret, allowed: tuple[str, ...], *, title: str, body: str) -> Delivered:
    """Hand a text to the service that an address of Apprise names. Never raises for it."""
    try:
        address = secret.read()
    except Error as error:
        return Delivered(channel=f"service ({secret})", problem=error.what, hopeless=True)
    scheme = address.partition("://")[0].lower()
    if scheme not in allowed:
        what = "its scheme is not among notices.schemes"
        return Delivered(channel=f"service ({secret})", problem=what, hopeless=True)
    channel = f"{scheme} ({secret})"
    service = _service(address)
    if isinstance(service, str):
        return Delivered(channel=channel, problem=service, hopeless=True)
    try:
        taken = bool(service.notify(body=body, title=title))
    except Exception as error:  # a plugin of somebody else, whose message may hold the address
        return Delivered(channel=channel, problem=f"failed: {type(error).__name__}")
    return Delivered(channel=channel, problem="" if taken else "not taken")


def _service(address: str) -> NotifyBase | str:
    """What Apprise makes of an address, or why it makes nothing of it."""
    # It logs addresses, and they are secrets.
    logging.getLogger("apprise").disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its plugins import what is deprecated
            from apprise import Apprise

            service = Apprise.instantiate(address, suppress_exceptions=True)
    except ImportError:
        return "Apprise is not installed: pip install 'portproof[notices]'"
    if service is None or isinstance(service, dict):
        return "Apprise cannot read the address"
    service.socket_connect_timeout = service.socket_read_timeout = TIMEOUT
    return service
