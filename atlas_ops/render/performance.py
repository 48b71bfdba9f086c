"""The row "How the models are doing" of the overview dashboard: work done, work waiting, and the GPUs that do it.

Called by `render.overview`. It shows what is exact: rates, means and shares above a bucket bound, never a percentile
that is interpolated from buckets.
"""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import bounds
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.panels import Chart, Panel, Query, Row

_ROW = 40
_PICKED = f'{c.MODEL}=~"$model"'
_WINDOW = "$__rate_interval"
_BY_MODEL = (c.MODEL,)
_GPU_LEGEND = "{{host_name}} GPU {{gpu}}"


def row(parameters: Parameters) -> Row:
    """Return the row; only the objectives of the first-token chart depend on the parameters."""
    panels: tuple[Panel, ...] = (
        _requests(), _first_token(parameters), _tokens(), _queue(), _kv_cache(), _preemptions(),
        *_gpus(),
    )  # fmt: skip
    return Row(id=_ROW, title="How the models are doing", panels=panels)


def _requests() -> Chart:
    by_outcome = promql.sum_by((c.MODEL, "outcome"), promql.rate(s.REQUESTS, _WINDOW, _PICKED))
    return Chart(
        id=41,
        title="Requests per second, by how they ended",
        description=(
            "Requests that ended, by outcome. Worry when errors, timeouts or rejections rise while `ok` falls; cancelled "
            "ones are users who gave up. `EngineStalled` watches for requests that do not end at all."
        ),
        queries=(Query(expr=by_outcome, legend="{{model}} {{outcome}}"),),
        unit="reqps",
    )


def _first_token(parameters: Parameters) -> Chart:
    return Chart(
        id=42,
        title="First token within the objective",
        description=(
            "Share of requests whose first token came within the time that users were promised, or within the next bucket "
            "bound of the runtime. Worry when it stays below the target; `TimeToFirstTokenSloBurn` watches how fast the "
            "budget for late ones is used up."
        ),
        queries=tuple(
            Query(
                expr=_share_within(objective.time_to_first_token_seconds, models, parameters),
                legend=f"{{{{model}}}} within {promql.number(objective.time_to_first_token_seconds)} s",
            )
            for objective, models in parameters.by_model()
        ),
        unit="percentunit",
    )


def _share_within(seconds: float, models: str, parameters: Parameters) -> str:
    judged = bounds.in_force(s.TIME_TO_FIRST_TOKEN, seconds, parameters.bounds).matchers
    within = promql.rate(f"{s.TIME_TO_FIRST_TOKEN}_bucket", _WINDOW, *judged, models, _PICKED)
    every = promql.rate(f"{s.TIME_TO_FIRST_TOKEN}_count", _WINDOW, models, _PICKED)
    smallest = f"min without (le) ({within})"
    return f"{promql.sum_by(_BY_MODEL, smallest)} / {promql.sum_by(_BY_MODEL, f'{every} and {smallest}')}"


def _tokens() -> Chart:
    return Chart(
        id=43,
        title="Tokens per second",
        description=(
            "Tokens taken in and produced. Worry when production falls while requests wait; `EngineStalled` watches for "
            "production that stops."
        ),
        queries=(
            Query(expr=_rate_by_model(s.GENERATION_TOKENS), legend="{{model}} produced"),
            Query(expr=_rate_by_model(s.PROMPT_TOKENS), legend="{{model}} prompt"),
        ),
        unit="short",
    )


def _rate_by_model(counter: Signal) -> str:
    return promql.sum_by(_BY_MODEL, promql.rate(counter, _WINDOW, _PICKED))


def _queue() -> Chart:
    return Chart(
        id=44,
        title="Requests running and waiting",
        description=(
            "Requests being executed and requests in the queue. Worry when the queue grows while the number running "
            "stands still; `QueueBacklog` watches the wait that the queue means."
        ),
        queries=tuple(
            Query(expr=promql.sum_by(_BY_MODEL, promql.select(signal, _PICKED)), legend=f"{{{{model}}}} {word}")
            for signal, word in ((s.REQUESTS_RUNNING, "running"), (s.REQUESTS_WAITING, "waiting"))
        ),
        unit="short",
    )


def _kv_cache() -> Chart:
    return Chart(
        id=45,
        title="KV cache in use",
        description=(
            "Share of the KV cache in use on the fullest server of each model. A full cache alone is healthy; worry when "
            "preemptions come with it, which `KvCachePressure` watches."
        ),
        queries=(Query(expr=f"max by ({c.MODEL}) ({promql.select(s.KV_CACHE_USAGE, _PICKED)})", legend="{{model}}"),),
        unit="percentunit",
    )


def _preemptions() -> Chart:
    return Chart(
        id=46,
        title="Preemptions per second",
        description=(
            "Running requests put back to wait because the KV cache was full. Worry when it does not go back to zero; "
            "`KvCachePressure` watches it."
        ),
        queries=(Query(expr=_rate_by_model(s.PREEMPTIONS), legend="{{model}}"),),
        unit="short",
    )


def _gpus() -> tuple[Chart, ...]:
    return (
        _gpu(47, "GPU utilisation", str(s.GPU_UTILIZATION), "percentunit",
             "Share of time in which a kernel ran; it says nothing about how well the GPU is used. Worry when it falls to "
             "zero while requests are present: then `EngineStalled` is near."),
        _gpu(48, "GPU temperature", promql.select(s.GPU_TEMPERATURE, 'sensor="gpu"'), "celsius",
             "Temperature of the chip. Parts differ, so no limit is drawn: worry when clocks fall with it, which "
             "`GpuThermalThrottling` watches."),
        _gpu(49, "GPU power", str(s.GPU_POWER), "watt",
             "Power drawn. At the limit is how busy parts run; worry when it falls while the load does not, and see "
             "`GpuThermalThrottling`."),
        _gpu(50, "GPU clock", promql.select(s.GPU_CLOCK, 'domain="sm"'), "hertz",
             "Clock of the multiprocessors; idle GPUs clock down by themselves. Worry when a busy one loses clock, which "
             "`GpuThermalThrottling` watches."),
    )  # fmt: skip


def _gpu(panel_id: int, title: str, expr: str, unit: str, description: str) -> Chart:
    queries = (Query(expr=expr, legend=_GPU_LEGEND),)
    return Chart(id=panel_id, title=title, description=description, queries=queries, unit=unit, width=6)
