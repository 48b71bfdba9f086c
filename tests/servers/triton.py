"""A real Triton server on loopback, and a load that is more than it can serve.

Tests that claim something about a saturated server call `running_triton` and `overload`: the queue that they watch is
then Triton's own, on Triton's own /metrics page, and nothing about it is made up.

The binary comes with the PyPI package `nvidia-pytriton`. That package's Python API is never imported (nor are its
dependencies): it refuses to run on interpreters of another patch level than the one it was built with, the bare
`tritonserver` does not.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from atlas_ops.errors import EnvironmentProblem

MODEL = "slow-classifier"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
START_SECONDS = 60.0  # two seconds on an idle machine
STOP_SECONDS = 15.0  # two seconds without requests; Triton looks once a second whether its models are gone

CONFIG = """\
backend: "python"
max_batch_size: 0
input [{ name: "SECONDS" data_type: TYPE_FP32 dims: [ 1 ] }]
output [{ name: "LABEL" data_type: TYPE_INT32 dims: [ 1 ] }]
instance_group [{ kind: KIND_CPU count: 1 }]
"""

CODE = """\
import time

import numpy
import triton_python_backend_utils as backend


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        time.sleep(float(backend.get_input_tensor_by_name(request, "SECONDS").as_numpy()[0]))
        return backend.InferenceResponse([backend.Tensor("LABEL", numpy.zeros(1, numpy.int32))])
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class TritonServer:
    """A Triton that is ready: where it answers, and the one model that it serves, one request at a time."""

    http_url: str
    metrics_url: str
    model: str


@contextlib.contextmanager
def running_triton(work: Path) -> Iterator[TritonServer]:
    """Start Triton with its files under `work`; when the block ends no process of it is left.

    Raises EnvironmentProblem with what to install when the machine lacks a part, and with the end of the server's log
    when it is not ready in `START_SECONDS`.
    """
    installed = _installed()
    stub = installed / "python_backend_stubs" / PYTHON / "triton_python_backend_stub"
    environment = _environment()
    _refuse_missing_libraries(stub, environment)
    _lay_out(work, installed, stub)
    http, metrics = _free_ports()
    server = TritonServer(
        http_url=f"http://127.0.0.1:{http}", metrics_url=f"http://127.0.0.1:{metrics}/metrics", model=MODEL
    )
    region = f"triton_test_{secrets.token_hex(4)}_"
    log = work / "tritonserver.log"
    process = _start(_command(installed, http, metrics, region), work, environment, log)
    try:
        _await_ready(server, process, log)
        yield server
    finally:
        _stop(process)
        for left in Path("/dev/shm").glob(f"{region}*"):  # a killed server leaves its shared memory behind
            left.unlink(missing_ok=True)


@contextlib.contextmanager
def overload(server: TritonServer, *, clients: int = 40, request_seconds: float = 0.2) -> Iterator[None]:
    """Keep `clients` requests, each `request_seconds` of work, in flight until the block ends.

    The model serves one at a time, so all but one or two of them wait. Leaving the block takes up to
    `clients * request_seconds`: Triton serves what it has queued even when the client hangs up. A request that fails
    ends its client and is raised here, after the block.
    """
    stop = threading.Event()
    request = {"name": "SECONDS", "shape": [1], "datatype": "FP32", "data": [request_seconds]}
    body = json.dumps({"inputs": [request]}).encode()
    patience = 10 + 2 * clients * request_seconds
    with ThreadPoolExecutor(clients) as pool:
        working = [pool.submit(_keep_asking, server, body, patience, stop) for _ in range(clients)]
        try:
            yield
        finally:
            stop.set()
    for client in working:
        client.result()


def fetch(url: str) -> str:
    """The body of the page at a loopback `url`; past any proxy. Raises OSError unless the status is 200."""
    address = urlsplit(url)
    with contextlib.closing(HTTPConnection(address.netloc, timeout=5)) as connection:
        connection.request("GET", address.path)
        return _body(connection)


def _keep_asking(server: TritonServer, body: bytes, patience: float, stop: threading.Event) -> None:
    with contextlib.closing(HTTPConnection(urlsplit(server.http_url).netloc, timeout=patience)) as connection:
        while True:  # at least one each, so that even an empty block meets the server's refusal
            connection.request("POST", f"/v2/models/{server.model}/infer", body)
            _body(connection)
            if stop.is_set():
                return


def _body(connection: HTTPConnection) -> str:
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        raise OSError(f"Triton answered {answer.status}: {text[:500]}")
    return text


def _installed() -> Path:
    """The folder of the package that holds the binary, the backend and its stubs, found without importing it."""
    package = importlib.util.find_spec("pytriton")
    folders = (package.submodule_search_locations if package else None) or []
    for folder in folders:
        if (Path(folder) / "tritonserver" / "bin" / "tritonserver").is_file():
            return Path(folder) / "tritonserver"
    raise EnvironmentProblem(
        f"the Triton server that this test needs is not installed for {sys.executable}",
        next_step="pip install 'nvidia-pytriton==0.7.0' (Linux on x86-64 only), or the `test` extra of this project",
    )


def _lay_out(work: Path, installed: Path, stub: Path) -> None:
    """Write the folders `backends` and `models` under `work`.

    Triton takes the stub from beside the backend, and the package keeps one per Python version elsewhere: hence links.
    """
    backend = work / "backends" / "python"
    backend.mkdir(parents=True)
    for source in (*(installed / "backends" / "python").glob("*triton_python*.*"), stub):
        (backend / source.name).symlink_to(source)
    model = work / "models" / MODEL
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text(CONFIG)
    (model / "1" / "model.py").write_text(CODE)


def _environment() -> dict[str, str]:
    """What the server sees: the running interpreter first, and no accelerator.

    The stub embeds Python: it finds its packages by the first `python3` on PATH, and must load that interpreter's own
    libpython, not the distribution's.
    """
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
        "LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR")),
        "CUDA_VISIBLE_DEVICES": "",
    }


def _refuse_missing_libraries(stub: Path, environment: dict[str, str]) -> None:
    """Ask the loader first: a stub that cannot start makes Triton wait half a minute, then say little."""
    report = subprocess.run(["ldd", str(stub)], env=environment, capture_output=True, text=True, check=False)
    missing = [line.split()[0] for line in report.stdout.splitlines() if "not found" in line]
    if missing or report.returncode:
        raise EnvironmentProblem(
            f"Triton's Python backend cannot load {', '.join(missing) or stub}: {report.stderr.strip()}",
            next_step=f"Debian: apt-get install libpython{PYTHON}",
        )


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return int(one.getsockname()[1]), int(other.getsockname()[1])


def _command(installed: Path, http_port: int, metrics_port: int, region: str) -> tuple[str, ...]:
    """Loopback only, no gRPC; `region` begins the names of the shared memory that server and stub talk through.

    Folders are relative to the work folder: Triton starts its stub by a shell command and does not quote paths in it.
    """
    return (
        *(str(installed / "bin" / "tritonserver"), "--model-repository=models", "--backend-directory=backends"),
        *("--http-address=127.0.0.1", f"--http-port={http_port}", "--allow-grpc=false"),
        *("--metrics-address=127.0.0.1", f"--metrics-port={metrics_port}", "--allow-gpu-metrics=false"),
        *("--exit-timeout-secs=5", f"--backend-config=python,shm-region-prefix-name={region}"),
    )


def _start(command: tuple[str, ...], work: Path, environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a process group of its own, so that the stub can be ended with it
        )


def _await_ready(server: TritonServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError, HTTPException):
            fetch(f"{server.http_url}/v2/health/ready")
            fetch(server.metrics_url)
            return
        time.sleep(0.05)
    state = f"ended with status {process.returncode}" if process.returncode is not None else "was not ready in time"
    raise EnvironmentProblem(f"Triton {state}; the end of {log}:\n{log.read_text(errors='replace')[-6000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Let the server end its stub; whatever is left of the process group after `STOP_SECONDS` is killed."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
