"""What is known of a server besides its page: told once, of whom it is true, and as good as it is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.samples import Sample
from atlas_ops.exporter.watched_server import WatchedServer
from atlas_ops.settings import Exporter, Server
from tests.exporter.fake_server import FakeServer, answer, serving
from tests.exporter.pages import Told, series, text_of

GIB = float(1 << 30)
VLLM = text_of("vllm/kv-pressure-1")


@contextlib.contextmanager
def watching(
    page: str, runtime: str = "vllm", memory: float | None = None
) -> Iterator[tuple[FakeServer, WatchedServer]]:
    with serving(metrics=answer(page)) as server:
        settings = Server(url=server.url, runtime=runtime, started_at=time.time() - 60)
        yield (
            server,
            WatchedServer(settings, Identity(server="s"), Exporter(), shipped_dialects(), lambda: memory),
        )


def besides(watched: WatchedServer) -> Told:
    """What is told besides the page, after a round."""
    page: tuple[Sample, ...] = watched.scrape(Deadline(20))
    watched.ask(Deadline(20))
    return Told(tuple(watched.besides(page)), {})


def test_the_quality_of_what_an_endpoint_tells_is_the_dialects_and_none_while_it_tells_nothing() -> None:
    with watching(VLLM) as (server, watched):
        told = []
        for status in (404, 200):
            server.behaviours["/health"] = answer("", status=status)
            besides(watched)
            told.append(
                Told(watched.scrape(Deadline(20)), {}).values(s.SIGNAL_QUALITY, "quality", signal=s.SERVER_READY.name)
            )
    assert told == [{"none": 1}, {"probe": 1}]


def test_memory_of_a_process_is_its_models_and_nobodys_where_it_has_several() -> None:
    with watching(VLLM, memory=GIB) as (_, watched):
        (model,) = besides(watched).values(s.MODEL_GPU_MEMORY, "model").items()
        assert model[1] == GIB
    two = "".join(series("vllm:num_requests_running", 1, model_name=name) for name in "ab")
    with watching(two, memory=GIB) as (_, watched):
        assert not besides(watched).has(s.MODEL_GPU_MEMORY)


def test_what_the_page_tells_is_not_told_besides() -> None:
    ready = series("atlas_ops_requests_running", 0, gen_ai_request_model="m")
    load = series("atlas_ops_model_load_duration_seconds", 7, gen_ai_request_model="m")
    told = []
    for page in (ready, ready + load):
        with watching(page, runtime="onnxruntime") as (_, watched):
            watched.look((), answers=False)
            watched.look((), answers=True)
            told.append(besides(watched).has(s.MODEL_LOAD))
    assert told == [True, False]
