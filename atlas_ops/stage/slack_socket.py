"""Socket Mode of the Slack stand-in: connections of apps, over which Slack tells of buttons that were pressed.

Started by tests beside a `SlackStandIn`. The only importer of websockets, which comes with the extra `test`.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
from collections.abc import Mapping
from types import TracebackType

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from atlas_ops.stage.slack_limits import Json
from atlas_ops.stage.slack_standin import SlackStandIn

ACK_SECONDS = 3.0
"""An app that has not answered by then has failed, and the person who pressed is told so."""


class SlackSocket:
    """The connections of one app. Each event goes over one of them, the newest."""

    def __init__(self, slack: SlackStandIn) -> None:
        self._connections: list[ServerConnection] = []
        self._tickets: set[str] = set()
        self._answered: dict[str, threading.Event] = {}
        self._lock = threading.Lock()
        self._server = serve(self._attend, "127.0.0.1", 0)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        slack.connections = self._open

    @property
    def connected(self) -> int:
        """How many connections there are."""
        with self._lock:
            return len(self._connections)

    def send(self, payload: Json, *, envelope: str = "") -> bool:
        """Send what happened; whether the app said within three seconds that it has it.

        `envelope`: its id, the same again for what is sent again.
        """
        name = envelope or secrets.token_hex(8)
        answered = self._answered[name] = threading.Event()
        with self._lock:
            newest = self._connections[-1] if self._connections else None
        if newest is None:
            return False
        document = {"envelope_id": name, "type": "interactive", "accepts_response_payload": True, "payload": payload}
        with contextlib.suppress(ConnectionClosed):
            newest.send(json.dumps(document))
        return answered.wait(ACK_SECONDS)

    def say(self, text: str) -> None:
        """Send any text to every connection."""
        with self._lock:
            connections = tuple(self._connections)
        for connection in connections:
            with contextlib.suppress(ConnectionClosed):
                connection.send(text)

    def disconnect(self, reason: str = "refresh_requested") -> None:
        """Ask every connection to be opened anew, as Slack does every few hours."""
        self.say(json.dumps({"type": "disconnect", "reason": reason, "debug_info": {"host": "standin"}}))

    def drop(self) -> None:
        """Break every connection off."""
        with self._lock:
            connections, self._connections = tuple(self._connections), []
        for connection in connections:
            connection.close_socket()

    def stop(self) -> None:
        """Stop, and let go of the port."""
        self.drop()
        self._server.shutdown()
        self._thread.join()

    def _open(self) -> str:
        ticket = secrets.token_hex(8)
        with self._lock:
            self._tickets.add(ticket)
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/link/?ticket={ticket}&app_id=A0STANDIN"

    def _attend(self, connection: ServerConnection) -> None:
        path = connection.request.path if connection.request else ""
        ticket = path.partition("ticket=")[2].partition("&")[0]
        with self._lock:
            if ticket not in self._tickets:
                return
            self._tickets.remove(ticket)  # an address opens one connection
            self._connections.append(connection)
            count = len(self._connections)
        try:
            connection.send(
                json.dumps({"type": "hello", "num_connections": count, "connection_info": {"app_id": "A0"}})
            )
            for message in connection:
                self._hear(json.loads(message))
        except ConnectionClosed:
            return
        finally:
            with self._lock:
                if connection in self._connections:
                    self._connections.remove(connection)

    def _hear(self, message: Mapping[str, object]) -> None:
        answered = self._answered.get(str(message.get("envelope_id")))
        if answered:
            answered.set()

    def __enter__(self) -> SlackSocket:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
