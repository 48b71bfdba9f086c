"""A real server as the exporter shows it: scraped over HTTP, recognised, and translated."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.catalog.model import Signal, SignalType
from atlas_ops.exporter.identity import Identity, name_servers
from atlas_ops.exporter.samples import Sample
from atlas_ops.exporter.server_collector import ServerCollector
from atlas_ops.settings import Exporter, Server
from tests.exporter.pages import Told
from tests.servers.page import PATIENCE


@dataclass(frozen=True, slots=True)
class Exported:
    """The exporter's view of one server."""

    collector: ServerCollector

    def page(self) -> Told:
        """Return what the next result tells."""
        last = self.collector.version()
        deadline = time.monotonic() + PATIENCE
        while self.collector.version() == last and time.monotonic() < deadline:
            time.sleep(0.005)
        return Told(tuple(self.collector.collect()), {})

    def outcomes(self) -> Counter[str]:
        """Return requests by how they ended, without the zeros."""
        ended: Counter[str] = Counter()
        for sample in self.page().matching(s.REQUESTS):
            ended[dict(sample.labels)["outcome"]] += int(sample.value)
        return +ended

    def total(self, signal: Signal, part: str = "") -> float:
        """Return the sum over all models."""
        return sum(sample.value for sample in self.page().matching(signal, part))


def fallen(pages: Sequence[Told]) -> list[Sample]:
    """Return what is lower on a page than on the one before it, and may not be."""
    found = []
    for before, after in pairwise(pages):
        last = {(sample.signal.name, sample.part, sample.labels): sample.value for sample in before.samples}
        found += [
            sample
            for sample in after.samples
            if sample.signal.type is not SignalType.GAUGE
            and sample.value < last.get((sample.signal.name, sample.part, sample.labels), 0)
        ]
    return found


@contextlib.contextmanager
def exported(url: str) -> Iterator[Exported]:
    """Watch the server at `url`, of which nothing is known but a name for its model."""
    server = Server(url=url, model="classifier")
    (name,) = name_servers([server])
    settings = Exporter(interval_seconds=0.05, timeout_seconds=PATIENCE)
    collector = ServerCollector(server, Identity(server=name), settings, shipped_dialects())
    collector.start()
    try:
        yield Exported(collector)
    finally:
        collector.stop()
