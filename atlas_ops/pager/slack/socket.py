"""Buttons over Socket Mode: a connection that the pager opens, so that it needs no public address. Started by `atlas_ops.cli.pager`.

slack_sdk keeps the connection; one thread of ours opens the first, looks at its state and says so. What was pressed while
there was none is lost, so the silences are compared anew with each connection.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import urllib.request
from collections.abc import Callable
from urllib.parse import urlsplit

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from atlas_ops.pager.job import Worker
from atlas_ops.pager.metrics import Metrics
from atlas_ops.pager.slack.advice import socket_advice
from atlas_ops.pager.slack.press import Presses

_LOG = logging.getLogger(__name__)
_LOOK_SECONDS = 5.0
_RETRY_SECONDS = (1.0, 60.0)
"""First and last wait between attempts at the first connection."""
_TIMEOUT_SECONDS = 10


class Socket(Worker):
    """`problem` says why no button is heard of; empty while there is a connection."""

    def __init__(
        self,
        *,
        app_token: str,
        url: str,
        presses: Presses,
        metrics: Metrics,
        connected: Callable[[], None],
        ping_seconds: float = 5.0,
    ) -> None:
        super().__init__("socket")
        quiet = logging.getLogger(f"{__name__}.sdk")
        quiet.setLevel(logging.CRITICAL + 1)  # it logs each failed attempt; we say what matters ourselves
        web = WebClient(base_url=url, timeout=_TIMEOUT_SECONDS, logger=quiet, retry_handlers=[])
        web.proxy = None
        self._client = SocketModeClient(app_token=app_token, web_client=web, logger=quiet, ping_interval=ping_seconds)
        self._client.proxy = _proxy(url)
        self._client.socket_mode_request_listeners.append(self._take)
        self._client.message_listeners.append(self._hear)
        self._client.on_close_listeners.append(self._closed)
        self._presses = presses
        self._metrics = metrics
        self._connected = connected
        self._failures = 0
        self._opened = False
        self.problem = "the connection is not open yet"

    @property
    def trouble(self) -> str:
        """What does not work, for the console; empty: nothing."""
        return f"Buttons in Slack are not heard of: {self.problem}" if self.problem else ""

    def start(self) -> None:
        """Begin to connect."""
        self._metrics.socket(up=False)
        super().start()

    def stop(self, seconds: float) -> None:
        """Close the connection; leave it behind when that takes longer than `seconds`."""
        self._stopping.set()
        self._wake.set()
        closing = threading.Thread(target=self._close, name="socket-close", daemon=True)
        closing.start()
        closing.join(seconds)

    def _close(self) -> None:
        self._client.auto_reconnect_enabled = False
        session = self._client.current_session
        with contextlib.suppress(OSError):
            if session is not None and session.sock is not None:
                session.sock.shutdown(socket.SHUT_RDWR)  # else slack_sdk reads on for three seconds
        self._client.close()

    def _turn(self) -> float:
        self._opened = self._opened or self._open()
        if not self._opened:
            return self._patience()
        self._look()
        return _LOOK_SECONDS

    def _open(self) -> bool:
        """Open the first connection; slack_sdk opens all others."""
        try:
            self._client.connect_to_new_endpoint()
        except SlackApiError as error:
            code = str(error.response.get("error") or f"HTTP {error.response.status_code}")
            self._tell(socket_advice(code))
        except Exception as error:  # noqa: BLE001 - whatever it is, buttons are tried again later
            self._tell(f"Slack cannot be reached: {error}")
        if self._client.is_connected():
            return True
        self._failures += 1
        return False

    def _patience(self) -> float:
        first, last = _RETRY_SECONDS
        return min(last, first * 2.0 ** min(self._failures, 16))

    def _look(self) -> None:
        if self._client.is_connected():
            self._tell("")
        else:
            self._tell("the connection to Slack is broken")

    def _tell(self, problem: str) -> None:
        if problem and problem != self.problem:
            _LOG.warning("buttons in Slack are not heard of: %s", problem)
        elif self.problem and not problem:
            _LOG.info("buttons in Slack are heard of")
        self.problem = problem
        self._metrics.socket(up=not problem)

    def _hear(self, client: BaseSocketModeClient, message: dict[str, object], raw: str | None = None) -> None:
        del client, raw
        if message.get("type") == "hello":
            self.wake()
            self._connected()

    def _closed(self, code: int, reason: str | None = None) -> None:
        del code, reason
        self.wake()

    def _take(self, client: BaseSocketModeClient, request: SocketModeRequest) -> None:
        try:
            client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        except Exception as error:  # noqa: BLE001 - Slack then tells the person that it failed; done is done
            _LOG.warning("Slack could not be told that a press has come: %s", error)
        if request.type == "interactive":
            self._presses.take(request.payload)


def _proxy(url: str) -> str | None:
    """Return the proxy that the environment names for an address; slack_sdk alone would not look at no_proxy."""
    host = urlsplit(url).hostname or ""
    return None if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get("https")
