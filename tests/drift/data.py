"""Rows of a made-up model for the tests of this folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

DAY = 86_400.0
MONDAY = 1_704_067_200.0
"""1 January 2024, in UTC."""


def rows(count: int, *, seed: int, shift: float = 0.0, rare: float = 0.05) -> dict[str, Any]:
    """Return columns: a length, a tenant of three (the last with the share `rare`), retries, and whether it went well."""
    chance = np.random.default_rng(seed)
    return {
        "length": np.exp(chance.normal(size=count) + shift),
        "tenant": chance.choice(["acme", "bolt", "zorn"], p=[0.7 - rare, 0.3, rare], size=count),
        "retries": chance.poisson(0.5, count),
        "ok": chance.random(count) < 0.95,
    }


def timed(count: int, days: float, *, seed: int, start: float = MONDAY, **shape: float) -> dict[str, Any]:
    """Return the same, with times in order, and lengths that follow the hour of the day."""
    columns = rows(count, seed=seed, **shape)
    at = np.sort(np.random.default_rng(seed + 1).uniform(start, start + days * DAY, count))
    columns["length"] *= np.exp(0.5 * np.sin(2 * np.pi * (at % DAY) / DAY))
    return {"at": pa.array((at * 1e6).astype(np.int64)).cast(pa.timestamp("us", "UTC")), **columns}


def parquet(path: Path, columns: dict[str, Any]) -> Path:
    """Write a Parquet file."""
    pyarrow.parquet.write_table(pa.table(columns), path, row_group_size=5_000)
    return path


def csv(path: Path, columns: dict[str, Any]) -> Path:
    """Write a CSV file."""
    pyarrow.csv.write_csv(pa.table(columns), path)
    return path


def json_lines(path: Path, columns: dict[str, Any]) -> Path:
    """Write JSON lines."""
    lines = (json.dumps(row, default=str) for row in pa.table(columns).to_pylist())
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
