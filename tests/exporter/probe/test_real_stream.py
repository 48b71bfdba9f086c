"""The probe against a real ASGI server, the way most LLM servers stream, and in the exporter as a whole."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from atlas_ops.exporter.probe.outcome import Result
from tests.exporter.collectors import await_that
from tests.exporter.command import running
from tests.exporter.probe.answers import DONE, delta, event, prober

MODELS = {"works": Result.OK, "crashes": Result.TRUNCATED, "rejects": Result.ERROR_IN_ANSWER}


async def chat(request: Request) -> StreamingResponse | JSONResponse:
    """Stream as vLLM does; the name of the model says what happens in the middle."""
    asked = await request.json()
    if asked["stream"] is not True:
        return JSONResponse({"error": "not asked as it should be"}, status_code=400)

    async def pieces() -> AsyncIterator[bytes]:
        yield delta(role="assistant", content="")
        yield delta(content="Hi")
        await asyncio.sleep(0)
        if asked["model"] == "crashes":
            raise RuntimeError("the engine is gone")
        if asked["model"] == "rejects":
            yield event({"error": {"message": "too many requests wait", "code": 503}})
        yield delta("stop", content="")
        yield DONE

    return StreamingResponse(pieces(), media_type="text/event-stream")


@pytest.fixture(scope="module")
def llm() -> Iterator[str]:
    app = Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        await_that(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.mark.parametrize(("model", "result"), MODELS.items())
def test_what_an_http_status_of_200_hides_is_found(llm: str, model: str, result: Result) -> None:
    outcome = prober(llm, api="openai-chat", model=model).ask()
    assert outcome.result is result
    assert outcome.first_token_seconds is not None, "the first token came in each case"


def test_the_exporter_tells_what_a_user_would_get(llm: str, tmp_path: Path) -> None:
    file = tmp_path / "atlas-ops.yaml"
    probes = "".join(f"      - {{model: {name}, api: openai-chat, interval_seconds: 1}}\n" for name in MODELS)
    file.write_text(f"exporter: {{gpus: false}}\nservers:\n  - url: {llm}\n    runtime: vllm\n    probes:\n{probes}")
    with running("--config", str(file)) as exporter:
        await_that(lambda: len(exporter.page().of("atlas_probe_success")) == len(MODELS))
        page = exporter.page().of("atlas_probe_success")
    told = {dict(sample.labels)["model"]: sample.value for sample in page}
    assert told == {"works": 1, "crashes": 0, "rejects": 0}
    assert {dict(sample.labels)["runtime"] for sample in page} == {"vllm"}
