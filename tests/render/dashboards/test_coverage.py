"""What none of the configured servers tells is left out of the dashboards, and they say so; anything else stays."""

from __future__ import annotations

import dataclasses

import pytest

from atlas_ops import settings
from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.dialects import runtime_ids
from atlas_ops.render.dashboards import boards, coverage
from atlas_ops.render.dashboards.panels import (
    Board,
    Chart,
    Column,
    Note,
    Number,
    Panel,
    Query,
    Row,
    Table,
    Variable,
    of_fault,
    queries,
)

from .built import BOARDS, CATALOG, DEFAULT

TRITON = "servers: [{url: http://127.0.0.1:8002/metrics, runtime: triton}]"
VLLM_AND_TRITON = "servers: [{url: http://127.0.0.1:1, runtime: vllm}, {url: http://127.0.0.1:2, runtime: triton}]"


def shown(*panels: Panel, config: str = TRITON) -> list[Row]:
    """The rows of a dashboard with these panels in one row, beside a row that nothing is ever left out of."""
    stays = Row(key="stays", title="Stays", panels=(number("atlas_server_up"),))
    row = Row(key="row", title="Row", panels=panels)
    board = Board(name="x", title="X", question="?", variables=(), rows=(row, stays))
    (found,) = coverage.covered([board], CATALOG, settings.parse(config))
    return list(found.rows)


def number(expr: str, title: str = "Number", key: str = "number", width: int = 4) -> Number:
    query = Query(expr=expr, legend="{{model}}")
    return Number(key=key, title=title, shows="s", worry="w", query=query, unit="s", width=width)


def chart(*exprs: str) -> Chart:
    asked = tuple(Query(expr=expr, legend=f"{{{{model}}}} number {n}") for n, expr in enumerate(exprs))
    return Chart(key="chart", title="Chart", shows="s", worry="w", queries=asked, unit="s")


def note(rows: list[Row]) -> str:
    """What the dashboard says of what is left out: one note, at its end."""
    notes = [panel for row in rows for panel in row.panels if isinstance(panel, Note)]
    assert len(notes) == 1
    assert rows[-1].panels == (notes[0],)
    return notes[0].text


def test_a_row_that_no_server_has_anything_for_goes_and_the_note_says_why() -> None:
    rows = shown(number("atlas_cached_prompt_tokens_total", "Cache"), number("atlas_lora_adapters", "Adapters"))
    assert [row.key for row in rows[:-1]] == ["stays"]
    assert "Adapters, because triton does not tell atlas_lora_adapters." in note(rows)


def test_of_several_queries_the_ones_that_can_be_answered_stay() -> None:
    rows = shown(chart("atlas_requests_waiting", "sum(rate(atlas_spec_decode_draft_tokens_total[$__rate_interval]))"))
    assert [query.legend for query in queries(rows[0].panels[0])] == ["{{model}} number 0"]
    assert "Chart: number 1, because triton does not tell atlas_spec_decode_draft_tokens_total." in note(rows)


def test_one_server_that_can_answer_is_enough() -> None:
    panel = number("atlas_spec_decode_draft_tokens_total")
    assert shown(panel, config=VLLM_AND_TRITON)[0].panels == (panel,)
    assert len(shown(panel, config=VLLM_AND_TRITON)) == 2


@pytest.mark.parametrize(
    "config",
    [
        "{}",
        "servers: [{url: http://127.0.0.1:8002/metrics}]",
        "servers: [{url: http://127.0.0.1:1, runtime: triton}, {url: http://127.0.0.1:2}]",
        f"{TRITON}\ndiscovery: {{files: [servers.json]}}",
        f"{TRITON}\ndiscovery: {{kubernetes: {{namespaces: [models]}}}}",
    ],
)
def test_where_a_server_may_be_of_any_runtime_everything_stays(config: str) -> None:
    panel = number("atlas_spec_decode_draft_tokens_total")
    assert [row.panels for row in shown(panel, config=config)] == [(panel,), (number("atlas_server_up"),)]


def test_a_scrape_job_of_native_metrics_counts_as_its_runtime() -> None:
    rows = shown(number("atlas_spec_decode_draft_tokens_total"), config="native: [{runtime: triton}]")
    assert "triton does not tell atlas_spec_decode_draft_tokens_total" in note(rows)


@pytest.mark.parametrize(
    "expr",
    [
        'atlas_gpu_utilization_ratio{gpu=~"$gpu"}',
        "atlas_exporter_snapshot_age_seconds",
        "atlas_pager_queue",
        'ALERTS{alertname=~"$alertname", alertstate="firing"}',
        "up",
        "atlas_drift_score",
        "gpu:atlas_gpu_thermal_throttle:ratio_rate",
        "server:atlas_requests_completed:rate",
        'sum(rate(atlas_requests_total{outcome="ok", model=~"$model"}[$__rate_interval])) or vector(0)',
    ],
)
def test_what_servers_do_not_have_to_tell_and_what_they_do_tell_stays(expr: str) -> None:
    assert shown(number(expr))[0].panels == (number(expr),)


@pytest.mark.parametrize(
    ("expr", "reason"),
    [
        ("model:atlas_prefix_cache_hits:ratio_rate30m", "triton does not tell atlas_prefix_cache_hits_total"),
        ("sum(atlas_lora_adapters) or vector(0)", "triton does not tell atlas_lora_adapters"),
        ('atlas_queue_time_seconds_bucket{le=~"0\\\\.5"}', "triton tells only means of atlas_queue_time_seconds"),
        ('atlas_requests_waiting{runtime="vllm"}', "not for triton"),
    ],
)
def test_what_is_read_through_recordings_buckets_and_fallbacks_is_judged_too(expr: str, reason: str) -> None:
    assert reason in note(shown(number(expr)))


def test_the_columns_of_a_table_go_with_their_queries_and_the_others_keep_their_values() -> None:
    asked = ("atlas_requests_running", "atlas_spec_decode_draft_tokens_total", "atlas_requests_waiting")
    columns = (
        Column(source="model", title="Model"),
        *(Column(source=f"Value #{letter}", title=expr) for letter, expr in zip("ABC", asked, strict=True)),
    )
    table = Table(
        key="t",
        title="T",
        shows="s",
        worry="w",
        columns=columns,
        queries=tuple(Query(expr=e, legend="") for e in asked),
    )
    (found,) = shown(table)[0].panels
    assert isinstance(found, Table)
    assert [(column.source, column.title) for column in found.columns] == [
        ("model", "Model"), ("Value #A", asked[0]), ("Value #B", asked[2]),
    ]  # fmt: skip


def test_a_line_with_a_gap_is_filled_again() -> None:
    rows = shown(
        number("atlas_requests_waiting", key="a", width=8),
        number("atlas_spec_decode_draft_tokens_total", key="b", width=8),
        number("atlas_requests_running", key="c", width=8),
    )
    assert [(panel.key, panel.width) for panel in rows[0].panels] == [("a", 12), ("c", 12)]


def test_the_panel_that_an_alert_links_to_keeps_its_place_and_says_why_it_is_empty() -> None:
    fault = CATALOG.fault("KvCachePressure")
    assert fault is not None
    panel = dataclasses.replace(chart("atlas_spec_decode_draft_tokens_total"), key=of_fault(fault))
    (found,) = shown(panel)[0].panels
    assert isinstance(found, Note)
    assert (found.key, found.title, found.width) == (panel.key, panel.title, panel.width)
    assert "triton does not tell atlas_spec_decode_draft_tokens_total" in found.text
    assert len(shown(panel)) == 2, "it is told in its place, not once more at the end"


def test_a_variable_that_nothing_is_chosen_by_any_more_goes_and_one_that_another_depends_on_stays() -> None:
    asked = (
        number('atlas_server_up{cluster=~"$cluster", model=~"$model"}'),
        number('atlas_lora_adapters{gpu=~"$gpu"}'),
    )
    chain = (
        Variable(name="cluster", title="C", label="cluster", metric="up"),
        Variable(name="namespace", title="N", label="k8s_namespace_name", metric='up{cluster=~"$cluster"}'),
        Variable(name="model", title="M", label="model", metric='atlas_server_up{k8s_namespace_name=~"$namespace"}'),
        Variable(name="gpu", title="G", label="gpu", metric="atlas_gpu_up"),
    )
    board = Board(name="x", title="X", question="?", variables=chain, rows=(Row(key="r", title="R", panels=asked),))
    (found,) = coverage.covered([board], CATALOG, settings.parse(TRITON))
    assert [variable.name for variable in found.variables] == ["cluster", "namespace", "model"]


@pytest.mark.parametrize("runtime", runtime_ids())
def test_for_servers_of_one_runtime_every_query_that_is_left_can_be_answered(runtime: str) -> None:
    config = settings.parse(f"servers: [{{url: http://127.0.0.1:1/metrics, runtime: {runtime}}}]")
    found = coverage.covered(boards.build(build_catalog(config.parameters), config), CATALOG, config)
    assert [board.name for board in found] == [board.name for board in BOARDS]
    assert all(row.panels for board in found for row in board.rows)
    assert coverage.covered(found, CATALOG, config) == found
    assert any(board.rows[-1].key == "left-out-row" for board in found), "no runtime tells everything"


PROBED = "servers: [{url: http://127.0.0.1:1, runtime: triton, probes: [{model: m, api: v2}]}]"


@pytest.mark.parametrize(
    "expr", ["atlas_probe_success", "sum(rate(atlas_probes_total[$__rate_interval])) or vector(0)"]
)
def test_probes_are_left_out_where_all_servers_are_known_and_none_has_one(expr: str) -> None:
    assert "Number, because no server has `probes`." in note(shown(number(expr)))
    assert shown(number(expr), config=PROBED)[0].panels == (number(expr),)
    assert shown(number(expr), config=f"{TRITON}\ndiscovery: {{files: [servers.json]}}")[0].panels == (number(expr),)


@pytest.mark.parametrize(
    "expr",
    [
        'max(atlas_gpu_up{gpu=~"$gpu"})',
        "gpu:atlas_gpu_thermal_throttle:ratio_rate",
        "model:atlas_gpu_power:sum_watts",
        "atlas_exporter_gpu_call_in_flight_seconds",
        "atlas_gpu_expected",
    ],
)
@pytest.mark.parametrize("servers", ["", TRITON])
def test_gpus_are_left_out_where_nobody_looks_for_them_whatever_the_servers_are(expr: str, servers: str) -> None:
    rows = shown(number(expr), config=f"exporter: {{gpus: false}}\n{servers}")
    assert note(rows).endswith("- Number, because `exporter.gpus` is false.")
    assert shown(number(expr))[0].panels == (number(expr),)


def test_without_gpus_all_that_servers_may_tell_stays() -> None:
    panel = number("atlas_spec_decode_draft_tokens_total + atlas_model_gpu_memory_bytes")
    assert shown(panel, config="exporter: {gpus: false}")[0].panels == (panel,)


def test_without_configured_servers_the_dashboards_are_whole() -> None:
    assert coverage.covered(BOARDS, CATALOG, DEFAULT) == BOARDS
