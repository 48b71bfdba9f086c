"""The page of a check has every distance that the JSON has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from atlas_ops.drift import check, fit, live
from atlas_ops.drift.report import page
from tests.drift import data

pytest.importorskip("matplotlib")


def test_the_page_shows_each_distance_of_each_feature(tmp_path: Path) -> None:
    path = data.parquet(tmp_path / "a.parquet", data.rows(2_000, seed=1))
    moved = data.parquet(tmp_path / "b.parquet", data.rows(2_000, seed=2, shift=0.5))
    reference = fit.fit([path], fit.Wish(model="m"), lambda what, rows: None)
    verdict = check.check(reference, live.read(reference, [moved], time=None, told=lambda rows: None))
    text = page.verdict(verdict, reference)
    heads = re.findall(r"<th[^>]*>([^<]+)</th>", text)
    assert heads == ["feature", "of limit", "PSI", "KS", "JS", "chi²", "what moved"]
    rows = {
        row[0]: row
        for row in ([*re.findall(r"<td[^>]*>([^<]*)<", line)] for line in text.splitlines() if "<td" in line)
    }
    for one in verdict.features:
        far = one.distances
        assert rows[one.feature.name][2] == f"{far.psi:.3f}"
        assert rows[one.feature.name][4:6] == [f"{far.js:.3f}", f"{far.chi2:,.1f}"]
