"""Every kind of GPU under every driver, through the real binding: what it gives and what it lacks."""

from __future__ import annotations

from collections.abc import Callable

import pynvml
import pytest

from atlas_ops.errors import UsageError
from atlas_ops.simulator import SimulatedNode
from atlas_ops.simulator.drivers import DRIVERS, driver_by_name
from atlas_ops.simulator.nvml.library import all_functions
from atlas_ops.simulator.profiles import PROFILES, profile_by_name
from tests.simulator.binding import bound, code

Ask = Callable[[object], object]
UNSUPPORTED = pynvml.NVML_ERROR_NOT_SUPPORTED


def field(number: int, scope: int = 0) -> Ask:
    """A question for one field value."""

    def ask(gpu: object) -> object:
        (entry,) = pynvml.nvmlDeviceGetFieldValues(gpu, [(number, scope)])
        if entry.nvmlReturn:
            raise pynvml.NVMLError(entry.nvmlReturn)
        return entry

    return ask


ALL = frozenset(profile.name for profile in PROFILES)
HBM = frozenset({"a100", "h100", "h100-mig", "h200"})
GEFORCE = frozenset({"rtx4080s", "rtx2080s"})
HOPPER = frozenset({"h100", "h100-mig", "h200"})
HAS: dict[str, tuple[frozenset[str], Ask]] = {
    "memory temperature": (HBM, field(82)),
    "shutdown margin": (HOPPER | {"l40s", "l4"}, field(193)),
    "memory margin": (HOPPER, field(195)),
    "margin": (HOPPER | {"l40s", "l4"}, pynvml.nvmlDeviceGetMarginTemperature),
    "fan": (GEFORCE, pynvml.nvmlDeviceGetFanSpeed),
    "fans": (GEFORCE, pynvml.nvmlDeviceGetNumFans),
    "ecc mode": (ALL - GEFORCE, pynvml.nvmlDeviceGetEccMode),
    "ecc errors": (ALL - GEFORCE, lambda gpu: pynvml.nvmlDeviceGetTotalEccErrors(gpu, 0, 0)),
    "remapped rows": (ALL - GEFORCE - {"t4", "h100-mig"}, pynvml.nvmlDeviceGetRemappedRows),
    "remapped rows as a field": (ALL - GEFORCE - {"t4", "h100-mig"}, field(142)),
    "retired pages": (frozenset({"t4"}), lambda gpu: pynvml.nvmlDeviceGetRetiredPages(gpu, 0)),
    "recovery action": (ALL - GEFORCE, field(230)),
    "utilization": (ALL - {"h100-mig"}, pynvml.nvmlDeviceGetUtilizationRates),
    "decoder": (ALL - {"h100-mig"}, pynvml.nvmlDeviceGetDecoderUtilization),
    "nvlink": (HBM, lambda gpu: pynvml.nvmlDeviceGetNvLinkState(gpu, 0)),
    "nvlink traffic": (HBM, field(138, 0xFFFFFFFF)),
    "nvlink errors of Hopper": (HOPPER, field(161)),
    "mig": (HBM, pynvml.nvmlDeviceGetMigMode),
    "average power": (ALL - {"a100", "t4", "rtx2080s"}, field(185)),
    "gpm": (HOPPER, lambda gpu: pynvml.nvmlGpmSampleGet(gpu, pynvml.nvmlGpmSampleAlloc())),
    "serial": (frozenset(), pynvml.nvmlDeviceGetSerial),
    **{
        name: (ALL, getattr(pynvml, f"nvmlDeviceGet{name}"))
        for name in ("Name", "UUID", "PowerUsage", "EnforcedPowerLimit", "MemoryInfo", "CurrPcieLinkWidth")
    },
    "temperature": (ALL, lambda gpu: pynvml.nvmlDeviceGetTemperature(gpu, 0)),
    "energy": (ALL, pynvml.nvmlDeviceGetTotalEnergyConsumption),
    "reasons": (ALL, pynvml.nvmlDeviceGetCurrentClocksEventReasons),
    "power counter": (ALL, field(74)),
}


@pytest.mark.parametrize("profile", sorted(ALL))
def test_each_part_has_and_lacks_what_the_real_one_does(profile: str) -> None:
    with bound(SimulatedNode(profile, driver="580.82").library):
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        found = {name: code(lambda ask=ask: ask(gpu)) for name, (_, ask) in HAS.items()}  # type: ignore[misc]
    assert found == {name: 0 if profile in parts else UNSUPPORTED for name, (parts, _) in HAS.items()}


@pytest.mark.parametrize("driver", [driver.name for driver in DRIVERS])
@pytest.mark.parametrize("profile", sorted(ALL))
def test_any_part_works_with_any_driver(profile: str, driver: str) -> None:
    node = SimulatedNode(profile, driver=driver, gpus=2)
    with bound(node.library):
        assert pynvml.nvmlSystemGetDriverVersion() == driver_by_name(driver).version
        assert pynvml.nvmlSystemGetDriverVersion().startswith(driver)
        assert pynvml.nvmlSystemGetNVMLVersion().endswith(driver_by_name(driver).version)
        assert pynvml.nvmlSystemGetCudaDriverVersion_v2() == driver_by_name(driver).cuda
        gpu = pynvml.nvmlDeviceGetHandleByIndex(1)
        assert pynvml.nvmlDeviceGetName(gpu) == profile_by_name(profile).board
        assert pynvml.nvmlDeviceGetMemoryInfo(gpu).total == profile_by_name(profile).memory_bytes


def test_functions_are_missing_from_drivers_that_came_before_them() -> None:
    late = {"nvmlDeviceGetTemperatureV", "nvmlDeviceGetMarginTemperature", "nvmlDeviceGetFanSpeedRPM"}
    older = SimulatedNode(driver="535")
    for name in all_functions():
        has = hasattr(older.library, name)
        assert has is (name not in late | {"nvmlDeviceGetSramEccErrorStatus"})
        assert hasattr(SimulatedNode(driver="570").library, name)
    with bound(older.library):
        gpu = pynvml.nvmlDeviceGetHandleByIndex(0)
        with pytest.raises(pynvml.NVMLError_FunctionNotFound):
            pynvml.nvmlDeviceGetTemperatureV(gpu, 0)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="b300") as refused:
        SimulatedNode("b300")
    assert "h100-mig" in refused.value.next_step
    with pytest.raises(UsageError, match="newest") as refused:
        SimulatedNode(driver="newest")
    assert "580.82" in refused.value.next_step
