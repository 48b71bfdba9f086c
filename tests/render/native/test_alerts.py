"""The cases of the alert rules, told in vLLM's own metrics instead: what should fire, fires through the recording rules."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from atlas_ops.catalog import build_catalog
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.render import native, rules
from atlas_ops.settings import Native, Settings
from atlas_ops.stage.processes import program

CASES = Path(__file__).parents[2] / "alerts"
_SERIES = re.compile(r"(\w+)\{(.*)\}")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
NAMES = {
    s.REQUESTS_RUNNING.name: "vllm:num_requests_running",
    s.REQUESTS_WAITING.name: "vllm:num_requests_waiting",
    s.GENERATION_TOKENS.name: "vllm:generation_tokens_total",
    s.KV_CACHE_USAGE.name: "vllm:kv_cache_usage_perc",
    s.PREEMPTIONS.name: "vllm:num_preemptions_total",
    s.REQUESTS.name: "vllm:request_success_total",
}
LABELS = {
    c.SERVER: "instance", c.MODEL: "model_name", c.K8S_NAMESPACE: "namespace", c.K8S_POD: "pod", c.K8S_CONTAINER: "container",
    c.HOST_NAME: "node", "outcome": "finished_reason",
}  # fmt: skip
REASONS = {"ok": "stop", "cancelled": "abort", "error": "error"}


def in_vllms_words(series: str) -> str | None:
    """A series of the contract as vLLM tells it; None when it is of another runtime, or told by no metric."""
    found = _SERIES.fullmatch(series)
    assert found, series
    labels = dict(_LABEL.findall(found[2]))
    if labels.get(c.RUNTIME) != "vllm" or found[1] not in NAMES or c.SERVER not in labels:
        return None
    told = {native: labels[label] for label, native in LABELS.items() if label in labels} | {"job": "vllm"}
    name = NAMES[found[1]]
    if told.get("finished_reason") == "rejected":
        del told["finished_reason"]
        name = "vllm:admission_rejections_total"
    elif "finished_reason" in told:
        told["finished_reason"] = REASONS[told["finished_reason"]]
    return f"{name}{{{', '.join(f'{label}={json.dumps(value)}' for label, value in told.items())}}}"


def told_by_vllm(case: dict[str, Any], longest: int) -> dict[str, Any] | None:
    """A case in vLLM's own metrics, with Prometheus's word that the servers answer; None when it is not about vLLM alone."""
    inputs = [(in_vllms_words(one["series"]), one["values"]) for one in case["input_series"]]
    minutes = [re.match(r"(\d+)m", str(one["eval_time"])) for one in case["alert_rule_test"]]
    if not all(series for series, _ in inputs) or not all(found and int(found[1]) <= longest for found in minutes):
        return None
    where = {_target(series) for series, _ in inputs if series}
    series = [
        {"series": name, "values": values} for name, values in (*inputs, *((f"up{one}", "1+0x100") for one in where))
    ]
    return {**case, "input_series": series}


def _target(series: str) -> str:
    target = {"instance", "job", "namespace", "pod", "container", "node"}
    return "{" + ", ".join(f'{name}="{value}"' for name, value in _LABEL.findall(series) if name in target) + "}"


@pytest.mark.parametrize(
    ("family", "minutes", "fire"),
    [("capacity", 4, {"KvCachePressure", "QueueBacklog"}), ("availability", 8, {"EngineStalled"})],
)
def test_cases_of_vllm_that_take_some_minutes_hold_for_its_own_metrics(
    family: str, minutes: int, fire: set[str], tmp_path: Path
) -> None:
    documents = [yaml.safe_load((CASES / family / f"{fault}_test.yaml").read_text()) for fault in fire]
    told = [case for document in documents for one in document["tests"] if (case := told_by_vllm(one, minutes))]
    firing = {test["alertname"] for case in told for test in case["alert_rule_test"] if test["exp_alerts"]}
    assert firing == fire
    settings = Settings(native=(Native(runtime="vllm", job="vllm"),))
    files = rules.render(build_catalog(), settings) | native.render(build_catalog(), settings)
    for path in (f"alerts/{family}.yaml", "alerts/native/vllm.yaml"):
        (tmp_path / Path(path).name).write_text(files[path])
    tests = {
        "rule_files": [f"{family}.yaml", "vllm.yaml"],
        "evaluation_interval": documents[0]["evaluation_interval"],
        "group_eval_order": ["atlas-native-vllm", f"atlas-{family}"],
        "tests": told,
    }
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump(tests))
    done = subprocess.run(
        [program("promtool", "prometheus"), "test", "rules", "cases.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
