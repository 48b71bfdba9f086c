"""The pager's HTTP side: takes Alertmanager's webhooks, serves the pages and the metrics.

Made by `atlas_ops.cli.pager_parts`. A webhook is answered 200 only when it is on the disk. What could not be kept is answered
503, because Alertmanager tries again after 5xx and never after 4xx.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from atlas_ops.errors import AtlasError
from atlas_ops.pager import body, webhook
from atlas_ops.pager.access.token import Token, bearer
from atlas_ops.pager.console.routes import Console
from atlas_ops.pager.delivery.worker import Delivery
from atlas_ops.pager.incident import by_severity
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.store.store import Store

_LOG = logging.getLogger(__name__)
HANDS = 8
"""Threads that take webhooks and nothing else: pages that wait for a slow Prometheus must not make Alertmanager wait."""
LARGE_BYTES = 1024 * 1024
"""Thousands of alerts: their webhooks take seconds and much memory each, so they are taken by threads of their own, `CARTS`."""
CARTS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Pager:
    """The parts that answer requests. Without a Slack token there is no delivery."""

    store: Store
    console: Console
    metrics: Metrics
    delivery: Delivery | None
    wake: Callable[[], None]
    """Called when a webhook has changed something."""
    routes: tuple[Route, ...] = ()
    """Further ways in, such as that of Slack's buttons."""
    token: Token | None = None
    """What whoever posts webhooks has to show; None: nothing."""
    _hands: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(HANDS))
    _carts: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(CARTS))

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/webhook", self._webhook, methods=["POST"]),
                Route("/metrics", self._metrics),
                Route("/-/healthy", self._healthy),
                Route("/-/ready", self._ready),
                *self.routes,
                *self.console.routes(),
            ],
            exception_handlers={HTTPException: self.console.wrong, AtlasError: self.console.broken},
        )

    # --- the webhook --------------------------------------------------------------------------------------------------

    async def _webhook(self, request: Request) -> Response:
        if "origin" in request.headers:
            return PlainTextResponse("only Alertmanager may post here, no web page\n", status_code=403)
        if (refused := self._unknown(request)) is not None:
            return refused
        try:
            content = await body.read(request, webhook.MAX_BODY_BYTES)
        except body.TooLargeError:
            limit = webhook.MAX_BODY_BYTES // (1024 * 1024)
            text = f"the body is larger than {limit} MiB; set max_alerts in Alertmanager's webhook_configs"
            return self._refuse(request, "too_large", text, 413)
        except TimeoutError:
            return self._refuse(request, "failed", f"the body did not arrive within {body.SECONDS:.0f} s", 503)
        except ClientDisconnect:
            return self._refuse(request, "refused", "the sender went away before its body had arrived", 400)
        limiter = self._hands if len(content) < LARGE_BYTES else self._carts
        return await to_thread.run_sync(self._take, request, content, limiter=limiter)

    def _unknown(self, request: Request) -> Response | None:
        """Refuse a sender that has to show a token and does not; None when all is well."""
        if self.token is None:
            return None
        shown = bearer(request.headers.get("authorization", ""))
        if shown is not None and self.token.matches(shown):
            return None
        text = (
            "Alertmanager has to show the token of pager.webhook_token_file: http_config.authorization.credentials_file"
        )
        return self._refuse(request, "unauthorized", text, 401)

    def _take(self, request: Request, content: bytes) -> Response:
        try:
            notification = webhook.parse(content)
        except webhook.BadWebhook as error:
            return self._refuse(request, "refused", error.message, 400)
        now = time.time()
        try:
            changed = [self.store.inbox.accept(part, now) for part in by_severity(notification)]
        except AtlasError as error:
            return self._refuse(request, "failed", error.message, 503)
        except Exception:  # noqa: BLE001 - whatever it is, Alertmanager has to try again
            _LOG.exception("a webhook could not be kept")
            return self._refuse(request, "failed", "the pager has failed: its log says why", 503)
        if notification.heartbeat:
            self.metrics.heartbeat(now)
        if any(changed):
            self.wake()
        self.metrics.received("accepted" if any(changed) else "unchanged" if notification.alerts else "heartbeat")
        return PlainTextResponse("ok\n")

    def _refuse(self, request: Request, result: str, text: str, status: int) -> Response:
        sender = request.client.host if request.client else "somebody"
        _LOG.warning("a webhook from %s was answered %d: %s", sender, status, text)
        self.metrics.received(result)
        return PlainTextResponse(text + "\n", status_code=status)

    # --- for machines -------------------------------------------------------------------------------------------------

    async def _metrics(self, request: Request) -> Response:
        del request
        return Response(self.metrics.page(), media_type="text/plain; version=0.0.4")

    async def _healthy(self, request: Request) -> Response:
        del request
        return PlainTextResponse("healthy\n")

    def _ready(self, request: Request) -> Response:
        del request
        try:
            self.store.check()
        except AtlasError as error:
            return PlainTextResponse(f"{error.message}\n", status_code=503)
        if self.delivery is not None and not self.delivery.alive:
            return PlainTextResponse("the delivery to Slack does not run\n", status_code=503)
        return PlainTextResponse("ready\n")
