"""Device ids of real plugins find their GPU, and those of other hardware find none."""

from __future__ import annotations

import pytest

from atlas_ops.exporter.gpu.backend import GpuIdentity, GpuInstance
from atlas_ops.exporter.workload.device import DeviceId, keys_of, of_claim, of_plugin

UUID = "GPU-5a7d6e1f-0001-4c4d-9c1e-0123456789ab"
MIG = "MIG-0c4d7a10-0002-5b6e-8f90-0123456789ab"
GPU = GpuIdentity(index=2, uuid=UUID, minor=3, pci_bus_id="00000000:0A:00.0")
INSTANCE = GpuInstance(uuid=MIG, name="1/0", gpu_instance=1, compute_instance=0)
AMD = GpuIdentity(index=0, uuid="", minor=1, pci_bus_id="0000:03:00.0")


def meets(found: DeviceId | None, gpu: GpuIdentity, instance: GpuInstance | None = None) -> bool:
    return found is not None and found.key in keys_of(gpu, instance)


@pytest.mark.parametrize(
    ("resource", "name", "replica"),
    [
        ("nvidia.com/gpu", UUID, False),
        ("nvidia.com/gpu", UUID.upper().replace("GPU", "GPU"), False),
        ("nvidia.com/gpu.shared", f"{UUID}::3", True),
        ("example.org/accelerator", f"{UUID}::11", True),
        ("nvidia.com/gpu", "nvidia3", False),
        ("nvidia.com/gpu", "nvidia3/vgpu1", True),
        ("nvidia.com/gpu", "2", False),
        ("nvidia.com/gpu", "0000:0a:00.0", False),
    ],
)
def test_an_id_of_a_plugin_finds_the_whole_gpu(resource: str, name: str, *, replica: bool) -> None:
    found = of_plugin(resource, name)
    assert meets(found, GPU)
    assert not meets(found, GPU, INSTANCE)
    assert found is not None
    assert found.replica is replica
    assert found.gpu == found.key


@pytest.mark.parametrize(
    ("name", "replica"),
    [
        (MIG, False),
        (f"{MIG}::0", True),
        (f"MIG-{UUID}/1/0", False),
        (f"MIG-{UUID}/1/0::2", True),
        ("nvidia3/gi1", False),
        ("nvidia3/gi1/vgpu0", True),
    ],
)
def test_an_id_of_an_instance_finds_the_instance_alone(name: str, *, replica: bool) -> None:
    found = of_plugin("nvidia.com/mig-1g.10gb", name)
    assert meets(found, GPU, INSTANCE)
    assert not meets(found, GPU)
    assert found is not None
    assert found.replica is replica


def test_an_instance_of_another_gpu_or_place_is_not_meant() -> None:
    other = GpuInstance(uuid="MIG-x", name="2/0", gpu_instance=2, compute_instance=0)
    for name in (MIG, f"MIG-{UUID}/1/0", "nvidia3/gi1"):
        assert not meets(of_plugin("nvidia.com/mig-1g.10gb", name), GPU, other)
    assert not meets(of_plugin("nvidia.com/gpu", "nvidia30"), GPU)


@pytest.mark.parametrize("name", ["0000:03:00.0", "card1", "0000:03:00.0-slice-2"])
def test_amd_names_its_gpus_by_address_or_card(name: str) -> None:
    assert meets(of_plugin("amd.com/gpu", name), AMD)


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("intel.com/sriov_netdevice", "0000:0a:00.0"),
        ("smarter-devices/fuse", "2"),
        ("devices.kubevirt.io/kvm", "kvm3"),
        ("hugepages", ""),
        ("nvidia.com/gpu", "nvidia"),
        ("nvidia.com/gpu", "GPU-not-a-uuid"),
        ("amd.com/gpu", "amdgpu_xcp_3"),
    ],
)
def test_what_is_no_gpu_or_says_nothing_of_one_is_left_out(resource: str, name: str) -> None:
    assert of_plugin(resource, name) is None


def test_an_index_of_an_instance_tells_the_gpu_but_not_the_instance() -> None:
    assert of_plugin("nvidia.com/gpu", "2:1") == DeviceId("", "index 2")


@pytest.mark.parametrize(
    ("device", "cdi_name"),
    [
        ("gpu-3", ""),
        (UUID, ""),
        ("", "k8s.gpu.nvidia.com/claim=dab5ab50-d59a-42a6-af16-cfd4628c0f7a-gpu-3"),
        ("", "k8s.gpu.nvidia.com/device=gpu-3"),
        ("unheard-of", f"nvidia.com/gpu={UUID}"),
    ],
)
def test_a_claim_finds_its_gpu_by_the_device_or_by_the_container_device_interface(device: str, cdi_name: str) -> None:
    assert meets(of_claim("gpu.nvidia.com", device, [cdi_name]), GPU)


def test_a_claimed_instance_is_found_by_its_uuid_and_else_tells_its_gpu_alone() -> None:
    assert meets(of_claim("gpu.nvidia.com", MIG, ()), GPU, INSTANCE)
    assert of_claim("gpu.nvidia.com", "gpu-3-mig-1g10gb-19-0", ()) == DeviceId("", "minor 3")


def test_amd_names_claimed_gpus_by_card_and_render_node() -> None:
    assert meets(of_claim("gpu.amd.com", "gpu-1-129", ()), AMD)


def test_claims_of_other_drivers_are_no_gpus() -> None:
    assert of_claim("dra.net", "gpu-3", ()) is None
    assert of_claim("gpu.nvidia.com", "channel-3", ["k8s.gpu.nvidia.com/claim=x"]) is None


def test_a_gpu_of_which_little_is_known_has_few_names() -> None:
    assert keys_of(GpuIdentity(index=5), None) == ("index 5",)
    assert keys_of(GpuIdentity(index=5), GpuInstance(uuid="", name="", gpu_instance=0, compute_instance=0)) == ()
