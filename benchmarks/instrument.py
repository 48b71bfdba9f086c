"""What `atlas_ops.instrument` adds to a request, in microseconds, and what a scrape of its page costs.

Run by hand, never by the test command: `python benchmarks/instrument.py`. Each subject is done in a loop, in several
rounds; the fastest round counts, because whatever else the machine does only adds. The work that is measured is none at
all, so all of the time is the measuring.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable

from atlas_ops.instrument import Instrument

ROUNDS = 7
MODELS = [f"model{number}" for number in range(10)]


class Session:
    """A session that does nothing."""

    def get_inputs(self) -> tuple[()]:
        """Return that it has no inputs."""
        return ()

    def run(self, output_names: object, input_feed: object, run_options: object = None) -> None:
        """Return at once."""


class Subjects:
    """What is timed; each method is one request, or one scrape."""

    def __init__(self) -> None:
        self.ops = Instrument(*MODELS)
        self.session = self.ops.onnx(Session())
        for model in MODELS:
            with self.ops.request(model):
                pass

    def request(self) -> None:
        """Answer at once."""
        with self.ops.request():
            pass

    def queued(self) -> None:
        """Stand in line before."""
        with self.ops.request() as one, one.waiting():
            pass

    def streamed(self) -> None:
        """Send a hundred tokens one by one."""
        with self.ops.request() as one:
            one.tokens(prompt=10)
            for _ in range(100):
                one.first_token()
                one.tokens(generated=1)

    def run(self) -> None:
        """Run a session."""
        self.session.run(None, {})

    def scrape(self) -> None:
        """Show the page."""
        self.ops.text()


def fastest(work: Callable[[], None], times: int, threads: int = 1) -> float:
    """Return the microseconds for each of `times`, which so many threads do together."""
    return min(_round(work, times, threads) for _ in range(ROUNDS)) * 1e6


def _round(work: Callable[[], None], times: int, threads: int) -> float:
    def repeat() -> None:
        for _ in range(times // threads):
            work()

    workers = [threading.Thread(target=repeat) for _ in range(threads)]
    began = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return (time.perf_counter() - began) / times


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Time what atlas_ops.instrument adds to a request.")
    parser.add_argument("--times", type=int, default=5000, help="requests in each round")
    times = parser.parse_args().times
    subjects = Subjects()
    figures = {
        "request": fastest(subjects.request, times),
        "request, 8 threads": fastest(subjects.request, times, threads=8),
        "request that stood in line": fastest(subjects.queued, times),
        "run of an ONNX session": fastest(subjects.run, times),
        "stream of 100 tokens": fastest(subjects.streamed, times // 10),
        f"scrape of {len(MODELS)} models": fastest(subjects.scrape, 100),
    }
    print(f"{'':28}{'µs each':>10}")
    for name, microseconds in figures.items():
        print(f"{name:28}{microseconds:10.1f}")


if __name__ == "__main__":
    main()
