"""The pager's HTTP side: takes Alertmanager's webhooks, serves the pages and the metrics.

Made by `atlas_ops.cli.pager`. A webhook is answered 200 only when it is on the disk. What could not be kept is answered
503, because Alertmanager tries again after 5xx and never after 4xx.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from atlas_ops.errors import AtlasError
from atlas_ops.pager import webhook
from atlas_ops.pager.console import pages as console
from atlas_ops.pager.console.pages import Console
from atlas_ops.pager.delivery.worker import Delivery
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.store.store import Store

_LOG = logging.getLogger(__name__)
BODY_SECONDS = 30.0
"""A body that has not come by then is not coming; Alertmanager itself gives up earlier."""
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class _TooLarge(Exception):
    pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Pager:
    """The parts that answer requests. Without a Slack token there is no delivery."""

    store: Store
    console: Console
    metrics: Metrics
    delivery: Delivery | None
    wake: Callable[[], None]
    """Called when a webhook has changed something."""

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/webhook", self._webhook, methods=["POST"]),
                Route("/", self._index),
                Route("/incidents/{incident}", self._incident),
                Route("/runbooks", self._runbooks),
                Route("/runbooks/{fault}", self._runbook),
                Route("/style.css", self._style),
                Route("/metrics", self._metrics),
                Route("/-/healthy", self._healthy),
                Route("/-/ready", self._ready),
            ],
            exception_handlers={HTTPException: self._wrong, AtlasError: self._broken},
        )

    # --- the webhook --------------------------------------------------------------------------------------------------

    async def _webhook(self, request: Request) -> Response:
        if "origin" in request.headers:
            return PlainTextResponse("only Alertmanager may post here, no web page\n", status_code=403)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await _body(request)
        except _TooLarge:
            limit = webhook.MAX_BODY_BYTES // (1024 * 1024)
            text = f"the body is larger than {limit} MiB; set max_alerts in Alertmanager's webhook_configs"
            return self._refuse(request, "too_large", text, 413)
        except TimeoutError:
            return self._refuse(request, "failed", f"the body did not arrive within {BODY_SECONDS:.0f} s", 503)
        except ClientDisconnect:
            return self._refuse(request, "refused", "the sender went away before its body had arrived", 400)
        return await run_in_threadpool(self._take, request, body)

    def _take(self, request: Request, body: bytes) -> Response:
        try:
            notification = webhook.parse(body)
        except webhook.BadWebhook as error:
            return self._refuse(request, "refused", error.message, 400)
        now = time.time()
        try:
            changed = self.store.inbox.accept(notification, now)
        except AtlasError as error:
            return self._refuse(request, "failed", error.message, 503)
        if notification.heartbeat:
            self.metrics.heartbeat(now)
        if changed:
            self.wake()
        self.metrics.received("accepted" if changed else "unchanged" if notification.alerts else "heartbeat")
        return PlainTextResponse("ok\n")

    def _refuse(self, request: Request, result: str, text: str, status: int) -> Response:
        sender = request.client.host if request.client else "somebody"
        _LOG.warning("a webhook from %s was answered %d: %s", sender, status, text)
        self.metrics.received(result)
        return PlainTextResponse(text + "\n", status_code=status)

    # --- the pages ----------------------------------------------------------------------------------------------------

    def _index(self, request: Request) -> Response:
        del request
        return _page(self.console.index())

    def _incident(self, request: Request) -> Response:
        page = self.console.incident(request.path_params["incident"], request.query_params.get("alert", ""))
        if page is None:
            return self._missing("There is no such incident", "It may have been in another database.")
        return _page(page)

    def _runbooks(self, request: Request) -> Response:
        del request
        return _page(self.console.runbooks())

    def _runbook(self, request: Request) -> Response:
        page = self.console.runbook(request.path_params["fault"])
        if page is None:
            return self._missing("There is no such runbook", "Runbooks are named after the alerts they are for.")
        return _page(page)

    def _missing(self, title: str, text: str) -> Response:
        return _page(self.console.notice(title, text), 404)

    def _wrong(self, request: Request, error: Exception) -> Response:
        del request
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status == 404:
            return self._missing("There is no such page", "The address may be cut off.")
        return PlainTextResponse(f"{error}\n", status_code=status)

    def _broken(self, request: Request, error: Exception) -> Response:
        _LOG.error("%s cannot be shown: %s", request.url.path, error)
        return _page(self.console.notice("The pager is not well", str(error)), 503)

    # --- for machines -------------------------------------------------------------------------------------------------

    def _style(self, request: Request) -> Response:
        del request
        return Response(console.style(), media_type="text/css", headers={"Cache-Control": "max-age=3600"})

    def _metrics(self, request: Request) -> Response:
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


async def _body(request: Request) -> bytes:
    """Return the body; _TooLarge when it is, whatever its Content-Length says.

    What is left of it then is read and thrown away by uvicorn, so that its sender sees our answer and no reset.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > webhook.MAX_BODY_BYTES:
        raise _TooLarge
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > webhook.MAX_BODY_BYTES:
            raise _TooLarge
    return bytes(body)


def _page(html: str, status: int = 200) -> Response:
    return HTMLResponse(html, status_code=status, headers=_HEADERS)
