"""A server as its author writes it with `atlas_ops.instrument`: an ONNX model, and one that streams. Run by `server`."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse

from atlas_ops.detect.features import Category, Numeric
from atlas_ops.instrument import Instrument
from tests.instrument.onnx_model import relu
from tests.instrument.references import written
from tests.servers.child import introduce

CLASSIFIER, WRITER = "tiny-relu", "tiny-writer"
SLOTS, IN_LINE = 2, 4

ops = Instrument(CLASSIFIER, WRITER)
with ops.loading(CLASSIFIER):
    session = ops.onnx(onnxruntime.InferenceSession(relu("batch", 4)), model=CLASSIFIER)
FIRST = Numeric(name="first", edges=(-2.0, 0.0, 2.0))
PREDICTION = Category(name="prediction", names=("0.0", "4.0"))
with tempfile.TemporaryDirectory() as folder:
    features = ops.features(written(Path(folder), FIRST, PREDICTION, model=CLASSIFIER))
ops.limits(running=SLOTS, waiting=IN_LINE, model=WRITER)
slots = asyncio.Semaphore(SLOTS)
line: set[object] = set()
gate = asyncio.Event()
app = FastAPI()
app.add_route("/metrics", ops.asgi_app())


@app.post("/predict")
def predict(rows: list[list[float]], terminate: bool = False) -> list[list[float]]:
    """Run the ONNX model; rows of a wrong length make it fail."""
    features.count_many(first=[row[0] for row in rows])
    options = onnxruntime.RunOptions()
    options.terminate = terminate
    (answer,) = session.run(None, {"x": np.array(rows, np.float32)}, options)
    features.count_many(prediction=[str(row[-1]) for row in answer])
    return [[float(value) for value in row] for row in answer]


@app.get("/generate")
async def generate(http: Request, tokens: int = 5, breaks: bool = False, held: bool = False) -> StreamingResponse:
    """Stream so many tokens, or the half of them; refuse when too many stand in line. `held` waits for the gate first."""
    if len(line) >= IN_LINE:
        with ops.request(WRITER):
            raise HTTPException(429)

    async def stream() -> AsyncIterator[str]:
        with ops.request(WRITER, user_agent=http.headers.get("user-agent")) as request:
            request.tokens(prompt=7, cached=3)
            line.add(request)
            try:
                with request.waiting():
                    await slots.acquire()
            finally:
                line.discard(request)
            try:
                if held:
                    await gate.wait()
                for number in range(tokens):
                    await asyncio.sleep(0.01)
                    request.first_token()
                    request.tokens(generated=1)
                    yield f"token{number} "
                    if breaks and number >= tokens // 2:
                        raise TimeoutError("provoked by a test")
            finally:
                slots.release()

    return StreamingResponse(stream())


@app.post("/open")
async def open_the_gate() -> None:
    """Let go on what is held."""
    gate.set()


def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        introduce(url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)).run(sockets=[listener])


if __name__ == "__main__":
    main()
