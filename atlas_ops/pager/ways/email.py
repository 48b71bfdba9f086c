"""Sends mail by the standard library. Called by `pager.ways.teller`.

SMTP cannot be asked whether it took a mail: one whose fate is not known goes again, under the same Message-ID, by which
most mail programs show it once. A mail twice is better than none.
"""

from __future__ import annotations

import contextlib
import email.policy
import logging
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate

from atlas_ops.pager.scrub import scrub
from atlas_ops.pager.ways import wording
from atlas_ops.pager.ways.sending import NotSent, Order, secret
from atlas_ops.settings.people import Smtp

_LOG = logging.getLogger(__name__)
TIMEOUT_SECONDS = 10.0


class Mail:
    """A mail server."""

    def __init__(self, smtp: Smtp, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._smtp = smtp
        self._timeout = timeout_seconds

    def send(self, order: Order) -> None:
        """Send one mail to all addresses of the target; NotSent when the server does not take it for any."""
        try:
            with contextlib.closing(self._connected()) as client:
                if self._smtp.username:
                    client.login(self._smtp.username, secret(self._smtp.password_file, "smtp.password_file"))
                refused = client.send_message(compose(order, self._smtp.sender))
                with contextlib.suppress(OSError, smtplib.SMTPException):
                    client.quit()  # it has the mail, whatever it says now
        except (OSError, smtplib.SMTPException, ValueError) as error:
            raise NotSent(f"the mail server {self._smtp.host} does not take mail: {_reason(error)}") from error
        if refused:
            _LOG.warning("the mail server refuses %d addresses of %s", len(refused), order.target.name)

    def _connected(self) -> smtplib.SMTP:
        host, port = self._smtp.host, self._smtp.port
        if self._smtp.encryption == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(host, port, timeout=self._timeout, context=context)
        client = smtplib.SMTP(host, port, timeout=self._timeout)
        if self._smtp.encryption == "starttls":
            try:
                client.starttls(context=ssl.create_default_context())
            except BaseException:
                client.close()
                raise
        return client


def compose(order: Order, sender: str) -> EmailMessage:
    """Return the mail. Its headers are made of one line each: nothing in a label can add another."""
    domain = sender.rpartition("@")[2]
    message = EmailMessage(policy=email.policy.SMTP)
    message["Subject"] = order.title
    message["From"] = sender
    message["To"] = ", ".join(order.target.emails)
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = f"<{order.batch.id}@{domain}>"
    # Mails about one incident stand together.
    message["References"] = f"<incident-{wording.incidents(order.batch)[0].id}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(order.text)
    return message


def _reason(error: Exception) -> str:
    """Return what went wrong; the server's own words may repeat addresses."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "it refuses every address"
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return scrub(f"{error.smtp_code} {said}")[:300]
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    return scrub(str(error))[:300]
