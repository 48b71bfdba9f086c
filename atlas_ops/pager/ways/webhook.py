"""Posts JSON to a webhook of the user's choice, signed where there is a key. Called by `pager.ways.teller`.

docs/pager.md, section On call, documents the body and how its signature is checked. What is tried again has the same
`Idempotency-Key`, so a receiver can know it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from datetime import UTC, datetime

import urllib3

from atlas_ops import __version__
from atlas_ops.pager.incident import Headline
from atlas_ops.pager.ways import wording
from atlas_ops.pager.ways.sending import NotSent, Order, secret
from atlas_ops.settings import url_problem

TIMEOUT_SECONDS = 10.0
SIGNATURE = "X-Atlas-Signature"
_MOST_WAIT = 3600.0
_URL = re.compile(r"https?://[!-~]+")


class Webhook:
    """`pager_url` is the public address of the pager, without a slash at its end."""

    def __init__(self, pager_url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._pager_url = pager_url
        self._pool = urllib3.PoolManager(timeout=timeout_seconds, retries=False)

    def send(self, order: Order) -> None:
        """Post it; NotSent unless the receiver answers with 2xx. Redirects are not followed: they would leak the body."""
        url = secret(order.target.webhook_url_file, "webhook_url_file")
        if not _URL.fullmatch(url) or url_problem(url):
            raise NotSent("the file of webhook_url_file holds no address such as https://example.org/hook")
        body = json.dumps(self.document(order)).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"atlas-ops/{__version__}",
            "Idempotency-Key": order.batch.id,
        }
        if order.target.webhook_secret_file:
            key = secret(order.target.webhook_secret_file, "webhook_secret_file")
            headers[SIGNATURE] = signature(key, int(time.time()), body)
        try:
            answer = self._pool.request("POST", url, body=body, headers=headers, redirect=False, preload_content=False)
            answer.close()
        except urllib3.exceptions.HTTPError as error:
            raise NotSent(f"the webhook of {order.target.name} cannot be reached: {_reason(error)}") from error
        if not 200 <= answer.status < 300:
            wait = answer.headers.get("Retry-After", "")
            asked = min(float(wait), _MOST_WAIT) if wait.isascii() and wait.isdecimal() else None
            raise NotSent(f"the webhook of {order.target.name} answers with HTTP {answer.status}", wait=asked)

    def document(self, order: Order) -> dict[str, object]:
        """Return the body."""
        return {
            "version": 1,
            "id": order.batch.id,
            "status": "resolved" if order.batch.over else "firing",
            "reason": order.batch.reason.value,
            "target": order.target.name,
            "title": order.title,
            "text": order.text,
            "incidents": [self._incident(head) for head in wording.incidents(order.batch)],
        }

    def _incident(self, head: Headline) -> dict[str, object]:
        return {
            "id": head.id,
            "url": wording.address(head.id, self._pager_url),
            "fault": head.fault,
            "severity": head.severity,
            "model": head.model,
            "place": head.place,
            "summary": head.summary,
            "since": _written(head.since),
            "until": None if head.until is None else _written(head.until),
            "firing": head.firing,
            "acknowledged_by": head.acknowledged_by,
        }


def signature(key: str, at: int, body: bytes) -> str:
    """Return the header that proves that a body is ours: `t` is a Unix time, `v1` the HMAC-SHA256 of `<t>.<body>`."""
    proof = hmac.new(key.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={proof}"


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """Return what went wrong in a word; what the library says repeats the address, which is a secret."""
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return "it does not answer in time"
    if isinstance(error, urllib3.exceptions.SSLError):
        return "its certificate is not trusted, or it does not speak TLS"
    return "the connection fails"


def _written(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
