"""Kubelets that do not exist: a real gRPC server on a unix socket, and servers that behave badly below that."""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import StreamEnded
from h2.exceptions import ProtocolError

from atlas_ops.exporter.workload.podresources import ALLOCATABLE, LIST

Script = Callable[[socket.socket], None]
Respond = Callable[[H2Connection, int], None]


@contextlib.contextmanager
def socket_path() -> Iterator[Path]:
    """A path short enough for a unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="kubelet-"))
    try:
        yield folder / "k.sock"
    finally:
        shutil.rmtree(folder)


class Kubelet(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Answers both methods with the bytes that it was given; a status code instead of bytes is a refusal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: dict[str, bytes | grpc.StatusCode] = {LIST: b"", ALLOCATABLE: b""}
        self.calls = 0
        self._server: Any = None

    def start(self) -> None:
        self._server = grpc.server(
            ThreadPoolExecutor(2), handlers=(self,), options=(("grpc.max_send_message_length", -1),)
        )
        self._server.add_insecure_port(f"unix:{self.path}")
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop(0).wait()
            self._server = None
        self.path.unlink(missing_ok=True)

    def service(self, details: Any) -> Any:
        def answer(request: bytes, context: Any) -> bytes:
            assert request == b""
            self.calls += 1
            found = self.answers[details.method]
            if isinstance(found, bytes):
                return found
            context.abort(found, "not today: ä 100 %")
            raise AssertionError

        return grpc.unary_unary_rpc_method_handler(answer) if details.method in self.answers else None


@contextlib.contextmanager
def kubelet() -> Iterator[Kubelet]:
    with socket_path() as path:
        found = Kubelet(path)
        found.start()
        try:
            yield found
        finally:
            found.stop()


@contextlib.contextmanager
def raw_server(script: Script) -> Iterator[Path]:
    """A server that does with each connection whatever the script says."""
    with socket_path() as path, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection, contextlib.suppress(OSError):
                        script(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield path
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def http2(respond: Respond) -> Script:
    """A script that speaks HTTP/2 and answers the request as told."""

    def script(connection: socket.socket) -> None:
        http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        http.initiate_connection()
        connection.sendall(http.data_to_send())
        with contextlib.suppress(ProtocolError):  # what a client still sends after it has said that it goes
            while data := connection.recv(65536):
                for event in http.receive_data(data):
                    if isinstance(event, StreamEnded):
                        respond(http, event.stream_id or 0)
                connection.sendall(http.data_to_send())

    return script
