"""A control group tells whose it is in the spelling of every runtime."""

from __future__ import annotations

import pytest

from atlas_ops.exporter.workload.cgroup import Place, of_file, of_path

ID = "6d393320601b821561e43bd46f658284cb172cf297ecc3d3665be657870d32e2"
INNER = "9bca8d63d5fa610783847915bcff0ecac1273e5b4bed3f6fa1b07350e0135961"
UID = "57e67067-89e4-4001-bdd4-8632d39ea02b"
SYSTEMD_UID = UID.replace("-", "_")
STATIC_UID = "d8f7a2b0c1e94f6b8a7d6c5b4a392817"
IN_POD = Place(pod_uid=UID, container_id=ID)
ALONE = Place(container_id=ID)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        # kubelet with the cgroupfs driver
        (f"/kubepods/burstable/pod{UID}/{ID}", IN_POD),
        (f"/kubepods/pod{UID}/{ID}", IN_POD),
        (f"/kubepods/besteffort/pod{UID}", Place(pod_uid=UID)),
        (f"/kubepods/burstable/pod{STATIC_UID}/{ID}", Place(pod_uid=STATIC_UID, container_id=ID)),
        # kubelet with the systemd driver: containerd, CRI-O (also with crun, which adds a group), docker
        (f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SYSTEMD_UID}.slice/cri-containerd-{ID}.scope", IN_POD),
        (f"/kubepods.slice/kubepods-pod{SYSTEMD_UID}.slice/crio-{ID}.scope", IN_POD),
        (f"/kubepods.slice/kubepods-pod{SYSTEMD_UID}.slice/crio-{ID}.scope/container", IN_POD),
        (f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{SYSTEMD_UID}.slice/docker-{ID}.scope", IN_POD),
        (f"/kubepods.slice/kubepods-pod{STATIC_UID}.slice/cri-containerd-{ID}.scope", Place(pod_uid=STATIC_UID, container_id=ID)),
        # containerd with cgroupfs below a kubelet with systemd
        (f"/system.slice/containerd.service/kubepods-burstable-pod{SYSTEMD_UID}.slice:cri-containerd:{ID}", IN_POD),
        # a cluster whose nodes are containers
        (f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod{SYSTEMD_UID}.slice/cri-containerd-{ID}.scope", IN_POD),
        (f"/docker/{INNER}/kubelet/kubepods/pod{UID}/{ID}", IN_POD),
        # seen from a private namespace
        (f"/../cri-containerd-{ID}.scope", ALONE),
        (f"/../../kubepods-besteffort-pod{SYSTEMD_UID}.slice/cri-containerd-{ID}.scope", IN_POD),
        (f"/../../pod{UID}/{ID}", IN_POD),
        # the watcher of a container, and the containers inside of one
        (f"/kubepods.slice/kubepods-pod{SYSTEMD_UID}.slice/crio-conmon-{ID}.scope", Place(pod_uid=UID)),
        (f"/kubepods/pod{UID}/{ID}/docker/{INNER}", IN_POD),
        (f"/docker/{ID}/docker/{INNER}", ALONE),
        # outside of Kubernetes
        (f"/docker/{ID}", ALONE),
        (f"/system.slice/docker-{ID}.scope", ALONE),
        (f"/machine.slice/libpod-{ID}.scope/container", ALONE),
        (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container", ALONE),
        (f"/default/{ID}", ALONE),
        (f"/system.slice/docker-{ID}.scope (deleted)", ALONE),
        # systemd
        ("/system.slice/vllm.service", Place(unit="vllm.service")),
        ("/system.slice/system-getty.slice/getty@tty1.service", Place(unit="getty@tty1.service")),
        ("/user.slice/user-1000.slice/session-3.scope", Place(unit="user-1000.slice")),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/train.service", Place(unit="train.service")),
        ("/user.slice/user-1000.slice/user@1000.service/init.scope", Place(unit="user@1000.service")),
        ("/system.slice/slurmstepd.scope/job_12/step_0/user/task_0", Place(unit="slurmstepd.scope")),
        ("/init.scope", Place()),
        ("/", Place()),
        ("", Place()),
        # close, but no container and no pod
        (f"/docker/{ID[:-1]}", Place()),
        ("/kubepods/burstable/podman", Place()),
    ],
)  # fmt: skip
def test_the_path_of_a_group_tells_whose_it_is(path: str, place: Place) -> None:
    assert of_path(path) == place


def test_in_version_2_the_one_line_counts() -> None:
    assert of_file(f"0::/kubepods/pod{UID}/{ID}\n") == IN_POD


def test_in_version_1_the_line_that_knows_a_container_counts() -> None:
    text = f"12:cpu,cpuacct:/\n3:memory:/kubepods/pod{UID}/{ID}\n1:name=systemd:/system.slice/kubelet.service\n0::/\n"
    assert of_file(text) == IN_POD


def test_in_version_1_a_service_is_known_by_its_unit() -> None:
    assert of_file("4:memory:/system.slice\n1:name=systemd:/system.slice/vllm.service\n0::/x\n").unit == "vllm.service"


@pytest.mark.parametrize("text", ["", "\n", "garbage", "1:2", "0::"])
def test_what_is_no_list_of_groups_tells_nothing(text: str) -> None:
    assert of_file(text) == Place()


def test_colons_within_a_path_belong_to_it() -> None:
    text = f"0::/system.slice/containerd.service/kubepods-pod{SYSTEMD_UID}.slice:cri-containerd:{ID}\n"
    assert of_file(text) == IN_POD
