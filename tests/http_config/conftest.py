"""One Prometheus, one proxy before it and one Alertmanager, each of which wants a login, for all tests of this folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from atlas_ops.catalog import conventions as c
from atlas_ops.cli import main
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.samples import Series, Written
from tests.http_config import rig
from tests.http_config.rig import Guarded

WAIT = "server:atlas_queue_wait:predicted_seconds"
LABELS = (("model", "llama-3-8b"), ("server", "10.0.0.1:8000"))
FIRED = (("alertname", "GpuLost"), ("alertstate", "firing"), (c.SEVERITY, "page"), ("node", "gpu-07"))


def _written(series: Series, first: float, last: float, value: float) -> Written:
    times = np.arange(first, last, 15.0)
    return Written(series, (1000 * times).astype(np.int64), np.full(len(times), value))


@pytest.fixture(scope="package")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """It knows of a page that is over, and of a wait of 42 s."""
    with rig.prometheus(tmp_path_factory.mktemp("prometheus")) as guarded:
        now = time.time()
        over = _written(Series("ALERTS", FIRED), now - 1800, now - 1200, 1.0)
        waits = _written(Series(WAIT, LABELS), now - 900, now + 900, 42.0)
        with closing(rig.client(guarded)) as client:
            for body in bodies([over, waits]):
                client.write(body)
        yield guarded


@pytest.fixture(scope="package")
def proxied(tmp_path_factory: pytest.TempPathFactory, prometheus: Guarded) -> Iterator[Guarded]:
    """The same Prometheus, behind a proxy that wants a token and a tenant."""
    with rig.proxy(tmp_path_factory.mktemp("proxy"), prometheus) as guarded:
        yield guarded


@pytest.fixture(scope="package")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with rig.alertmanager(tmp_path_factory.mktemp("alertmanager")) as guarded:
        yield guarded


@pytest.fixture(params=["password over TLS", "token and tenant"])
def guarded(request: pytest.FixtureRequest) -> Guarded:
    """Each of the two ways to Prometheus."""
    name = "prometheus" if request.param == "password over TLS" else "proxied"
    found: Guarded = request.getfixturevalue(name)
    return found


@pytest.fixture(scope="package")
def references(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a reference of a model that nobody counts."""
    folder = tmp_path_factory.mktemp("references")
    rows = folder.parent / "fraud.csv"
    rows.write_text("amount,kind\n" + "".join(f"{row % 97}.5,{'abc'[row % 3]}\n" for row in range(3000)))
    assert main(["drift", "fit", str(rows), "--output", str(folder / "fraud.json")]) == 0
    return folder
