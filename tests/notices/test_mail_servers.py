"""Mail is handed in over TLS only to whom the certificate names, and a password is told nobody."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from pipeline.notices.sending import Delivered, send_mail
from pipeline.notices.settings import MailServer, NoticeKind, Security
from pipeline.notices.wording import Notice, as_mail
from pipeline.secret import Secret
from tests.cli.ground import a_free_port
from tests.notices.conftest import LOOPBACK, Mailbox

PASSWORD, WRONG = "c0rrect-h0rse", "wr0ng-h0rse"
ENCRYPTED = pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two keys with certificates: of this server, and of another one."""
    folder = tmp_path_factory.mktemp("certificates")
    for name, who in (("mine", f"IP:{LOOPBACK}"), ("other", "DNS:mail.example")):
        subprocess.run(
            (
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
                *("ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=mail"),
                *("-keyout", f"{name}.key", "-out", f"{name}.pem"),
                *("-addext", f"subjectAltName={who}"),
            ),
            cwd=folder,
            check=True,
            capture_output=True,
        )
    return folder


def login(_server: object, _session: object, _envelope: object, _how: str, told: Any) -> AuthResult:
    assert isinstance(told, LoginPassword)
    right = told.login == b"portproof" and told.password == PASSWORD.encode()
    return AuthResult(success=right, handled=False, message=None if right else f"535 no: {WRONG}")


@contextmanager
def mail_server(
    security: Security, certificates: Path, name: str = "mine"
) -> Iterator[tuple[Mailbox, MailServer]]:
    """A server that takes mail of who logs in, encrypted, and how it is named in an engagement."""
    box = Mailbox(port=a_free_port(LOOPBACK))
    trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trust.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    how: dict[str, Any] = {"authenticator": login}
    match security:
        case Security.TLS:
            how |= {"ssl_context": trust, "auth_require_tls": False}
        case Security.STARTTLS:
            how |= {"tls_context": trust, "require_starttls": True, "auth_required": True}
        case Security.NONE:
            pass
    controller = Controller(box, hostname=LOOPBACK, port=box.port, **how)
    controller.start()
    server = MailServer(
        server=LOOPBACK,
        port=box.port,
        security=security,
        sender="scans@example.com",
        to=("soc@example.com",),
        user="portproof",
        password=Secret(env="SMTP_PASSWORD"),
    )
    try:
        yield box, server
    finally:
        controller.stop()


def send(server: MailServer) -> Delivered:
    notice = Notice(kind=NoticeKind.PAUSED, run="r", title="paused", body="y\n", now=1.0)
    return send_mail(server, as_mail(notice, server))


@pytest.fixture(autouse=True)
def trusting(certificates: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both certificates are trusted here, and the right password is at hand."""
    both = certificates / "both.pem"
    both.write_text("".join((certificates / f"{n}.pem").read_text() for n in ("mine", "other")))
    monkeypatch.setenv("SSL_CERT_FILE", str(both))
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)


@ENCRYPTED
def test_mail_is_taken_after_a_login_over_an_encrypted_connection(
    security: Security, certificates: Path
) -> None:
    with mail_server(security, certificates) as (box, server):
        assert send(server) == Delivered(channel="mail to 1")
    assert box.subjects() == ["paused"]


@ENCRYPTED
def test_a_wrong_password_is_told_and_not_repeated(
    security: Security, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", WRONG)
    with mail_server(security, certificates) as (box, server):
        told = send(server)
    assert told.problem == "refused with 535"
    assert told.hopeless
    assert WRONG not in str(told)
    assert box.messages == []


@ENCRYPTED
def test_a_certificate_of_another_server_or_of_nobody_known_is_refused(
    security: Security, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server(security, certificates, "other") as (box, server):
        other = send(server)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "other.pem"))
    with mail_server(security, certificates) as (unknown, server):
        unknown_told = send(server)
    for told in (other, unknown_told):
        assert told.problem == "the certificate of the server is not to be trusted"
        assert told.hopeless
    assert box.messages == unknown.messages == []


def test_a_server_that_offers_no_encryption_gets_neither_mail_nor_password(
    certificates: Path,
) -> None:
    with mail_server(Security.NONE, certificates) as (box, server):
        told = send(replace(server, security=Security.STARTTLS))
        assert told.problem == "the server offers no STARTTLS, or no login"
        assert told.hopeless
    assert box.messages == []
