"""A finder that watches the stand-in. Shared by the tests of Kubernetes discovery."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.exporter.discovery.kubernetes import PodFinder
from atlas_ops.exporter.discovery.pod_api import ApiServer, Selection
from atlas_ops.exporter.discovery.reflector import Pace
from tests.exporter.collectors import await_that
from tests.exporter.discovery.api_standin import TOKEN, ApiStandIn
from tests.exporter.discovery.pods import NAMESPACE, NODE

FAST = Pace(first=0.01, most=0.05, refused=0.05, longest_wish=0.3)


def token_file(folder: Path, token: str = TOKEN) -> str:
    path = folder / "token"
    path.write_text(token)
    return str(path)


@contextlib.contextmanager
def finding(
    api: ApiStandIn, folder: Path, *, label_selector: str = "", ca_file: str = "", pace: Pace = FAST
) -> Iterator[PodFinder]:
    server = ApiServer(url=api.url, token_file=token_file(folder), ca_file=ca_file)
    selection = Selection(namespace=NAMESPACE, node=NODE, label_selector=label_selector)
    finder = PodFinder(server, selection, shipped_dialects(), pace=pace)
    finder.start()
    try:
        yield finder
    finally:
        finder.stop()


def names(finder: PodFinder) -> list[str]:
    return [server.pod for server in finder.found()]


def await_pods(finder: PodFinder, *wanted: str) -> None:
    """Wait until these pods, and no others, are found."""
    await_that(lambda: names(finder) == sorted(wanted))


def works(finder: PodFinder) -> bool:
    (value,) = [sample.value for sample in finder.collect() if sample.signal is s.EXPORTER_DISCOVERY_SUCCESS]
    return value == 1
