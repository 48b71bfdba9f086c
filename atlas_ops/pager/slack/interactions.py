"""Buttons over HTTP: `POST /slack/interactions`, signed by Slack. The other way is `slack.socket`, which needs no public address.

Routed by `pager.app` when there is a signing secret. Slack wants an answer within three seconds, so what was asked for is
done after it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from slack_sdk.signature import SignatureVerifier
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from atlas_ops.pager import body
from atlas_ops.pager.slack.press import Presses

PATH = "/slack/interactions"
MAX_BODY_BYTES = 1024 * 1024
"""A press repeats the message, of which Slack takes some ten thousand characters."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Interactions:
    """Takes presses whose signature is right. One that comes again is the same deed, and done once."""

    verifier: SignatureVerifier
    presses: Presses

    @classmethod
    def signed(cls, secret: str, presses: Presses) -> Interactions:
        """Return the way for an app with this signing secret."""
        return cls(verifier=SignatureVerifier(secret), presses=presses)

    def route(self) -> Route:
        """Return the route that Slack is told of as the app's Request URL."""
        return Route(PATH, self._take, methods=["POST"])

    async def _take(self, request: Request) -> Response:
        try:
            content = await body.read(request, MAX_BODY_BYTES)
        except body.TooLargeError:
            return _refuse(request, 413, "the body is too large")
        except TimeoutError:
            return _refuse(request, 408, "the body did not arrive in time")
        except ClientDisconnect:
            return _refuse(request, 400, "the sender went away")
        if not self._is_signed(content, request.headers):
            return _refuse(request, 401, "the signature is not Slack's, or older than five minutes")
        payload = _payload(content)
        if payload is None:
            return _refuse(request, 400, "there is no payload in it")
        return Response(background=BackgroundTask(self.presses.take, payload))

    def _is_signed(self, content: bytes, headers: Mapping[str, str]) -> bool:
        moment = headers.get("x-slack-request-timestamp", "")
        signature = headers.get("x-slack-signature", "")
        try:
            # slack_sdk raises for a moment that is no number and for a body that is not UTF-8.
            return bool(self.verifier.is_valid(content, moment, signature)) if moment and signature else False
        except (ValueError, TypeError, OverflowError):
            return False


def _payload(content: bytes) -> Mapping[str, object] | None:
    try:
        found = json.loads(parse_qs(content.decode())["payload"][0])
    except (ValueError, KeyError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _refuse(request: Request, status: int, text: str) -> Response:
    sender = request.client.host if request.client else "somebody"
    _LOG.warning("a press of a button from %s was answered %d: %s", sender, status, text)
    return PlainTextResponse(f"{text}\n", status_code=status)
