"""What the exporter costs, and how fast a scrape of it is, against Debian's prometheus-node-exporter in the same run.

Run by hand (`make bench`), never by the test command. It starts, one after the other and in several rounds, so that a busy
machine is busy for all of them:

- atlas-ops with 1, 8 and 16 simulated H100s, every signal on, the 10 Hz throttle sampler running,
- node_exporter with a single collector: the nearest to serving a page and doing nothing else,
- node_exporter as Debian ships it.

The GPUs are `atlas_ops.simulator`'s, behind the real NVML binding in the exporter's own process: their answers cost Python
time that a driver would not cost, and no system call that a driver would make.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
NODE_EXPORTER = "prometheus-node-exporter"
SINGLE = "node_exporter, one collector"
START_SECONDS = 30.0


@dataclass(frozen=True)
class Subject:
    """One exporter: its name in the table, and its command with `{port}` in it."""

    name: str
    command: tuple[str, ...]


@dataclass
class Figures:
    """What was measured of one subject, over all rounds. Times in seconds."""

    scrapes: list[float] = field(default_factory=list)
    cpu_share: list[float] = field(default_factory=list)
    """Processor time against time, while nobody scraped: collecting and sampling alone."""
    scrape_cpu: list[float] = field(default_factory=list)
    """Processor time for each scrape."""
    memory: list[int] = field(default_factory=list)
    page_bytes: int = 0
    series: int = 0


def subjects(gpus: Sequence[int]) -> tuple[Subject, ...]:
    """Return what is compared."""
    itself = (sys.executable, str(Path(__file__).resolve()), "--port", "{port}", "--serve")
    listen = f"--web.listen-address={HOST}:{{port}}"
    lean = (NODE_EXPORTER, listen, "--collector.disable-defaults", "--collector.loadavg")
    return (
        *(Subject(f"atlas-ops, {count} GPUs", (*itself, str(count))) for count in gpus),
        Subject(SINGLE, lean),
        Subject("node_exporter, as shipped", (NODE_EXPORTER, listen)),
    )


def serve(gpus: int, port: int) -> None:
    """Be the exporter, with `gpus` simulated H100s, until the process is ended: all that the command does but its reload."""
    # Imported here: the measuring process needs none of it, and the one that is measured nothing else.
    from atlas_ops.cli.exporter_parts import Machine, plan_collectors
    from atlas_ops.exporter.service import Service
    from atlas_ops.exporter.web.guard import Guard
    from atlas_ops.settings import Settings
    from atlas_ops.simulator import SimulatedNode

    node = SimulatedNode("h100", driver="580.82", gpus=gpus)
    with Service(HOST, port, Guard(None)) as service:
        service.start()
        service.use(
            plan_collectors(Settings(), Machine(host_name="node-1", nvml_library=node.library), ()),
            first_round_seconds=START_SECONDS,
        )
        threading.Event().wait()


@contextlib.contextmanager
def running(subject: Subject) -> Iterator[tuple[int, int]]:
    """Run a subject; yields its process id and port once it answers."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = int(probe.getsockname()[1])
    command = [part.format(port=port) for part in subject.command]
    environment = {**os.environ, "GOMAXPROCS": "1"}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment) as process:
        try:
            end = time.monotonic() + START_SECONDS
            while True:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    if scrape(http.client.HTTPConnection(HOST, port, timeout=10)):
                        break
                if process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"{subject.name} does not start: {' '.join(command)}")
                time.sleep(0.1)
            yield process.pid, port
        finally:
            process.terminate()


def scrape(connection: http.client.HTTPConnection) -> bytes:
    """Scrape once, as Prometheus does: gzip, and the connection kept."""
    connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    return connection.getresponse().read()


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_bytes(pid: int) -> int:
    """Memory resident for a process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE


def measure(subject: Subject, figures: Figures, *, scrapes: int, idle: float) -> None:
    """One round: let it be for `idle` seconds, then scrape it `scrapes` times, one after the other."""
    with running(subject) as (pid, port):
        time.sleep(2)
        began, before = time.monotonic(), cpu_seconds(pid)
        time.sleep(idle)
        figures.cpu_share.append((cpu_seconds(pid) - before) / (time.monotonic() - began))
        connection = http.client.HTTPConnection(HOST, port, timeout=10)
        scrape(connection)
        before = cpu_seconds(pid)
        for _ in range(scrapes):
            start = time.perf_counter()
            body = scrape(connection)
            figures.scrapes.append(time.perf_counter() - start)
        figures.scrape_cpu.append((cpu_seconds(pid) - before) / scrapes)
        figures.memory.append(resident_bytes(pid))
        connection.close()
        connection.request("GET", "/metrics")
        text = connection.getresponse().read()
        figures.page_bytes = len(body)
        figures.series = sum(not line.startswith(b"#") for line in text.splitlines())
        connection.close()


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def table(found: dict[str, Figures]) -> str:
    """Return the figures as text, with ratios against node_exporter with one collector."""
    peer = statistics.median(found[SINGLE].scrapes)
    head = f"{'':28}{'series':>8}{'gzip kB':>9}{'p50 ms':>9}{'p99 ms':>9}{'p50 ratio':>11}{'CPU idle %':>12}{'CPU s/h':>9}{'RSS MiB':>9}"
    lines = [head]
    for name, figures in found.items():
        p50 = statistics.median(figures.scrapes)
        idle = statistics.median(figures.cpu_share)
        hour = 3600 * idle + 240 * statistics.median(figures.scrape_cpu)
        lines.append(
            f"{name:28}{figures.series:>8}{figures.page_bytes / 1000:>9.1f}{1000 * p50:>9.2f}"
            f"{1000 * percentile(figures.scrapes, 0.99):>9.2f}{p50 / peer:>11.2f}{100 * idle:>12.2f}"
            f"{hour:>9.1f}{max(figures.memory) / 2**20:>9.1f}"
        )
    lines.append(
        "p50 ratio: against node_exporter with one collector. CPU s/h: idle share and a scrape each 15 s, for an hour."
    )
    return "\n".join(lines)


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--gpus", type=int, nargs="+", default=[1, 8, 16], metavar="N", help="fleet sizes (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds over all subjects (%(default)s)")
    parser.add_argument("--scrapes", type=int, default=300, help="scrapes in each round (%(default)s)")
    parser.add_argument("--idle", type=float, default=20.0, help="seconds without a scrape in each round (%(default)s)")
    parser.add_argument("--serve", type=int, metavar="N", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve(args.serve, args.port)
    if not shutil.which(NODE_EXPORTER):
        raise SystemExit(f"{NODE_EXPORTER} is missing: apt-get install {NODE_EXPORTER}")
    found: dict[str, Figures] = {}
    for number in range(args.rounds):
        for subject in subjects(args.gpus):
            print(f"round {number + 1} of {args.rounds}: {subject.name}", file=sys.stderr, flush=True)
            measure(subject, found.setdefault(subject.name, Figures()), scrapes=args.scrapes, idle=args.idle)
    print(table(found))
    return None


if __name__ == "__main__":
    main()
