"""Capacity and cost out of a real Prometheus."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from atlas_ops.cli import main
from atlas_ops.prometheus import Prometheus
from tests.capacity.conftest import HOURS, MOST, WATTS

DAYS = str(HOURS / 24)
PRICES = "currency: EUR\ngpus:\n  - {name: NVIDIA H100*, per_hour: 3}\n"


def capacity(prometheus: Prometheus, model: str, *words: object) -> int:
    return main(["capacity", "--prometheus", prometheus.url, "--model", model, "--days", DAYS, *map(str, words)])


def test_all(prometheus, tmp_path, capsys):
    import time

    for m in ("full", "quiet", "wild", "blind", "ungauged", "short", "idle", "once", "*"):
        t = time.time()
        rc = capacity(prometheus, m)
        print(rc, time.time() - t)
        print(capsys.readouterr(), file=open("/tmp/cap/out.txt", "a"))
