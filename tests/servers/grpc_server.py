"""A real gRPC server on loopback, in one of the instrumentations that users choose, and what its clients see of it."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc

from tests.servers import child
from tests.servers.grpc_app import SERVICE

KINDS = ("py-grpc-prometheus", "observability")
CLIENTS = 4
PATIENCE = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class GrpcServer:
    """A server that answers."""

    kind: str
    metrics_url: str
    channel: grpc.Channel

    def ask(self, *, method: str = "Predict", timeout: float = PATIENCE, **asked: Any) -> str:
        """Make one call, and return the name of its status."""
        call = self.channel.unary_unary(f"/{SERVICE}/{method}")
        try:
            call(json.dumps(asked).encode(), timeout=timeout)
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"

    def stream(self, **asked: Any) -> int:
        """Make one call that is answered by a stream, and return how many messages came."""
        return len(
            list(self.channel.unary_stream(f"/{SERVICE}/Generate")(json.dumps(asked).encode(), timeout=PATIENCE))
        )


@contextlib.contextmanager
def running_grpc(kind: str) -> Iterator[GrpcServer]:
    """Start the server; when the block ends it is gone."""
    with child.running("tests.servers.grpc_app", kind) as told, grpc.insecure_channel(told["address"]) as channel:
        yield GrpcServer(kind=kind, metrics_url=told["metrics_url"], channel=channel)


def load(server: GrpcServer, calls: int = 40, seconds: float = 0.01) -> Counter[str]:
    """Ask for so many predictions, `CLIENTS` at a time, and return how many calls ended with which status."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        return Counter(pool.map(lambda _: server.ask(seconds=seconds), range(calls)))


def provoke_failures(server: GrpcServer) -> Counter[str]:
    """Have calls fail in every way that the application itself can tell of, and return what the client saw."""
    return Counter(
        [
            *(server.ask(crash=True) for _ in range(3)),
            *(server.ask(status="UNAVAILABLE") for _ in range(2)),
            *(server.ask(status="RESOURCE_EXHAUSTED") for _ in range(5)),
            *(server.ask(status="INVALID_ARGUMENT") for _ in range(2)),
            *(server.ask(status="DEADLINE_EXCEEDED") for _ in range(4)),
        ]
    )


def ask_for_nothing_known(server: GrpcServer, calls: int = 3) -> Counter[str]:
    """Call a method that is not there."""
    return Counter(server.ask(method="Nothing") for _ in range(calls))


def lose_patience(server: GrpcServer, calls: int = 3) -> Counter[str]:
    """Give each call less time than it needs."""
    with ThreadPoolExecutor(calls) as pool:
        return Counter(pool.map(lambda _: server.ask(seconds=0.6, timeout=0.3), range(calls)))


def overrun(server: GrpcServer, calls: int = 40, seconds: float = 0.2) -> Counter[str]:
    """Make more calls at once than the server takes."""
    with ThreadPoolExecutor(calls) as pool:
        return Counter(pool.map(lambda _: server.ask(seconds=seconds), range(calls)))
