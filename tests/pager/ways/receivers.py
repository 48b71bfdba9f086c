"""Real receivers on loopback: a mail server and a webhook that keep what comes. For the tests of the ways."""

from __future__ import annotations

import email
import email.policy
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from atlas_ops.stage.processes import free_port
from tests.loopback import serving

PASSWORD = "correct-horse"


@dataclass
class Mailbox:
    """What a mail server took. `answer` is what it says to the next mails; others than 250 refuse them."""

    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    answer: str = "250 OK"
    offered: list[str] = field(default_factory=list)
    """Message-IDs, also of mails that were refused."""

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a mail."""
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.offered.append(str(mail["Message-ID"]))
        if self.answer.startswith("250"):
            self.mails.append(mail)
            self.recipients.append(list(envelope.rcpt_tos))
        return self.answer

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Refuse addresses that begin with `nobody`."""
        if address.startswith("nobody"):
            return f"550 no such user {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"


def _authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"pager", PASSWORD.encode())
    return AuthResult(success=good, handled=False)


@contextmanager
def mail_server(mailbox: Mailbox, *, port: int = 0, certificate: Path | None = None) -> Iterator[int]:
    """Serve a mailbox and return the port; with a certificate: STARTTLS and a login are required."""
    where = {"hostname": "127.0.0.1", "port": port or free_port()}
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        secure = {"require_starttls": True, "auth_required": True, "authenticator": _authenticate}
        controller = Controller(mailbox, **where, **secure, tls_context=context)  # type: ignore[arg-type]
    else:
        controller = Controller(mailbox, **where)  # type: ignore[arg-type]
    controller.start()
    try:
        yield int(controller.port)
    finally:
        controller.stop()


def certificate(folder: Path) -> Path:
    """Make a certificate for localhost, with its key in the same file."""
    file = folder / "server.pem"
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost"
    subprocess.run(
        ["openssl", *command.split(), "-addext", "subjectAltName=DNS:localhost", "-keyout", file, "-out", file],
        check=True, capture_output=True,
    )  # fmt: skip
    return file


@dataclass(frozen=True)
class Post:
    """What was posted to a webhook."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Hook:
    """A webhook. `answers` are the statuses and headers of the next answers; then it says 200."""

    posts: list[Post] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)


@contextmanager
def webhook(hook: Hook) -> Iterator[str]:
    """Serve a webhook and return its address, which holds a secret as such addresses do."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            hook.posts.append(Post(self.path, dict(self.headers.items()), body))
            status, headers = hook.answers.pop(0) if hook.answers else (200, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            """Say nothing."""

    with serving(Handler) as url:
        yield f"{url}/s3cret/hook"
