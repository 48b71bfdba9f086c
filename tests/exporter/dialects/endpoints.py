"""What a runtime's endpoints tell, asked of a server on loopback. Shared by the tests of single dialects."""

from __future__ import annotations

from collections.abc import Mapping

from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.exporter.asking import Asking
from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.fetch import Fetcher
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.places import Places
from atlas_ops.exporter.scrape_state import ScrapeFailure
from atlas_ops.exporter.watched_server import WatchedServer
from atlas_ops.settings import Exporter, Server
from tests.exporter.fake_server import Behaviour, answer, serving


def asked(runtime: str, answers: Mapping[str, str | Behaviour], *models: str) -> Asking:
    """The endpoints of a server, all at one address, after one round; `answers` by path, any other path is a 404."""
    dialect = next(dialect for dialect in shipped_dialects() if dialect.runtime == runtime)
    with serving(answer("", status=404)) as server:
        server.behaviours |= {path: answer(text) if isinstance(text, str) else text for path, text in answers.items()}
        here = Server(url=server.url, api_url=server.url, management_url=server.url)
        asking = Asking(dialect, Places(here, dialect))
        asking.round(Fetcher(max_bytes=1_000_000), models, Deadline(20))
    return asking


def values(asking: Asking) -> dict[tuple[str, str], float]:
    """Every value that was told, by signal and model."""
    return {(signal.name, told.model): told.value for signal, told in asking.values()}


def failure(runtime: str, page: Behaviour) -> ScrapeFailure:
    """Why this page of a server of this runtime brings nothing."""
    with serving(page) as server:
        settings = Server(url=server.url, runtime=runtime)
        watched = WatchedServer(settings, Identity(server="s"), Exporter(), shipped_dialects(), lambda: None)
        try:
            samples = watched.scrape(Deadline(20))
        except ScrapeFailure as found:
            return found
    raise AssertionError(f"the page told {len(samples)} samples")
