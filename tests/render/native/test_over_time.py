"""What native mode records while servers come, go, hang and begin anew."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from atlas_ops.catalog import build_catalog
from atlas_ops.render import native, rules
from atlas_ops.settings import Exporter, Native, Settings
from atlas_ops.stage.processes import program

KSERVE = 'job="kserve", instance="10.0.0.5:8080"'
BEGUN = f'request_preprocess_seconds_count{{{KSERVE}, model_name="m"}}'
FINISHED = f'request_postprocess_seconds_count{{{KSERVE}, model_name="m"}}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The rule files of two runtimes and of the alerts."""
    return written(
        tmp_path, Settings(native=(Native(runtime="vllm", job="vllm"), Native(runtime="kserve", job="kserve")))
    )


def written(folder: Path, settings: Settings) -> Path:
    for path, text in (rules.render(build_catalog(), settings) | native.render(build_catalog(), settings)).items():
        (folder / Path(path).name).write_text(text)
    return folder


def hold(
    folder: Path,
    series: Mapping[str, str],
    expected: Mapping[str, Mapping[str, list[float]]],
    *,
    alerts: Sequence[str] = (),
) -> None:
    """Assert {time: {expression: values}} of series that are scraped every 15 s; each group is evaluated as often."""
    tests = [
        {
            "expr": f"sort({expr})",
            "eval_time": time,
            "exp_samples": [{"labels": "{}", "value": value} for value in values],
        }
        for time, exprs in expected.items()
        for expr, values in exprs.items()
    ]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    document = {
        "rule_files": [path.name for path in folder.glob("*.yaml") if path.stem in (*alerts, *_runtimes(series))],
        "evaluation_interval": "15s",
        "tests": [{"interval": "15s", "input_series": inputs, "promql_expr_test": tests}],
    }
    (folder / "test.yml").write_text(yaml.safe_dump(document))
    command = [program("promtool", "prometheus"), "test", "rules", "test.yml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _runtimes(series: Mapping[str, str]) -> set[str]:
    return {runtime for runtime in ("vllm", "kserve", "mine") if any(f'job="{runtime}"' in name for name in series)}


def errors(window: str = "") -> str:
    counted = 'atlas_requests_total{runtime="kserve", outcome="error"}'
    return f"sum(increase({counted}[{window}]))" if window else f"sum({counted})"


def test_requests_that_run_are_no_failures_and_those_that_never_end_are_counted_after_a_minute(folder: Path) -> None:
    series = {
        f"up{{{KSERVE}}}": "1x40",
        # Ten requests run all the time, each for 15 s; after three minutes five never end.
        BEGUN: "10+10x40",
        FINISHED: "0+10x12 125+10x28",
    }
    hold(
        folder, series, {"2m": {errors(): [10]}, "3m": {errors(): [10]}, "5m": {errors(): [15]}, "9m": {errors(): [15]}}
    )


def test_failures_that_were_told_stay_told_while_fewer_requests_run(folder: Path) -> None:
    series = {f"up{{{KSERVE}}}": "1x40", BEGUN: "100x40", FINISHED: "40x10 90x30"}
    hold(folder, series, {"2m": {errors(): [60]}, "8m": {errors(): [60], errors("5m"): [0]}})


def test_a_server_that_begins_anew_begins_to_count_anew(folder: Path) -> None:
    series = {f"up{{{KSERVE}}}": "1x40", BEGUN: "100x10 3x30", FINISHED: "40x10 3x30"}
    hold(folder, series, {"2m": {errors(): [60]}, "5m": {errors(): [0], errors("2m"): [0]}})


def test_a_lost_scrape_makes_no_failures_of_what_runs(folder: Path) -> None:
    series = {f"up{{{KSERVE}}}": "1x40", BEGUN: "100x12 stale _x2 100x25", FINISHED: "40x12 stale _x2 55x25"}
    hold(folder, series, {"9m": {errors(): [60], errors("7m"): [0]}})


def test_a_server_that_does_not_answer_is_unreachable_and_pages(folder: Path) -> None:
    target = 'job="vllm", instance="10.0.0.6:8000", pod="llama-0", namespace="chat", node="gpu-1"'
    series = {f"up{{{target}}}": "1x8 0x20", f'vllm:num_requests_running{{{target}, model_name="m"}}': "1x8 stale"}
    state = 'sum(atlas_server_scrape_state{{state="{}", k8s_pod_name="llama-0", k8s_namespace_name="chat", host_name="gpu-1"}})'
    hold(folder, series, {
        "1m": {state.format("ok"): [1], state.format("unreachable"): [0], "sum(atlas_server_up)": [1]},
        "5m": {
            state.format("ok"): [0],
            state.format("unreachable"): [1],
            "sum(atlas_server_up)": [0],
            'count(ALERTS{alertname="ModelServerDown", alertstate="firing", pod="llama-0", namespace="chat", node="gpu-1"})': [1],
        },
    }, alerts=["availability"])  # fmt: skip


def test_a_page_without_a_metric_of_the_runtime_is_empty(folder: Path) -> None:
    target = 'job="vllm", instance="10.0.0.6:8000"'
    series = {f"up{{{target}}}": "1x8", f"process_start_time_seconds{{{target}}}": "7x8"}
    state = 'sum(atlas_server_scrape_state{{state="{}"}})'
    hold(folder, series, {"1m": {state.format("empty"): [1], state.format("ok"): [0], "sum(atlas_server_up)": [0]}})


def test_two_targets_of_one_address_are_one_server_and_no_rule_fails(folder: Path) -> None:
    targets = [f'job="vllm", instance="10.0.0.6:8000", pod="{pod}"' for pod in "ab"]
    series = {
        name: "1x8"
        for one in targets
        for name in (f"up{{{one}}}", f'vllm:num_requests_running{{{one}, model_name="m"}}')
    }
    hold(folder, series, {"1m": {"sum(atlas_requests_running)": [2], "sum(atlas_server_up)": [1]}})


def test_a_dialect_of_the_users_own_may_hide_models_in_paths_and_know_several_good_states(tmp_path: Path) -> None:
    own = yaml.safe_load((Path(__file__).parents[3] / "exporters/llamacpp.yaml").read_text())
    own |= {
        "runtime": "mine",
        "fingerprint": {"names": ["mine_"]},
        "models": {"labels": ["name"]},
        "semantics": {"gauges_move": "live"},
    }
    own["signals"]["atlas_requests_running"]["first_of"] = [
        {"metric": "mine_running", "model": {"label": "path", "part": 1}}
    ]
    own["signals"]["atlas_model_ready"] = {"quality": "direct", "combine": "min", "first_of": [
        {"metric": "mine_state", "decode": "state", "equals": [3, 6]}
    ]}  # fmt: skip
    (tmp_path / "dialects").mkdir()
    (tmp_path / "dialects/mine.yaml").write_text(yaml.safe_dump(own))
    settings = Settings(
        exporter=Exporter(dialects=str(tmp_path / "dialects")), native=(Native(runtime="mine", job="mine"),)
    )
    target = 'job="mine", instance="10.0.0.6:1"'
    states = {
        f'mine_state{{{target}, name="{model}"}}': f"{state}x8" for model, state in (("a", 3), ("b", 6), ("c", 4))
    }
    running = {f'mine_running{{{target}, path="/v1/{path}"}}': "2x8" for path in ("a", "b/predict")}
    ready = 'sum(atlas_model_ready{{model="{}"}})'
    hold(written(tmp_path, settings), {f"up{{{target}}}": "1x8", **states, **running}, {"1m": {
        ready.format("a"): [1], ready.format("b"): [1], ready.format("c"): [0],
        'sum(atlas_requests_running{model="a"})': [2], 'sum(atlas_requests_running{model="b"})': [2],
    }})  # fmt: skip
