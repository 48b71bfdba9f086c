"""A real k6: what the gate makes of it, from running it in turns to the verdict."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from atlas_ops.cli import main
from tests.nightly.install import folder

SCRIPT = """
import http from 'k6/http';
export default function () { http.get(__ENV.URL); }
"""


@contextmanager
def answering(seconds: float) -> Iterator[str]:
    """A server that takes so long for each answer; yields its URL."""

    class Slow(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(seconds)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(("canary", "codes"), [(0.03, {0, 3}), (0.06, {1})])
def test_a_release_that_takes_twice_as_long_fails_and_one_that_does_not_differ_does_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], canary: float, codes: set[int]
) -> None:
    script = tmp_path / "load.js"
    script.write_text(SCRIPT)
    options = "--quiet --no-usage-report --vus 2 --iterations 100"
    command = f"{folder('k6') / 'bin' / 'k6'} run {options} --out json={{output}} -e URL={{url}} {script}"
    with answering(0.03) as old, answering(canary) as new:
        code = main(["gate", "--run", command, "--baseline-url", old, "--canary-url", new, "--runs", "6"])
    said = capsys.readouterr().out
    assert code in codes, said
    assert ("request latency p50 is worse by at least" in said) == (code == 1)
