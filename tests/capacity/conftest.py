"""A real Prometheus with sixteen hours of models whose capacity is known."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.prometheus import Prometheus
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.samples import Series, Table
from tests.capacity import series, worlds
from tests.capacity.worlds import WINDOW

HOURS = 16
SCRAPE = 30
PLACES, SERVICE = 16, 10.0
"""Of every server: it carries 1.6 requests a second."""
MOST = PLACES / SERVICE
WATTS = 400.0


@pytest.fixture(scope="package")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Models: `full` (two replicas that are full twice), `quiet` (never), `wild` (all that goes wrong), `blind`, `short`, `idle`, `once`."""
    with Replay.started(tmp_path_factory.mktemp("prometheus")) as replay:
        scrapes = np.arange(0, HOURS * 3_600, SCRAPE, dtype=np.float64)
        # On the windows that are read, so that it does not matter when the tests are run.
        start = (time.time() - 60) // WINDOW * WINDOW - HOURS * 3_600
        table = Table(((start + scrapes) * 1000).astype(np.int64), _columns(scrapes))
        for body in bodies(table.written()):
            replay.prometheus.write(body)
        yield replay.prometheus


def _columns(scrapes: worlds.Floats) -> series.Columns:
    columns: series.Columns = {}
    for place, pod in enumerate(("full-0", "full-1")):
        columns |= _served("full", pod, scrapes, 1.15, place) | series.gpu(pod, f"GPU-{place}", scrapes, watts=WATTS)
    columns |= _served("quiet", "quiet-0", scrapes, 0.5, 2) | series.gpu(
        "quiet-0", "GPU-2", scrapes, watts=100, name="NVIDIA L4"
    )
    columns |= series.gpu("full-0", "GPU-9", scrapes, watts=WATTS, sharing="shared")  # which counts for nobody
    columns |= _wild(_served("wild", "wild-0", scrapes, 1.15, 3))
    columns |= _only(
        _served("blind", "blind-0", scrapes, 1.0, 4), "atlas_requests_total", "atlas_generation_tokens_total"
    )
    # Whoever tells of GPUs came when half of the time was over.
    columns |= _from(series.gpu("blind-0", "GPU-4", scrapes, watts=WATTS), len(scrapes) // 2)
    columns |= _only(
        _served("ungauged", "ungauged-0", scrapes, 1.15, 6), "atlas_requests_total", "atlas_request_duration_seconds"
    )
    # Whoever tells of autoscalers was silent for the last twenty minutes.
    columns |= _from(
        {Series(s.REPLICAS_MAXIMUM.name, (("model", "ungauged"),)): np.full(len(scrapes), 4.0)}, 0, -1_200 // SCRAPE
    )
    columns |= _from(_served("short", "short-0", scrapes, 1.0, 5), -3 * 3_600 // SCRAPE)
    idle = {one: np.zeros(len(scrapes)) for one in _served("idle", "idle-0", scrapes, 0.01, 0)}
    once = _from(_served("once", "once-0", scrapes, 0.3, 0), 1_000, 1_001)
    return columns | idle | once


def _served(model: str, pod: str, scrapes: worlds.Floats, peak: float, seed: int) -> series.Columns:
    rng = np.random.default_rng(seed)
    load = worlds.loads(int(HOURS * 3_600 / WINDOW), peak, rng, period=96)
    return series.server(worlds.served(rng, PLACES, SERVICE, load), scrapes, model, pod, slots=PLACES)


def _only(columns: series.Columns, *prefixes: str) -> series.Columns:
    return {one: values for one, values in columns.items() if one.name.startswith(prefixes)}


def _from(columns: series.Columns, first: int, last: int | None = None) -> series.Columns:
    """Return what was scraped from one scrape up to another."""
    scraped = np.zeros(HOURS * 3_600 // SCRAPE, dtype=np.bool_)
    scraped[first:last] = True
    return {one: np.where(scraped, values, np.nan) for one, values in columns.items()}


def _wild(columns: series.Columns) -> series.Columns:
    """Restart the server (counters begin again), lose half an hour of scrapes, and let gauges be below 0 for a while."""
    found: series.Columns = {}
    for one, values in columns.items():
        spoilt = values.astype(np.float64)
        if one.name.endswith(("_total", "_bucket", "_count", "_sum")):
            spoilt[700:] -= spoilt[700]
        elif one.name != "atlas_requests_capacity":
            spoilt[1_200:1_260] = -1.0
        spoilt[300:360] = np.nan
        found[one] = spoilt
    return found
