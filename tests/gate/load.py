"""A small load generator: `python load.py URL OUTPUT REQUESTS` posts with four clients and writes JSON lines for `atlas-ops gate`.

Standard library alone: it has to start in no time, for a test starts it two dozen times.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

CLIENTS = 4


def client(url: str, count: int, told: list[dict[str, object]]) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    for _ in range(count):
        start, began = time.time(), time.perf_counter()
        connection.request("POST", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        answer.read()
        took = time.perf_counter() - began
        told.append({"latency_seconds": took, "start_seconds": start, "error": answer.status != 200})
    connection.close()


def main() -> None:
    url, output, requests = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    told: list[dict[str, object]] = []
    threads = [threading.Thread(target=client, args=(url, requests // CLIENTS, told)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    output.write_text("".join(f"{json.dumps(one)}\n" for one in told), encoding="utf-8")


if __name__ == "__main__":
    main()
