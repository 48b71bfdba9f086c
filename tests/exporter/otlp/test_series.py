"""From samples to points: names, units and attributes of OpenTelemetry, and the times of cumulative sums."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal, SignalType
from atlas_ops.exporter.otlp.names import SCOPE, TARGETS, Kind
from atlas_ops.exporter.otlp.series import MAX_ATTRIBUTE, Metric, Point, Series
from atlas_ops.exporter.samples import Labels, Sample, labels

GPU0 = labels(gpu="0", uuid="GPU-aaaa", host_name="node-1")
MIG = labels(gpu="0", uuid="MIG-cccc", host_name="node-1", mig="9/0")
INFO = Sample(
    s.GPU_INFO,
    GPU0 + labels(name="NVIDIA H100 80GB HBM3", driver_version="580.82.07", pci_bus_id="00000000:1B:00.0"),
    1,
)
WHO: dict[str, str | int] = {
    "hw.id": "GPU-aaaa", "hw.name": "gpu0", "hw.type": "gpu", "hw.vendor": "NVIDIA",
    "hw.model": "NVIDIA H100 80GB HBM3", "hw.driver_version": "580.82.07",
}  # fmt: skip


def sample(signal: Signal, value: float, device: Labels = GPU0, **extra: str) -> Sample:
    return Sample(signal, device + labels(**extra), value)


class Clock:
    """Nanoseconds that a test sets."""

    now = 1000

    def __call__(self) -> int:
        return self.now


def told(*samples: Sample) -> dict[str, Metric]:
    return {metric.target.name: metric for metric in Series(Clock()).metrics(samples)}


def only(metric: Metric) -> Point:
    (point,) = metric.points
    return point


CONVENTIONS = [
    (sample(s.GPU_UTILIZATION, 0.5), "hw.gpu.utilization", "1", Kind.GAUGE, 0.5, {"hw.gpu.task": "general"}),
    (sample(s.GPU_ENCODER_UTILIZATION, 0.1), "hw.gpu.utilization", "1", Kind.GAUGE, 0.1, {"hw.gpu.task": "encoder"}),
    (sample(s.GPU_DECODER_UTILIZATION, 0.2), "hw.gpu.utilization", "1", Kind.GAUGE, 0.2, {"hw.gpu.task": "decoder"}),
    (sample(s.GPU_MEMORY_USED, 2**33), "hw.gpu.memory.usage", "By", Kind.UP_DOWN_COUNTER, 2**33, {}),
    (sample(s.GPU_MEMORY_TOTAL, 2**36), "hw.gpu.memory.limit", "By", Kind.UP_DOWN_COUNTER, 2**36, {}),
    (sample(s.GPU_PCIE_TX, 10), "hw.gpu.io", "By", Kind.COUNTER, 10, {"network.io.direction": "transmit"}),
    (sample(s.GPU_PCIE_RX, 11), "hw.gpu.io", "By", Kind.COUNTER, 11, {"network.io.direction": "receive"}),
    (sample(s.GPU_POWER, 321.5), "hw.power", "W", Kind.GAUGE, 321.5, {}),
    (sample(s.GPU_ENERGY, 99.25), "hw.energy", "J", Kind.COUNTER, 99.25, {}),
    (sample(s.GPU_FAN, 0.3), "hw.fan.speed_ratio", "1", Kind.GAUGE, 0.3, {}),
    (sample(s.GPU_TEMPERATURE, 61, sensor="memory"), "hw.temperature", "Cel", Kind.GAUGE, 61,
     {"hw.sensor_location": "memory"}),
    (sample(s.GPU_ECC_ERRORS, 3, type="corrected", location="dram"), "hw.errors", "{error}", Kind.COUNTER, 3,
     {"error.type": "corrected", "atlas.location": "dram"}),
    (sample(s.GPU_THROTTLE_SECONDS, 0.2, reason="hw_thermal"), "atlas.gpu.throttle", "s", Kind.COUNTER, 0.2,
     {"atlas.reason": "hw_thermal"}),
    (sample(s.GPU_XID_ERRORS, 1, xid="79", owner="hardware"), "atlas.gpu.xid.errors", "1", Kind.COUNTER, 1,
     {"atlas.xid": "79", "atlas.owner": "hardware"}),
    (sample(s.GPU_CLOCK, 1.41e9, domain="sm"), "atlas.gpu.clock", "Hz", Kind.GAUGE, 1.41e9, {"atlas.domain": "sm"}),
    (sample(s.GPU_PCIE_TX_RATE, 2.5e6), "atlas.gpu.pcie.tx.rate", "By/s", Kind.GAUGE, 2.5e6, {}),
    (sample(s.GPU_PROCESS_MEMORY, 7, pid="4242", process="python3", k8s_pod_name="llama-0", container_id="c0ffee"),
     "atlas.gpu.process.memory", "By", Kind.GAUGE, 7,
     {"process.pid": 4242, "process.executable.name": "python3", "k8s.pod.name": "llama-0", "container.id": "c0ffee"}),
]  # fmt: skip


@pytest.mark.parametrize(("measured", "name", "unit", "kind", "value", "attributes"), CONVENTIONS)
def test_a_signal_has_the_name_unit_kind_and_attributes_of_the_conventions(
    measured: Sample, name: str, unit: str, kind: Kind, value: float, attributes: dict[str, str | int]
) -> None:
    metric = told(INFO, measured)[name]
    assert (metric.target.unit, metric.target.kind) == (unit, kind)
    assert (only(metric).value, only(metric).attributes) == (value, WHO | attributes)


def test_counts_and_bytes_are_whole_numbers_and_measures_are_not() -> None:
    metrics = told(
        sample(s.GPU_MEMORY_USED, 2.0**33), sample(s.GPU_POWER, 300.0), sample(s.GPU_XID_ERRORS, 1.0, xid="79")
    )
    kinds = {name: type(only(metric).value) for name, metric in metrics.items()}
    assert kinds == {"hw.gpu.memory.usage": int, "hw.power": float, "atlas.gpu.xid.errors": int}


def test_memory_utilization_is_used_against_total_of_the_same_gpu() -> None:
    metrics = told(sample(s.GPU_MEMORY_USED, 20), sample(s.GPU_MEMORY_TOTAL, 80), sample(s.GPU_MEMORY_TOTAL, 80, MIG))
    assert only(metrics["hw.gpu.memory.utilization"]).value == 0.25


def test_the_status_of_a_gpu_is_one_for_its_state_and_zero_for_the_other() -> None:
    for up in (1, 0):
        states = {point.attributes["hw.state"]: point.value for point in told(sample(s.GPU_UP, up))["hw.status"].points}
        assert states == {"ok": up, "failed": 1 - up}


def test_a_mig_instance_names_its_gpu_as_its_parent() -> None:
    named = sample(s.GPU_INFO, 1, MIG, name="NVIDIA H100 80GB HBM3 MIG 3g.40gb")  # the driver says no more of one
    attributes = only(told(INFO, named, sample(s.GPU_SM_ACTIVE, 0.5, MIG))["atlas.gpu.sm.active"]).attributes
    assert attributes == WHO | {
        "hw.id": "MIG-cccc", "hw.parent": "GPU-aaaa", "atlas.mig": "9/0", "hw.model": "NVIDIA H100 80GB HBM3 MIG 3g.40gb",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("uuid", "model", "vendor"),
    [
        ("GPU-1", "Tesla T4", "NVIDIA"),
        ("0000-74a1", "AMD Instinct MI300X", "AMD"),
        ("0000", "Data Center GPU Max", None),
    ],
)
def test_the_vendor_is_told_where_it_is_certain(uuid: str, model: str, vendor: str | None) -> None:
    device = labels(gpu="0", uuid=uuid)
    metrics = told(sample(s.GPU_INFO, 1, device, name=model), sample(s.GPU_POWER, 1, device))
    assert only(metrics["hw.power"]).attributes.get("hw.vendor") == vendor


def test_a_gpu_without_a_uuid_has_an_id_nevertheless() -> None:
    assert only(told(sample(s.GPU_POWER, 1, labels(gpu="3")))["hw.power"]).attributes["hw.id"] == "gpu3"


def test_every_signal_of_gpus_and_host_is_pushed_and_no_two_share_a_series() -> None:
    scope = [signal for signal in s.SIGNALS if signal.name.startswith(SCOPE)]
    assert set(TARGETS) == {signal.name for signal in scope}
    assert {signal.name for signal in scope} >= {s.GPU_POWER.name, s.HOST_OOM_KILLS.name, s.CONTAINER_OOM_KILLS.name}
    targets = list(itertools.chain.from_iterable(TARGETS.values()))
    assert len({(target.name, target.attributes) for target in targets}) == len(targets)
    forms: dict[str, tuple[str, Kind, str]] = {}
    for target in targets:  # two signals that feed one metric agree on what it is
        assert forms.setdefault(target.name, (target.unit, target.kind, target.help)) == (
            target.unit, target.kind, target.help,
        )  # fmt: skip


def test_counters_stay_counters() -> None:
    for signal in s.SIGNALS:
        for target in TARGETS.get(signal.name, ()):
            assert (target.kind is Kind.COUNTER) == (signal.type is SignalType.COUNTER)


def test_model_servers_and_the_exporter_itself_are_not_pushed() -> None:
    assert told(Sample(s.REQUESTS_RUNNING, (), 3), Sample(s.EXPORTER_SCRAPES, (), 3)) == {}


def test_the_host_is_told_once_by_the_resource() -> None:
    assert only(told(Sample(s.HOST_OOM_KILLS, labels(host_name="node-1"), 2))["atlas.host.oom.kills"]).attributes == {}


def test_a_counter_begins_where_it_was_first_seen_and_again_after_a_reset() -> None:
    clock = Clock()
    series = Series(clock)

    def push(now: int, value: float) -> tuple[int, int]:
        clock.now = now
        (metric,) = series.metrics([sample(s.GPU_ENERGY, value)])
        return only(metric).start, only(metric).time

    assert push(1000, 50) == (1000, 1000)
    assert push(2000, 60) == (1000, 2000)
    assert push(3000, 5) == (3000, 3000)
    assert push(4000, 5) == (3000, 4000)


def test_a_series_that_was_away_begins_anew() -> None:
    clock = Clock()
    series = Series(clock)
    series.metrics([sample(s.GPU_ENERGY, 50)])
    series.metrics([])
    clock.now = 3000
    assert only(series.metrics([sample(s.GPU_ENERGY, 60)])[0]).start == 3000


def test_memory_that_is_freed_is_no_reset() -> None:
    clock = Clock()
    series = Series(clock)
    series.metrics([sample(s.GPU_MEMORY_USED, 50)])
    clock.now = 3000
    assert only(series.metrics([sample(s.GPU_MEMORY_USED, 20)])[0]).start == 1000


def test_time_goes_on_when_the_clock_is_set_back() -> None:
    clock = Clock()
    series = Series(clock)
    times = []
    for clock.now in (5000, 100, 200, 9000):
        times.append(only(series.metrics([sample(s.GPU_POWER, 1)])[0]).time)
    assert times == [5000, 5001, 5002, 9000]


values = st.floats(allow_nan=True, allow_infinity=True)
texts = st.text(max_size=2 * MAX_ATTRIBUTE)


@st.composite
def any_samples(draw: st.DrawFn) -> Sample:
    signal = draw(st.sampled_from([signal for signal in s.SIGNALS if signal.name in TARGETS]))
    return Sample(
        signal, labels(**{name: draw(st.sampled_from(["0", "1"]) | texts) for name in signal.labels}), draw(values)
    )


@given(rounds=st.lists(st.lists(any_samples(), max_size=12), max_size=4))
def test_whatever_is_measured_there_is_one_finite_point_for_each_series(rounds: list[list[Sample]]) -> None:
    series = Series(Clock())
    for samples in rounds:
        metrics = series.metrics(samples)
        assert len({metric.target.name for metric in metrics}) == len(metrics)
        for metric in metrics:
            keys = [frozenset(point.attributes.items()) for point in metric.points]
            assert len(set(keys)) == len(keys) > 0
            for point in metric.points:
                assert point.start <= point.time
                assert abs(point.value) < float("inf")
                assert all(
                    isinstance(text, int) or 0 < len(text) <= MAX_ATTRIBUTE for text in point.attributes.values()
                )
