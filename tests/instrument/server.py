"""The server of `server_app` on loopback, with what its clients do to it and see of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx

from tests.servers import child
from tests.servers.page import client, fetch

ROW = [-1.0, 2.0, -3.0, 4.0]


class InstrumentedServer:
    """A server that answers."""

    def __init__(self, url: str) -> None:
        self.url = url

    def page(self) -> str:
        return fetch(f"{self.url}/metrics")

    def predict(self, *, rows: int = 1, columns: int = 4, terminate: bool = False) -> str:
        """Ask the classifier, and return the status."""
        # A connection of its own: uvicorn closes the one on which the application crashed.
        with client(self.url, Connection="close") as asking:
            answer = asking.post("/predict", params={"terminate": terminate}, json=[ROW[:columns]] * rows)
            return str(answer.status_code)

    def generate(self, *, user_agent: str = "somebody", hang_up_after: int = 1000, **asked: float | bool) -> str:
        """Have the writer write, and return the status, or `broken` when the answer broke in the middle."""
        with client(self.url, **{"User-Agent": user_agent}) as asking:
            try:
                with asking.stream("GET", "/generate", params=asked) as answer:
                    for number, _ in enumerate(answer.iter_raw(), start=1):
                        if number >= hang_up_after:
                            return "hung up"
                    return str(answer.status_code)
            except httpx.RemoteProtocolError:
                return "broken"

    @contextlib.contextmanager
    def crowd(self, clients: int) -> Iterator[list[Future[str]]]:
        """Have so many ask at once; the first of them keep their places until the block ends."""
        with ThreadPoolExecutor(clients) as pool:
            try:
                yield [pool.submit(self.generate, held=True) for _ in range(clients)]
            finally:
                with client(self.url) as asking:
                    asking.post("/open")


@contextlib.contextmanager
def running_server() -> Iterator[InstrumentedServer]:
    """Start the server; when the block ends it is gone."""
    with child.running("tests.instrument.server_app") as told:
        yield InstrumentedServer(told["url"])
