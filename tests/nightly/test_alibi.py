"""The real alibi-detect, in an environment of its own: its detectors through `drift fit` and `drift check`, and what the stand-in copies."""

from __future__ import annotations

import inspect
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.drift import data
from tests.drift.standin.alibi_detect import cd
from tests.nightly.install import python

ACCEPT = "--accept-alibi-licence"
MOVED: dict[str, dict[str, float]] = {
    "KSDrift": {"shift": 0.5},
    "CVMDrift": {"shift": 0.5},
    "ChiSquareDrift": {"rare": 0.2},
    "TabularDrift": {"rare": 0.2},
    "FETDrift": {},
}
_SIGNATURES = """
import inspect, json
from alibi_detect import cd
names = ("KSDrift", "CVMDrift", "ChiSquareDrift", "TabularDrift", "FETDrift")
print(json.dumps({name: list(inspect.signature(getattr(cd, name).__init__).parameters) for name in names}))
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python("alibi"), *arguments], capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("detector", MOVED)
def test_a_real_detector_finds_what_moved_and_nothing_where_nothing_did(tmp_path: Path, detector: str) -> None:
    before, same, moved = (
        data.parquet(tmp_path / f"{name}.parquet", data.rows(10_000, seed=seed, **shape))
        for name, seed, shape in (("before", 1, {}), ("same", 2, {}), ("moved", 2, MOVED[detector]))
    )
    reference = tmp_path / "r.json"
    options = ("--detector", f"alibi:{detector}", "--p-value", "0.001", ACCEPT)
    fitted = run("-m", "atlas_ops", "drift", "fit", str(before), "--output", str(reference), *options)
    assert fitted.returncode == 0, fitted.stderr
    assert checked(reference, same, tmp_path)["verdict"] == "no drift"
    if MOVED[detector]:
        found = checked(reference, moved, tmp_path)
        assert found["verdict"] == "drift"
        assert found["features"][0]["name"] == ("length" if "shift" in MOVED[detector] else "tenant")


def checked(reference: Path, live: Path, folder: Path) -> dict[str, Any]:
    output = folder / "verdict.json"
    done = run("-m", "atlas_ops", "drift", "check", str(reference), str(live), ACCEPT, "--json", str(output))
    assert done.returncode in (0, 1), done.stderr
    return dict(json.loads(output.read_text()))


def test_the_stand_in_takes_no_parameter_that_the_real_one_does_not_take() -> None:
    done = run("-c", _SIGNATURES)
    assert done.returncode == 0, done.stderr
    for name, real in json.loads(done.stdout.splitlines()[-1]).items():
        ours = list(inspect.signature(getattr(cd, name).__init__).parameters)
        assert set(ours) <= set(real), name


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("print(cd.KSDrift(np.full((50, 1), np.nan)).predict(np.ones((50, 1)))['data']['p_val'][0])", "nan"),
        (
            "cd.ChiSquareDrift(np.zeros((50, 1)), categories_per_feature={0: 3}).predict(np.ones((50, 1)))",
            "zero element",
        ),
        ("cd.FETDrift(np.full((50, 1), 2))", "must consist of only"),
    ],
)
def test_the_stand_in_refuses_what_the_real_one_refuses(script: str, said: str) -> None:
    done = run("-c", f"import numpy as np; from alibi_detect import cd; {script}")
    assert said in done.stdout + done.stderr
