"""Listens on one address and runs a session, in a thread of its own, for each client that connects.

Made by `exporter.service`. The loop that accepts does nothing that could wait for a client.
"""

from __future__ import annotations

import errno
import logging
import socket
import threading
import time

from atlas_ops.catalog import conventions as c
from atlas_ops.errors import EnvironmentProblem
from atlas_ops.exporter.web.connection import Connection
from atlas_ops.exporter.web.session import Session, Site

_log = logging.getLogger(__name__)

MAX_CONNECTIONS = 240
"""Six times `session.MAX_REQUESTS`: all that are above these get a word instead of nothing. Further connections end
those that are idle, and are closed when there are none. Each costs a thread, some 50 kB."""
_BACKLOG = 256
_PAUSE_SECONDS = 0.2
"""When no connection can be accepted, as a rule because the process or the machine has no file left."""
_GOODBYE_SECONDS = 2.0


class Server:
    """Serves a site on one address."""

    def __init__(self, host: str, port: int, site: Site) -> None:
        """Bind; EnvironmentProblem when the address cannot be had. `port` 0 takes a free one."""
        self._site = site
        self._socket = _listen(host, port)
        self._host = f"[{host}]" if ":" in host else host
        self._lock = threading.Lock()
        self._sessions: dict[Session, tuple[Connection, threading.Thread]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._accept, name="http", daemon=True)

    @property
    def url(self) -> str:
        """Address without a path; with the port that was chosen when 0 was asked for."""
        scheme = "http" if self._site.guard().current().tls is None else "https"
        return f"{scheme}://{self._host}:{self._socket.getsockname()[1]}"

    def start(self) -> None:
        """Begin to serve. Until then connections wait in the backlog."""
        self._thread.start()

    def stop(self) -> None:
        """End every connection and give the port back."""
        self._stopping.set()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        except OSError as error:
            _log.debug("nothing to shut down: %s", error)
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()
        with self._lock:
            running = list(self._sessions.values())
        for connection, _ in running:
            connection.shut()
        end = time.monotonic() + _GOODBYE_SECONDS
        for _, thread in running:
            thread.join(max(0.0, end - time.monotonic()))

    def _accept(self) -> None:
        trouble = ""
        while not self._stopping.is_set():
            try:
                sock, _ = self._socket.accept()
                trouble = ""
                self._admit(Connection(sock))
            except OSError as error:
                if self._stopping.is_set():
                    return
                if str(error) != trouble:
                    trouble = str(error)
                    _log.warning("no connection can be accepted: %s", trouble)
                self._stopping.wait(_PAUSE_SECONDS)

    def _admit(self, connection: Connection) -> None:
        session = Session(connection, self._site)
        thread = threading.Thread(target=self._run, args=(session, connection), name="http-connection", daemon=True)
        with self._lock:
            admitted = len(self._sessions) < MAX_CONNECTIONS or self._end_idle()
            if admitted:
                self._sessions[session] = (connection, thread)
        if not admitted or not _started(thread):
            self._site.refused(c.REFUSED_BUSY)
            self._forget(session, connection)

    def _end_idle(self) -> bool:
        """Make room: end the connection that has been open for longest and waits for a further request, if any."""
        for session, (connection, _) in self._sessions.items():
            if session.idle:
                connection.shut()
                del self._sessions[session]
                return True
        return False

    def _run(self, session: Session, connection: Connection) -> None:
        try:
            session.run()
        finally:
            self._forget(session, connection)

    def _forget(self, session: Session, connection: Connection) -> None:
        with self._lock:
            self._sessions.pop(session, None)
        connection.close()


def _started(thread: threading.Thread) -> bool:
    try:
        thread.start()
    except RuntimeError as error:  # the machine has no thread left
        _log.warning("a connection was closed at once: %s", error)
        return False
    return True


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise _cannot_listen(host, port, error) from error
    return sock


def _cannot_listen(host: str, port: int, error: OSError) -> EnvironmentProblem:
    where = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return EnvironmentProblem(
            f"the address {where} is in use", next_step="stop the other process, or give --listen another port"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return EnvironmentProblem(f"the address {where} is not allowed", next_step="take a port above 1023")
    return EnvironmentProblem(
        f"the address {where} cannot be listened on: {error.strerror or error}",
        next_step="give --listen an address of this machine",
    )
