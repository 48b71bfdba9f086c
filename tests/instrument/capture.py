"""Writes the pages of `tests/samples/onnxruntime` anew: `python -m tests.instrument.capture`, after a change of the names."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from tests.instrument.server import InstrumentedServer, running_server
from tests.instrument.server_app import IN_LINE, SLOTS, WRITER
from tests.instrument.telling import MODEL, ended, value
from tests.servers.page import settled

FOLDER = Path(__file__).parents[1] / "samples" / "onnxruntime" / version("onnxruntime")


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with running_server() as server:
        write("idle", server.page())
        load(server)
        fail(server)


def load(server: InstrumentedServer) -> None:
    """Twenty batches, ten streams, and a crowd that waits while the page is read."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: server.predict(rows=number), [1, 2, 3, 4] * 5))
        list(pool.map(lambda tokens: server.generate(tokens=tokens), range(5, 15)))
    with server.crowd(SLOTS + IN_LINE):
        settled(lambda: value(server.page(), "atlas_ops_requests_waiting", **{MODEL: WRITER}), IN_LINE)
        assert {server.generate() for _ in range(3)} == {"429"}
        write("load", server.page())


def fail(server: InstrumentedServer) -> None:
    """Inputs of a wrong shape, a run that is told to end, streams that break, and clients that hang up."""
    for _ in range(5):
        assert server.predict(columns=3) == "500"
    assert server.predict(terminate=True) == "500"
    for _ in range(4):
        assert server.generate(breaks=True) == "broken"
    assert server.generate(tokens=1000, hang_up_after=2) == "hung up"
    settled(lambda: ended(server.page(), WRITER).get("cancelled"), 1)
    write("fail", server.page())


def write(state: str, page: str) -> None:
    (FOLDER / f"{state}.prom").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
