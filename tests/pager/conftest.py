"""The two kinds of database that the pager's tests run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from atlas_ops.pager.store.store import Store
from atlas_ops.postgresql import Server
from tests.pager import postgres


@pytest.fixture(scope="session")
def server() -> Iterator[postgres.Postgres]:
    with postgres.running() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Path | Server:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return tmp_path / "pager.db"
    server: postgres.Postgres = request.getfixturevalue("server")
    return server.database()


@pytest.fixture
def store(address: Path | Server) -> Iterator[Store]:
    """A store in a database of either kind."""
    with closing(Store(address)) as opened:
        yield opened
