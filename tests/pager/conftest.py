"""What most tests of the pager run on: databases of two kinds, a stand-in for Slack, and a delivery from one to the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from atlas_ops.pager.store import outbox
from atlas_ops.pager.store.store import Store
from atlas_ops.postgresql import Server
from atlas_ops.stage.slack_standin import SlackStandIn
from tests.pager import postgres
from tests.pager.rig import Rig, delivering, standing_slack


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


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    """A stand-in for Slack that is as fast as the tests."""
    with standing_slack() as standing:
        yield standing


@pytest.fixture
def rig(tmp_path: Path, address: Path | Server, slack: SlackStandIn) -> Iterator[Rig]:
    """A delivery to that stand-in, on a database of either kind."""
    with delivering(tmp_path, slack, database=address) as made:
        yield made


@pytest.fixture
def short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let claims of pagers that are gone end soon."""
    monkeypatch.setattr(outbox, "LEASE_SECONDS", 0.5)
