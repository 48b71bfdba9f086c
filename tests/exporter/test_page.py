"""The printed page: what Prometheus reads back is what was measured, whatever is in a label, in both formats."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client import parser as text_parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import SignalType
from atlas_ops.catalog.signals import SIGNALS
from atlas_ops.exporter import page
from atlas_ops.exporter.page import Joiner, Printer
from atlas_ops.exporter.samples import Sample, labels
from tests.exporter.pages import parsed, told_of

CAPTURES = ["vllm/lora-load-1", "vllm/kv-pressure-1", "triton/fail_after", "bentoml/fail_after"]
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
gauges = [signal for signal in SIGNALS if signal.type is SignalType.GAUGE]
counters = [signal for signal in SIGNALS if signal.type is SignalType.COUNTER]
finite = st.floats(min_value=0, allow_infinity=False)


@st.composite
def measured(draw: st.DrawFn) -> list[Sample]:
    """Samples as no collector should send them, but may."""
    found = []
    for signal in draw(st.lists(st.sampled_from([*gauges, *counters]), max_size=8)):
        names = draw(st.lists(st.sampled_from(signal.labels), unique=True)) if signal.labels else []
        value = draw(finite if signal.type is SignalType.COUNTER else st.floats(allow_nan=False))
        found.append(Sample(signal, tuple((name, draw(texts)) for name in names), value))
    return found


def render(*collectors: Iterable[Sample]) -> str:
    return page.text(Joiner().join([Printer().print(samples) for samples in collectors])).decode()


def render_openmetrics(samples: Iterable[Sample]) -> str:
    return page.openmetrics(Joiner().join([Printer().print(samples)])).decode()


def from_text(text: str) -> list[Metric]:
    return list(text_parser.text_string_to_metric_families(text))


def from_openmetrics(text: str) -> list[Metric]:
    return list(openmetrics_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]


Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read_back(families: Iterable[Metric]) -> Series:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def expected(samples: Iterable[Sample]) -> Series:
    found: Series = {}
    for sample in samples:
        found.setdefault((sample.signal.name + sample.part, frozenset(sample.labels)), sample.value)
    return found


def test_families_come_once_and_in_the_order_of_the_contract() -> None:
    text = render([*told_of("vllm/idle-fresh").samples, *told_of("triton/idle").samples])
    types = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    helps = [line.split()[2] for line in text.splitlines() if line.startswith("# HELP")]
    order = [signal.name for signal in SIGNALS]
    assert types == helps == [name for name in order if name in set(types)]


def test_types_and_series_are_what_the_contract_says() -> None:
    samples = told_of("vllm/kv-pressure-1").samples
    found = parsed(render(samples))
    for sample in samples:
        assert found.type_of(sample.signal.name) == sample.signal.type.value
        assert (sample.labels, sample.value) in [tuple(native) for native in found.of(sample.signal.name + sample.part)]


@given(measured())
def test_whatever_is_measured_is_read_back_from_the_text_format(samples: list[Sample]) -> None:
    assert read_back(from_text(render(samples))) == expected(samples)


@given(measured())
def test_whatever_is_measured_is_read_back_from_openmetrics(samples: list[Sample]) -> None:
    assert read_back(from_openmetrics(render_openmetrics(samples))) == expected(samples)


@pytest.mark.parametrize("capture", CAPTURES)
def test_pages_of_real_servers_are_openmetrics(capture: str) -> None:
    samples = told_of(capture).samples
    text = render_openmetrics(samples)
    families = from_openmetrics(text)
    assert read_back(families) == expected(samples)
    types = {family.name: family.type for family in families}
    assert types["atlas_requests"] == "counter"
    assert types["atlas_request_duration_seconds"] == "histogram"
    assert text.endswith("\n# EOF\n")


def test_every_signal_of_the_contract_can_stand_on_one_openmetrics_page() -> None:
    samples = [Sample(signal, (), 1.0) for signal in (*gauges, *counters)]
    families = from_openmetrics(render_openmetrics(samples))
    assert len(families) == len(samples)
    units = {family.name: family.unit for family in families}
    assert units["atlas_gpu_energy_joules"] == "joules"
    assert units["atlas_gpu_power_watts"] == "watts"
    assert all(name.endswith(f"_{unit}") for name, unit in units.items() if unit)


@given(model=texts, value=st.floats(allow_nan=False))
def test_any_label_and_any_value_can_be_read_back(model: str, value: float) -> None:
    found = parsed(render([Sample(s.REQUESTS_RUNNING, labels(server="s", model=model), value)]))
    ((native, number),) = found.of("atlas_requests_running")
    assert dict(native) == {"server": "s", "model": model}
    assert number == value


def test_a_script_in_a_label_stays_a_label() -> None:
    script = '"} 1\natlas_server_up{server="x"} 1\n<script>alert("hi")</script>'
    found = parsed(render([Sample(s.REQUESTS_RUNNING, labels(model=script), 3)]))
    assert set(found.names) == {"atlas_requests_running"}


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


def up(gpu: str, value: float, **more: str) -> Sample:
    return Sample(s.GPU_UP, labels(gpu=gpu, **more), value)


def test_a_series_that_is_there_twice_is_printed_once_and_the_first_counts() -> None:
    assert render([up("0", 1), up("0", 2), up("1", 3)]) == render([up("0", 1), up("1", 3)])


def test_of_a_series_of_two_collectors_the_first_ones_counts_and_the_family_stays_together() -> None:
    assert render([up("0", 1)], [up("0", 2), up("1", 3)], [up("1", 4), up("2", 5)]) == render(
        [up("0", 1), up("1", 3), up("2", 5)]
    )


def test_nothing_measured_is_an_empty_page() -> None:
    assert render([]) == ""
    assert render_openmetrics([]) == "# EOF\n"


@given(st.lists(st.lists(st.tuples(st.sampled_from("0123"), st.integers(0, 3))), max_size=6))
def test_a_printer_that_remembers_prints_what_a_new_one_prints(rounds: list[list[tuple[str, int]]]) -> None:
    printer, joiner = Printer(), Joiner()
    still = Printer().print([up("9", 9)])
    for told in rounds:
        samples = [up(gpu, value) for gpu, value in told]
        assert page.text(joiner.join([printer.print(samples), still])).decode() == render(samples, [up("9", 9)])


def test_a_family_in_which_nothing_is_new_is_not_printed_anew() -> None:
    joiner, printer = Joiner(), Printer()
    still = Printer().print([up("1", 1)])
    memory = Sample(s.GPU_MEMORY_USED, labels(gpu="0"), 1.0)
    first = joiner.join([printer.print([memory]), still])
    second = joiner.join([printer.print([memory]), still])
    assert [one is other for one, other in zip(first, second, strict=True)] == [True, False]
    assert first[0].signal is s.GPU_UP


def test_the_text_of_a_series_is_kept_while_it_lives_and_no_longer() -> None:
    printer = Printer()
    kept = [next(iter(printer.print([up(str(n), 1)])["atlas_gpu_up"])) for n in (1, 1, 2, 1)]
    assert kept[0] is kept[1], "printed once"
    assert kept[1] == kept[3]
    assert kept[1] is not kept[3], "forgotten when it was gone"


def test_a_further_printer_stands_behind_the_page_and_before_the_end_mark() -> None:
    families = Joiner().join([Printer().print([up("0", 1)])])
    assert page.text(families, "DCGM 1\n").endswith(b"} 1\nDCGM 1\n")
    assert page.openmetrics(families, "DCGM 1\n").endswith(b"} 1\nDCGM 1\n# EOF\n")


@pytest.mark.parametrize("capture", CAPTURES)
def test_promtool_finds_nothing_to_complain_of(capture: str) -> None:
    text = render(told_of(capture).samples)
    found = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


def test_half_a_character_in_a_label_does_not_cost_the_page() -> None:
    families = Joiner().join([Printer().print([up("\ud83d", 1), up("1", 1)])])
    assert page.text(families, "DCGM\ud83d 1\n").endswith(b'gpu="?"} 1\natlas_gpu_up{gpu="1"} 1\nDCGM? 1\n')
