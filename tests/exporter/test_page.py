"""The printed page: what Prometheus reads back is what was measured, whatever is in a label."""

from __future__ import annotations

import math
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.signals import SIGNALS
from atlas_ops.exporter.page import render
from atlas_ops.exporter.samples import Sample, labels
from tests.exporter.pages import parsed, told_of

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


def test_families_come_once_and_in_the_order_of_the_contract() -> None:
    page = render([*told_of("vllm/idle-fresh").samples, *told_of("triton/idle").samples])
    types = [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")]
    helps = [line.split()[2] for line in page.splitlines() if line.startswith("# HELP")]
    order = [signal.name for signal in SIGNALS]
    assert types == helps == [name for name in order if name in set(types)]


def test_types_and_series_are_what_the_contract_says() -> None:
    samples = told_of("vllm/kv-pressure-1").samples
    page = parsed(render(samples))
    for sample in samples:
        assert page.type_of(sample.signal.name) == sample.signal.type.value
        assert (sample.labels, sample.value) in [tuple(native) for native in page.of(sample.signal.name + sample.part)]


@given(model=texts, value=st.floats(allow_nan=False))
def test_any_label_and_any_value_can_be_read_back(model: str, value: float) -> None:
    page = parsed(render([Sample(s.REQUESTS_RUNNING, labels(server="s", model=model), value)]))
    ((found, number),) = page.of("atlas_requests_running")
    assert dict(found) == {"server": "s", "model": model}
    assert number == value


def test_a_script_in_a_label_stays_a_label() -> None:
    script = '"} 1\natlas_server_up{server="x"} 1\n<script>alert("hi")</script>'
    page = parsed(render([Sample(s.REQUESTS_RUNNING, labels(model=script), 3)]))
    assert set(page.names) == {"atlas_requests_running"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (12.0, "12"),
        (0.5, "0.5"),
        (1e300, "1e+300"),
        (math.inf, "+Inf"),
        (math.nan, "NaN"),
        (2.0**60, repr(2.0**60)),
    ],
)
def test_values_are_printed_without_loss(value: float, text: str) -> None:
    assert render([Sample(s.EXPORTER_SCRAPES, (), value)]).splitlines()[-1] == f"atlas_exporter_scrapes_total {text}"


def test_a_series_that_is_there_twice_is_printed_once() -> None:
    page = parsed(render([Sample(s.EXPORTER_SCRAPES, (), 1), Sample(s.EXPORTER_SCRAPES, (), 2)]))
    assert [native.value for native in page.of("atlas_exporter_scrapes_total")] == [1]


def test_nothing_measured_is_an_empty_page() -> None:
    assert render([]) == ""


@pytest.mark.parametrize("capture", ["vllm/lora-load-1", "triton/fail_after", "bentoml/fail_after"])
def test_promtool_finds_nothing_to_complain_of(capture: str) -> None:
    page = render(told_of(capture).samples)
    found = subprocess.run(["promtool", "check", "metrics"], input=page, text=True, capture_output=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
