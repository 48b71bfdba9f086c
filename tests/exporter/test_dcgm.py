"""`--compat dcgm`: the names, units and labels that dashboards and alerts for dcgm-exporter ask for."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal, SignalType
from atlas_ops.exporter.dcgm import render
from atlas_ops.exporter.dcgm_fields import FIELDS
from atlas_ops.exporter.samples import Labels, Sample, labels

GPU0 = labels(gpu="0", uuid="GPU-aaaa", host_name="node-1")
GPU1 = labels(gpu="1", uuid="GPU-bbbb", host_name="node-1")
MIG = labels(gpu="0", uuid="MIG-cccc", host_name="node-1", mig="9/0")


def sample(signal: Signal, value: float, device: Labels = GPU0, **extra: str) -> Sample:
    return Sample(signal, device + labels(**extra), value)


INFO = sample(s.GPU_INFO, 1, name="NVIDIA H100 80GB HBM3", driver_version="580.82.07", pci_bus_id="00000000:1B:00.0")
MIG_INFO = sample(s.GPU_INFO, 1, MIG, name="NVIDIA H100 80GB HBM3 MIG 3g.40gb", driver_version="580.82.07")
MEASURED = {
    "DCGM_FI_DEV_SM_CLOCK": (1410, sample(s.GPU_CLOCK, 1.41e9, domain="sm")),
    "DCGM_FI_DEV_MEM_CLOCK": (1593, sample(s.GPU_CLOCK, 1.593e9, domain="memory")),
    "DCGM_FI_DEV_VIDEO_CLOCK": (1275, sample(s.GPU_CLOCK, 1.275e9, domain="video")),
    "DCGM_FI_DEV_MAX_SM_CLOCK": (1980, sample(s.GPU_CLOCK_MAX, 1.98e9, domain="sm")),
    "DCGM_FI_DEV_MAX_MEM_CLOCK": (2619, sample(s.GPU_CLOCK_MAX, 2.619e9, domain="memory")),
    "DCGM_FI_DEV_MAX_VIDEO_CLOCK": (1545, sample(s.GPU_CLOCK_MAX, 1.545e9, domain="video")),
    "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS": (0x40, sample(s.GPU_THROTTLE_ACTIVE, 1, reason="hw_thermal")),
    "DCGM_FI_DEV_CLOCKS_EVENT_REASONS": (0x40, sample(s.GPU_THROTTLE_ACTIVE, 1, reason="hw_thermal")),
    "DCGM_FI_DEV_MEMORY_TEMP": (92, sample(s.GPU_TEMPERATURE, 92, sensor="memory")),
    "DCGM_FI_DEV_GPU_TEMP": (61, sample(s.GPU_TEMPERATURE, 61, sensor="gpu")),
    "DCGM_FI_DEV_GPU_TEMP_LIMIT": (26, sample(s.GPU_TEMPERATURE_MARGIN, 26)),
    "DCGM_FI_DEV_POWER_USAGE": (654.321, sample(s.GPU_POWER, 654.321)),
    "DCGM_FI_DEV_ENFORCED_POWER_LIMIT": (700, sample(s.GPU_POWER_LIMIT, 700)),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": (1234567, sample(s.GPU_ENERGY, 1234.567)),
    "DCGM_FI_DEV_FAN_SPEED": (30, sample(s.GPU_FAN, 0.3)),
    "DCGM_FI_DEV_PCIE_TX_THROUGHPUT": (2500, sample(s.GPU_PCIE_TX_RATE, 2.5e6)),
    "DCGM_FI_DEV_PCIE_RX_THROUGHPUT": (1500, sample(s.GPU_PCIE_RX_RATE, 1.5e6)),
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": (3, sample(s.GPU_PCIE_REPLAYS, 3)),
    "DCGM_FI_DEV_PCIE_LINK_GEN": (5, sample(s.GPU_PCIE_GENERATION, 5)),
    "DCGM_FI_DEV_PCIE_MAX_LINK_GEN": (6, sample(s.GPU_PCIE_GENERATION_MAX, 6)),
    "DCGM_FI_DEV_PCIE_LINK_WIDTH": (8, sample(s.GPU_PCIE_WIDTH, 8)),
    "DCGM_FI_DEV_PCIE_MAX_LINK_WIDTH": (16, sample(s.GPU_PCIE_WIDTH_MAX, 16)),
    "DCGM_FI_DEV_GPU_UTIL": (57, sample(s.GPU_UTILIZATION, 0.57)),
    "DCGM_FI_DEV_MEM_COPY_UTIL": (29, sample(s.GPU_MEMORY_UTILIZATION, 0.29)),
    "DCGM_FI_DEV_ENC_UTIL": (7, sample(s.GPU_ENCODER_UTILIZATION, 0.07)),
    "DCGM_FI_DEV_DEC_UTIL": (14, sample(s.GPU_DECODER_UTILIZATION, 0.14)),
    "DCGM_FI_DEV_POWER_VIOLATION": (2.5e9, sample(s.GPU_THROTTLE_SECONDS, 2.5, reason="sw_power_cap")),
    "DCGM_FI_DEV_THERMAL_VIOLATION": (2e8, sample(s.GPU_THROTTLE_SECONDS, 0.2, reason="sw_thermal")),
    "DCGM_FI_DEV_SYNC_BOOST_VIOLATION": (1e9, sample(s.GPU_THROTTLE_SECONDS, 1, reason="sync_boost")),
    "DCGM_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP_NS": (
        2.5e9, sample(s.GPU_THROTTLE_SECONDS, 2.5, reason="sw_power_cap"),
    ),
    "DCGM_FI_DEV_CLOCKS_EVENT_REASON_SYNC_BOOST_NS": (1e9, sample(s.GPU_THROTTLE_SECONDS, 1, reason="sync_boost")),
    "DCGM_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN_NS": (
        2e8, sample(s.GPU_THROTTLE_SECONDS, 0.2, reason="sw_thermal"),
    ),
    "DCGM_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN_NS": (
        3e8, sample(s.GPU_THROTTLE_SECONDS, 0.3, reason="hw_thermal"),
    ),
    "DCGM_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN_NS": (
        4e8, sample(s.GPU_THROTTLE_SECONDS, 0.4, reason="hw_power_brake"),
    ),
    "DCGM_FI_DEV_XID_ERRORS": (79, sample(s.GPU_XID_LAST, 1_800_000_000, xid="79")),
    "DCGM_FI_DEV_FB_FREE": (1024, sample(s.GPU_MEMORY_FREE, 1 << 30)),
    "DCGM_FI_DEV_FB_USED": (40536.5, sample(s.GPU_MEMORY_USED, 40536.5 * (1 << 20))),
    "DCGM_FI_DEV_FB_RESERVED": (512, sample(s.GPU_MEMORY_RESERVED, 512 << 20)),
    "DCGM_FI_DEV_FB_TOTAL": (81559, sample(s.GPU_MEMORY_TOTAL, 81559 << 20)),
    "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL": (12, sample(s.GPU_ECC_ERRORS, 12, type="corrected", location="dram")),
    "DCGM_FI_DEV_ECC_DBE_AGG_TOTAL": (1, sample(s.GPU_ECC_ERRORS, 1, type="uncorrected", location="sram")),
    "DCGM_FI_DEV_RETIRED_SBE": (4, sample(s.GPU_RETIRED_PAGES, 4, cause="single_bit")),
    "DCGM_FI_DEV_RETIRED_DBE": (5, sample(s.GPU_RETIRED_PAGES, 5, cause="double_bit")),
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": (2, sample(s.GPU_REMAPPED_ROWS, 2, type="uncorrectable")),
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": (3, sample(s.GPU_REMAPPED_ROWS, 3, type="correctable")),
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": (1, sample(s.GPU_ROW_REMAP_FAILURE, 1)),
    "DCGM_FI_DEV_ROW_REMAP_PENDING": (0, sample(s.GPU_ROW_REMAP_PENDING, 0)),
    "DCGM_FI_DEV_GET_GPU_RECOVERY_ACTION": (2, sample(s.GPU_RECOVERY_ACTION, 2)),
    "DCGM_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL": (6, sample(s.GPU_NVLINK_ERRORS, 6, type="crc_flit", link="0")),
    "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL": (7, sample(s.GPU_NVLINK_ERRORS, 7, type="crc_data", link="0")),
    "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL": (8, sample(s.GPU_NVLINK_ERRORS, 8, type="replay", link="0")),
    "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL": (9, sample(s.GPU_NVLINK_ERRORS, 9, type="recovery", link="0")),
    "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL": (200_000, sample(s.GPU_NVLINK_TX_RATE, 200_000 * 1_024_000)),
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": (0.57, sample(s.GPU_UTILIZATION, 0.57)),
    "DCGM_FI_PROF_SM_ACTIVE": (0.41, sample(s.GPU_SM_ACTIVE, 0.41)),
    "DCGM_FI_PROF_SM_OCCUPANCY": (0.2, sample(s.GPU_SM_OCCUPANCY, 0.2)),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": (0.33, sample(s.GPU_TENSOR_ACTIVE, 0.33)),
    "DCGM_FI_PROF_DRAM_ACTIVE": (0.25, sample(s.GPU_DRAM_ACTIVE, 0.25)),
    "DCGM_FI_PROF_PCIE_TX_BYTES": (2.5e6, sample(s.GPU_PCIE_TX_RATE, 2.5e6)),
    "DCGM_FI_PROF_PCIE_RX_BYTES": (1.5e6, sample(s.GPU_PCIE_RX_RATE, 1.5e6)),
    "DCGM_FI_PROF_NVLINK_TX_BYTES": (3e9, sample(s.GPU_NVLINK_TX_RATE, 3e9)),
    "DCGM_FI_PROF_NVLINK_RX_BYTES": (4e9, sample(s.GPU_NVLINK_RX_RATE, 4e9)),
}  # fmt: skip
"""{name: (value that dcgm-exporter would print, our sample)}."""

# Names and labels in the queries of Grafana's dashboard 12239 (`instance` is Prometheus's own).
DASHBOARD_12239 = (
    "DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_SM_CLOCK", "DCGM_FI_DEV_GPU_UTIL",
    "DCGM_FI_DEV_FB_USED", "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
)  # fmt: skip
# Every line of dcgm-exporter's default-counters.csv that is no comment.
DEFAULT_COUNTERS = {
    "DCGM_FI_DEV_SM_CLOCK", "DCGM_FI_DEV_MEM_CLOCK", "DCGM_FI_DEV_MEMORY_TEMP", "DCGM_FI_DEV_GPU_TEMP",
    "DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "DCGM_FI_DEV_PCIE_TX_THROUGHPUT",
    "DCGM_FI_DEV_PCIE_RX_THROUGHPUT", "DCGM_FI_DEV_PCIE_REPLAY_COUNTER", "DCGM_FI_DEV_GPU_UTIL",
    "DCGM_FI_DEV_MEM_COPY_UTIL", "DCGM_FI_DEV_ENC_UTIL", "DCGM_FI_DEV_DEC_UTIL", "DCGM_FI_DEV_XID_ERRORS",
    "DCGM_FI_DEV_FB_FREE", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL",
    "DCGM_FI_DEV_VGPU_LICENSE_STATUS", "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS",
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS", "DCGM_FI_DEV_ROW_REMAP_FAILURE",
}  # fmt: skip
EVERYTHING = (INFO, *(measured for _, measured in MEASURED.values()))


def page(*samples: Sample) -> dict[str, list[tuple[dict[str, str], float]]]:
    """{name: [(labels, value)]} as Prometheus's own client reads it back."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(render(samples, False)):
        for entry in family.samples:
            # The client gives counters the suffix that dcgm-exporter does not.
            found.setdefault(entry.name.removesuffix("_total"), []).append((dict(entry.labels), entry.value))
    return found


def only(samples: Sequence[Sample], name: str) -> tuple[dict[str, str], float]:
    ((found, value),) = page(*samples)[name]
    return found, value


def types(text: str) -> dict[str, str]:
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))


@pytest.mark.parametrize("name", MEASURED)
def test_a_measurement_has_the_name_and_the_unit_of_dcgm_exporter(name: str) -> None:
    value, measured = MEASURED[name]
    assert only([measured], name)[1] == value


def test_every_field_of_the_table_is_tested_above_and_nothing_is_there_twice() -> None:
    names = [field.name for field in FIELDS]
    assert len(set(names)) == len(names)
    assert set(names) | {"DCGM_FI_DEV_XID_ERRORS"} == set(MEASURED)


def test_the_default_metrics_of_dcgm_exporter_are_there_but_for_vgpu_licences() -> None:
    assert DEFAULT_COUNTERS - set(page(*EVERYTHING)) == {"DCGM_FI_DEV_VGPU_LICENSE_STATUS"}


@pytest.mark.parametrize("name", DASHBOARD_12239)
def test_grafanas_dashboard_12239_finds_its_metrics_and_labels(name: str) -> None:
    assert only(EVERYTHING, name)[0]["gpu"] == "0"


def test_the_labels_are_those_of_dcgm_exporter() -> None:
    user = sample(s.GPU_WORKLOAD_INFO, 1, k8s_namespace_name="chat", k8s_pod_name="llama-0",
                  k8s_container_name="vllm", sharing="exclusive")  # fmt: skip
    found, _ = only([INFO, user, sample(s.GPU_POWER, 1)], "DCGM_FI_DEV_POWER_USAGE")
    assert found == {
        "gpu": "0", "UUID": "GPU-aaaa", "pci_bus_id": "00000000:1B:00.0", "device": "nvidia0",
        "modelName": "NVIDIA H100 80GB HBM3", "Hostname": "node-1", "DCGM_FI_DRIVER_VERSION": "580.82.07",
        "namespace": "chat", "pod": "llama-0", "container": "vllm",
    }  # fmt: skip


def test_what_is_not_measured_is_left_out() -> None:
    assert render([INFO], False) == ""
    assert set(page(INFO, sample(s.GPU_POWER, 300))) == {"DCGM_FI_DEV_POWER_USAGE"}


def test_samples_of_model_servers_are_none_of_its_business() -> None:
    assert render([Sample(s.REQUESTS_RUNNING, labels(server="a", gpu="0"), 3)], False) == ""


def test_errors_of_all_links_and_all_memories_are_added_up() -> None:
    samples = [
        sample(s.GPU_NVLINK_ERRORS, 2, type="replay", link="0"),
        sample(s.GPU_NVLINK_ERRORS, 3, type="replay", link="1"),
        sample(s.GPU_NVLINK_ERRORS, 90, GPU1, type="replay", link="0"),
        sample(s.GPU_ECC_ERRORS, 5, type="corrected", location="dram"),
        sample(s.GPU_ECC_ERRORS, 6, type="corrected", location="sram"),
    ]
    found = page(*samples)
    assert [value for _, value in found["DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL"]] == [5, 90]
    assert only(samples, "DCGM_FI_DEV_ECC_SBE_AGG_TOTAL")[1] == 11


def test_nvlink_bandwidth_is_both_directions_together() -> None:
    both = [sample(s.GPU_NVLINK_TX_RATE, 1_024_000), sample(s.GPU_NVLINK_RX_RATE, 2_048_000)]
    assert only(both, "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL")[1] == 3


def test_throttle_reasons_are_the_bits_of_nvml() -> None:
    reasons = {"sw_power_cap": 1.0, "sw_thermal": 1.0, "gpu_idle": 0.0}
    active = [sample(s.GPU_THROTTLE_ACTIVE, value, reason=reason) for reason, value in reasons.items()]
    assert only(active, "DCGM_FI_DEV_CLOCKS_EVENT_REASONS")[1] == 0x4 | 0x20


def test_the_last_xid_is_the_latest_and_zero_before_the_first() -> None:
    counts = [sample(s.GPU_XID_ERRORS, 0, xid=code, owner="hardware") for code in ("48", "79")]
    assert only(counts, "DCGM_FI_DEV_XID_ERRORS")[1] == 0
    times = [sample(s.GPU_XID_LAST, 200, xid="48"), sample(s.GPU_XID_LAST, 100, xid="79")]
    assert only([*counts, *times], "DCGM_FI_DEV_XID_ERRORS")[1] == 48


def test_an_xid_without_a_time_is_told_nevertheless() -> None:
    counted = [sample(s.GPU_XID_ERRORS, count, xid=code) for code, count in (("48", 0), ("79", 1), ("94", 0))]
    assert only(counted, "DCGM_FI_DEV_XID_ERRORS")[1] == 79


def test_a_shared_gpu_keeps_one_series_with_what_its_users_have_in_common() -> None:
    users = [
        sample(s.GPU_WORKLOAD_INFO, 1, k8s_namespace_name="chat", k8s_pod_name=pod, k8s_container_name="vllm",
               sharing="shared")
        for pod in ("llama-0", "llama-1")
    ]  # fmt: skip
    found, value = only([INFO, *users, sample(s.GPU_POWER, 300)], "DCGM_FI_DEV_POWER_USAGE")
    assert value == 300
    assert (found["namespace"], found["container"]) == ("chat", "vllm")
    assert "pod" not in found


def test_a_mig_instance_has_the_uuid_of_its_gpu_and_replaces_its_value() -> None:
    samples = [INFO, MIG_INFO, sample(s.GPU_MEMORY_USED, 80 << 30), sample(s.GPU_MEMORY_USED, 40 << 30, MIG)]
    found, value = only(samples, "DCGM_FI_DEV_FB_USED")
    assert value == 40 * 1024
    assert found.items() >= {
        "gpu": "0", "UUID": "GPU-aaaa", "modelName": "NVIDIA H100 80GB HBM3", "pci_bus_id": "00000000:1B:00.0",
        "GPU_I_PROFILE": "3g.40gb", "GPU_I_ID": "9",
    }.items()  # fmt: skip


def test_an_xid_of_the_whole_gpu_is_told_beside_those_of_its_instances() -> None:
    samples = [sample(s.GPU_XID_LAST, 100, xid="79"), sample(s.GPU_XID_LAST, 200, MIG, xid="43")]
    assert sorted(value for _, value in page(*samples)["DCGM_FI_DEV_XID_ERRORS"]) == [43, 79]


def test_two_compute_instances_of_one_gpu_instance_are_one_series() -> None:
    second = labels(gpu="0", uuid="MIG-dddd", host_name="node-1", mig="9/1")
    samples = [INFO, *(sample(s.GPU_MEMORY_USED, 40 << 30, device) for device in (MIG, second))]
    assert only(samples, "DCGM_FI_DEV_FB_USED")[1] == 40 * 1024


def test_a_name_with_quotes_and_line_ends_comes_back_as_it_was() -> None:
    wild = 'a "quoted" \\ name\nDCGM_FI_DEV_GPU_TEMP{gpu="9"} 1'
    found, _ = only([sample(s.GPU_INFO, 1, name=wild), sample(s.GPU_POWER, 1)], "DCGM_FI_DEV_POWER_USAGE")
    assert found["modelName"] == wild


def test_counters_are_of_unknown_type_in_openmetrics_which_wants_a_suffix_of_them() -> None:
    counters = {field.name for field in FIELDS if field.type is SignalType.COUNTER}
    text = render(EVERYTHING, True)
    assert {name for name, told in types(text).items() if told == "unknown"} == counters
    assert {name for name, told in types(render(EVERYTHING, False)).items() if told == "counter"} == counters
    names = {family.name for family in openmetrics_families(text + "# EOF\n")}  # type: ignore[no-untyped-call]
    assert names == set(MEASURED)


def test_promtool_finds_no_error_of_syntax() -> None:
    page_text = render(EVERYTHING, False)
    found = subprocess.run(
        ["promtool", "check", "metrics"], input=page_text, text=True, capture_output=True, check=False
    )
    assert found.returncode in (0, 3), found.stderr  # 3: it would have named some of them otherwise
    assert "error while linting" not in found.stderr


values = st.floats(min_value=0, max_value=1e15, allow_nan=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
_WORDS = {
    "domain": ["sm", "memory", "odd"], "sensor": ["gpu", "memory"], "reason": list(c.THROTTLE_REASONS),
    "type": ["corrected", "uncorrected", "replay"], "xid": ["13", "79", "other"], c.MIG: ["", "1/0", "1/1"],
}  # fmt: skip


@st.composite
def any_samples(draw: st.DrawFn) -> Sample:
    signal = draw(st.sampled_from([signal for signal in s.SIGNALS if signal.name.startswith("atlas_gpu_")]))
    pairs = {
        name: draw(st.sampled_from(_WORDS.get(name, ["0", "1"])) | (st.nothing() if name in _WORDS else texts))
        for name in signal.labels
    }
    return Sample(signal, labels(**pairs), draw(values))


@given(samples=st.lists(any_samples(), max_size=40), openmetrics=st.booleans())
def test_whatever_is_measured_makes_a_page_that_can_be_read_and_has_nothing_twice(
    samples: list[Sample], openmetrics: bool
) -> None:
    text = render(samples, openmetrics)
    parse = openmetrics_families if openmetrics else text_string_to_metric_families
    families = list(parse(text + "# EOF\n" if openmetrics else text))
    assert len({family.name for family in families}) == len(families) == len(types(text))
    for family in families:
        series = [(entry.name, tuple(sorted(entry.labels.items()))) for entry in family.samples]
        assert len(set(series)) == len(series) > 0
