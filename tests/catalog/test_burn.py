"""Shares over long windows that are put together from counts of a minute are those of the raw counters, within half a point."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import yaml

from atlas_ops.catalog import build_catalog

_SERIES = 'atlas_requests_total{runtime="vllm", model="m", k8s_namespace_name="n", outcome="%s"}'
_WINDOWS = ("5m", "30m", "1h", "2h")


def test_the_recorded_shares_are_those_of_the_raw_counters(tmp_path: Path) -> None:
    fault = build_catalog().fault("AvailabilitySloBurn")
    assert fault is not None
    rules = [{"record": recording.name, "expr": recording.expr} for recording in fault.recordings]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "burn", "rules": rules}]}))
    bad = 'rate(atlas_requests_total{outcome="error"}[%s])'
    differences = [
        f"abs(model:atlas_availability_bad:increase{window} / model:atlas_availability_all:increase{window}"
        f" - sum by (runtime, model, k8s_namespace_name) ({bad % window})"
        f" / sum by (runtime, model, k8s_namespace_name) (rate(atlas_requests_total[{window}]))) > bool 0.005"
        for window in _WINDOWS
    ]
    expected = [{"labels": '{runtime="vllm", model="m", k8s_namespace_name="n"}', "value": 0}]
    # Errors come and go, 150 minutes of samples every 15 s. Counts lag behind a change by up to a minute: no case is that near one.
    errors = "0+0x199 0+4x100 400+0x99 400+9x100 1300+1x99"
    answers = "0+20x199 3980+60x400"
    case = {
        "interval": "15s",
        "input_series": [
            {"series": _SERIES % "error", "values": errors},
            {"series": _SERIES % "ok", "values": answers},
        ],
        "promql_expr_test": [
            {"expr": expr, "eval_time": when, "exp_samples": expected}
            for expr in differences
            for when in ("1h23m", "2h28m")
        ],
    }
    document = {"rule_files": ["rules.yaml"], "evaluation_interval": "15s", "tests": [case]}
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump(document))
    promtool = shutil.which("promtool")
    assert promtool, "promtool has to be installed"
    done = subprocess.run(
        [promtool, "test", "rules", "cases.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
