"""A real Ray, in an environment of its own: `atlas_ops.drift.ray` counts there what is counted here."""

from __future__ import annotations

import os
import subprocess

from tests.nightly.install import ROOT, python


def test_a_real_ray_counts_the_same_bit_for_bit() -> None:
    done = subprocess.run(
        [python("ray"), "-m", "pytest", "-p", "no:cacheprovider", "-rA", "tests/drift/test_ray.py"],
        capture_output=True, text=True, check=False, timeout=300, cwd=ROOT, env={**os.environ, "ATLAS_OPS_RAY": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED tests/drift/test_ray.py::test_a_real_ray" in done.stdout
