"""Setting up: which models, which limits, where the metrics go; and what a user reads who gets it wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from atlas_ops.catalog.signals import SIGNALS
from atlas_ops.errors import UsageError
from atlas_ops.instrument import Instrument
from tests.instrument.telling import ended, failures, outcomes, value

READY, LOAD = "atlas_ops_model_ready", "atlas_ops_model_load_duration_seconds"
RUNNING, WAITING = "atlas_ops_requests_running", "atlas_ops_requests_waiting"


def test_the_first_model_is_meant_where_none_is_named() -> None:
    ops = Instrument("first", "second")
    for model in ("", "first", "second"):
        with ops.request(model):
            pass
    assert (ended(ops, "first"), ended(ops, "second")) == ({"ok": 2}, {"ok": 1})


def test_limits_are_published_once_they_are_told() -> None:
    ops = Instrument("m")
    assert (value(ops, "atlas_ops_requests_capacity"), value(ops, WAITING)) == (None, None)
    ops.limits(running=8, waiting=100)
    assert value(ops, "atlas_ops_requests_capacity") == 8
    assert value(ops, "atlas_ops_queue_capacity") == 100
    assert value(ops, WAITING) == 0, "where requests can wait, none does"


def test_a_queue_of_the_server_is_asked_when_somebody_looks_and_taken_off_the_running_requests() -> None:
    ops, queued = Instrument("m"), [1, 2]
    ops.queue(lambda: len(queued))
    with ops.request(), ops.request(), ops.request():
        assert (value(ops, WAITING), value(ops, RUNNING)) == (2, 1)
        queued.clear()
        assert (value(ops, WAITING), value(ops, RUNNING)) == (0, 3)
        queued.extend(range(9))
        assert value(ops, RUNNING) == 0, "never below nothing"


def test_a_queue_that_cannot_be_asked_costs_its_own_number_alone() -> None:
    ops = Instrument("m")
    ops.queue(lambda: 1 // 0)
    with ops.request():
        page = ops.text()
    assert value(page, WAITING) is None
    assert value(page, RUNNING) == 1
    assert failures(ops)


def test_loading_is_timed_and_makes_ready() -> None:
    ops = Instrument("m")
    assert value(ops, READY) is None
    with ops.loading():
        assert (value(ops, READY), value(ops, LOAD)) == (0, None)
    assert value(ops, READY) == 1
    assert (value(ops, LOAD) or 0) > 0


def test_a_model_that_does_not_load_is_not_ready() -> None:
    ops = Instrument("m")
    with pytest.raises(MemoryError), ops.loading():
        raise MemoryError
    assert (value(ops, READY), value(ops, LOAD)) == (0, None)


def test_a_model_that_is_loaded_later_has_a_name_of_its_own() -> None:
    ops = Instrument("m")
    with ops.loading("late"):
        pass
    with ops.request("late"):
        pass
    assert ended(ops, "late") == {"ok": 1}
    assert outcomes(ops, "other") == {}


def test_bounds_can_be_those_of_a_promise() -> None:
    ops = Instrument("m", duration_bounds=(0.3, 1.5))
    with ops.request():
        pass
    found = [
        line for line in ops.text().splitlines() if line.startswith("gen_ai_server_request_duration_seconds_bucket")
    ]
    assert [line.split('le="')[1].split('"')[0] for line in found] == ["0.3", "1.5", "+Inf"]


@pytest.mark.parametrize("bounds", [(), (1.0, 0.5), (0.0, 1.0), (1.0, 1.0), (1.0, float("inf"))])
def test_bounds_that_make_no_sense_are_refused(bounds: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="duration_bounds in seconds, each larger"):
        Instrument("m", duration_bounds=bounds)


@pytest.mark.parametrize(
    "set_up",
    [
        lambda ops: ops.limits(running=1, model="mm"),
        lambda ops: ops.queue(lambda: 0, model="mm"),
        lambda ops: ops.onnx(None, model="mm"),
    ],
)
def test_a_model_that_the_server_misspells_is_refused_when_it_is_set_up(set_up: Callable[[Instrument], object]) -> None:
    with pytest.raises(UsageError, match=r"expected a model of this server \(m, n\), found 'mm'"):
        set_up(Instrument("m", "n"))


@pytest.mark.parametrize("models", [(), ("",), ("m", "")])
def test_a_server_without_a_model_is_refused(models: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r'Instrument\("resnet50"\)'):
        Instrument(*models)


def test_no_name_on_the_page_is_one_of_a_signal() -> None:
    ops = Instrument("m")
    with ops.request() as one, one.waiting():
        one.first_token()
        one.tokens(prompt=1, generated=2)
    native = {line.split("{")[0].split(" ")[0] for line in ops.text().splitlines() if not line.startswith("#")}
    assert "atlas_ops_requests_total" in native
    assert not native & {series for signal in SIGNALS for series in signal.series}


def pushed(reader: InMemoryMetricReader) -> dict[str, Any]:
    """Metrics of a provider, by name."""
    data = reader.get_metrics_data()
    assert data
    return {m.name: m.data for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics}


def test_the_metrics_go_to_the_provider_that_is_given_in_seconds_with_bounds_for_them() -> None:
    reader = InMemoryMetricReader()
    ops = Instrument("m", meter_provider=MeterProvider([reader]))
    with ops.request():
        pass
    metrics = pushed(reader)
    (duration,) = metrics["gen_ai.server.request.duration"].data_points
    assert duration.attributes == {
        "gen_ai.request.model": "m", "gen_ai.operation.name": "inference", "gen_ai.provider.name": "self_hosted",
    }  # fmt: skip
    assert duration.explicit_bounds[:3] == (0.00125, 0.0025, 0.005)
    told = {point.attributes["outcome"]: point.value for point in metrics["atlas_ops.requests"].data_points}
    assert told["ok"] == 1
    with pytest.raises(UsageError, match="there is no page of our own"):
        ops.text()


OF_THE_SERVER = """
from opentelemetry import metrics
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import generate_latest
from atlas_ops.instrument import Instrument
metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()]))
ops = Instrument("m")
with ops.request():
    pass
print(generate_latest().decode())
"""


def test_a_provider_that_the_server_has_set_takes_the_metrics_unasked() -> None:
    page = subprocess.run([sys.executable, "-c", OF_THE_SERVER], capture_output=True, text=True, check=True).stdout
    assert ended(page) == {"ok": 1}


def test_who_lacks_the_packages_reads_what_to_install() -> None:
    code = "import sys; sys.modules['opentelemetry'] = None; import atlas_ops.instrument"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert told.returncode
    assert "pip install 'atlas-ops[instrument]'" in told.stderr


def test_two_in_one_process_do_not_mix() -> None:
    one, other = Instrument("m"), Instrument("m")
    with one.request():
        pass
    assert (ended(one), ended(other)) == ({"ok": 1}, {})
