"""What `atlas_ops.instrument` adds to a request, in microseconds, and what a scrape of its page costs.

Run by hand, never by the test command: `python benchmarks/instrument.py`. Each subject is done in a loop, in several
rounds; the fastest round counts, because whatever else the machine does only adds. The work that is measured is none at
all, so all of the time is the measuring.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from prometheus_client import CollectorRegistry

from atlas_ops.detect.embedding import embedding
from atlas_ops.detect.features import Feature, category, numeric
from atlas_ops.drift import reference
from atlas_ops.instrument import FeatureCounter, Instrument

ROUNDS = 7
MODELS = [f"model{number}" for number in range(10)]


class Session:
    """A session that does nothing."""

    def get_inputs(self) -> tuple[()]:
        """Return that it has no inputs."""
        return ()

    def run(self, output_names: object, input_feed: object, run_options: object = None) -> None:
        """Return at once."""


class Features:
    """Twenty features of a request, fifteen of them numbers, and an embedding of 768 numbers."""

    def __init__(self) -> None:
        chance = np.random.default_rng(1)
        words = [f"w{place}" for place in range(15)]
        self.rows = [
            {f"n{place}": float(chance.normal()) for place in range(15)}
            | {f"c{place}": str(chance.choice(words)) for place in range(5)}
            for _ in range(1_000)
        ]
        self.columns = {name: [row[name] for row in self.rows] for name in self.rows[0]}
        self.vectors = chance.normal(size=(1_000, 768))
        self._place = 0
        plain: list[Feature | None] = [numeric(f"n{place}", self.columns[f"n{place}"]) for place in range(15)]
        plain += [category(f"c{place}", self.columns[f"c{place}"]) for place in range(5)]
        topics = embedding("embedding", self.vectors)
        assert topics is not None
        features: tuple[Feature, ...] = (*(one for one in plain if one), *topics.features)
        counts = {one.name: np.ones(len(one.bins), dtype=np.int64) for one in features}
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.json"
            made = reference.Reference(
                model="model", made_at=0.0, start=None, end=None, rows=1_000,
                features=features, counts=counts, embeddings=(topics,),
            )  # fmt: skip
            reference.write(made, file)
            self.counter = FeatureCounter(file, registry=CollectorRegistry())

    def one(self) -> None:
        """Count those of a request."""
        self._place += 1
        self.counter.count(**self.rows[self._place % 1_000])

    def many(self) -> None:
        """Count those of a thousand."""
        self.counter.count_many(**self.columns)

    def vector(self) -> None:
        """Count an embedding."""
        self._place += 1
        self.counter.count(embedding=self.vectors[self._place % 1_000])


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
    subjects, features = Subjects(), Features()
    figures = {
        "request": fastest(subjects.request, times),
        "request, 8 threads": fastest(subjects.request, times, threads=8),
        "request that stood in line": fastest(subjects.queued, times),
        "run of an ONNX session": fastest(subjects.run, times),
        "stream of 100 tokens": fastest(subjects.streamed, times // 10),
        "20 features": fastest(features.one, times),
        "20 features of 1,000": fastest(features.many, 20),
        "embedding of 768 numbers": fastest(features.vector, times // 10),
        f"scrape of {len(MODELS)} models": fastest(subjects.scrape, 100),
    }
    print(f"{'':28}{'µs each':>10}")
    for name, microseconds in figures.items():
        print(f"{name:28}{microseconds:10.1f}")


if __name__ == "__main__":
    main()
