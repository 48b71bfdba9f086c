"""The manifest is valid for every Kubernetes that is supported, asks for no right it can do without, and fits the program."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
import yaml

from atlas_ops import cli, settings
from atlas_ops.catalog import build_catalog, conventions
from atlas_ops.exporter.discovery.annotations import PREFIX, read_wishes
from atlas_ops.settings import Exporter
from tests.deploy.manifest import OLDEST, VERSIONS, Manifest, forbidden, manifest, validate
from tests.exporter.command import running

README = Path(__file__).parents[2] / "exporters/deploy/README.md"
TARGET_LABELS = {"job", "instance", "namespace", "pod", "container", "endpoint"}
"""What Prometheus and its operator attach to every series of a pod."""

every_version = pytest.mark.parametrize("version", VERSIONS)


@pytest.fixture
def found() -> Manifest:
    """A manifest of its own for each test, which may damage it."""
    return manifest()


@every_version
def test_every_object_is_valid(found: Manifest, version: str) -> None:
    validate(found, version)


def test_the_versions_go_from_the_oldest_supported_one_to_one_far_above_it() -> None:
    assert VERSIONS[0].startswith(OLDEST)
    assert len(VERSIONS) > 8


@pytest.mark.parametrize(
    "damage",
    [
        lambda found: found.container.update(volumeMount=[]),
        lambda found: found.container["securityContext"].update(readOnlyRootFileSystem=True),
        lambda found: found.pod["tolerations"][0].update(operator=True),
        lambda found: found.objects["DaemonSet"]["spec"].pop("selector"),
        lambda found: found.objects["NetworkPolicy"]["spec"].update(ingres=[]),
        lambda found: found.objects["ConfigMap"]["data"].update(number=1),
        lambda found: found.objects["Namespace"]["metadata"].update(label={}),
        lambda found: found.endpoint.update(intervall="15s"),
        lambda found: found.endpoint.update(interval="15 s"),
        lambda found: found.objects["PodMonitor"]["spec"].pop("selector"),
    ],
)
@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_a_wrong_key_or_value_would_be_noticed(
    found: Manifest, version: str, damage: Callable[[Manifest], object]
) -> None:
    damage(found)
    with pytest.raises(jsonschema.ValidationError):
        validate(found, version)


def test_all_that_pod_security_forbids_about_it_are_the_folders_of_the_host(found: Manifest) -> None:
    assert set(forbidden(found.pod)) == {"volume hostPath"}
    assert found.objects["Namespace"]["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "privileged"}


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        (lambda pod: pod.update(hostPID=True), "hostPID"),
        (lambda pod: pod["securityContext"].update(runAsUser=0), "runAsUser"),
        (lambda pod: pod["securityContext"].pop("runAsNonRoot"), "runAsNonRoot"),
        (lambda pod: pod["securityContext"].pop("seccompProfile"), "seccompProfile"),
        (lambda pod: pod["containers"][0]["securityContext"].update(privileged=True), "privileged"),
        (
            lambda pod: pod["containers"][0]["securityContext"].pop("allowPrivilegeEscalation"),
            "allowPrivilegeEscalation",
        ),
        (lambda pod: pod["containers"][0]["securityContext"].pop("capabilities"), "capabilities.drop"),
        (
            lambda pod: pod["containers"][0]["securityContext"]["capabilities"].update(add=["SYS_ADMIN"]),
            "capabilities.add",
        ),
    ],
)
def test_a_right_too_many_would_be_noticed(found: Manifest, damage: Callable[[Any], object], rule: str) -> None:
    damage(found.pod)
    assert rule in set(forbidden(found.pod))


def test_nothing_of_the_node_or_of_the_image_can_be_written_to(found: Manifest) -> None:
    assert found.container["securityContext"]["readOnlyRootFilesystem"] is True
    assert all(mount["readOnly"] is True for mount in found.container["volumeMounts"])


def test_the_pod_has_no_access_to_the_kubernetes_api_and_no_secret(found: Manifest) -> None:
    assert found.pod["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in found.pod
    assert set(found.objects) == {"Namespace", "ConfigMap", "DaemonSet", "PodMonitor", "NetworkPolicy"}
    words = set(re.findall(r"\w*(?:secret|password|token)\w*", yaml.safe_dump(found.objects), re.IGNORECASE))
    assert words == {"automountServiceAccountToken"}


def test_the_pod_takes_no_gpu_and_asks_for_little(found: Manifest) -> None:
    resources = found.container["resources"]
    assert {name for part in resources.values() for name in part} == {"cpu", "memory"}
    assert "cpu" not in resources["limits"], "a sampler that is held back misses what it is there to see"


def test_the_folders_of_the_host_lie_where_the_settings_of_the_pod_say(found: Manifest) -> None:
    exporter = settings.parse(found.config).exporter
    socket = str(PurePosixPath(exporter.pod_resources_socket).parent)
    assert found.host_folders == {
        "/proc": f"{exporter.host_root}/proc",
        "/sys": f"{exporter.host_root}/sys",
        "/var/log/containers": f"{exporter.host_root}/var/log/containers",
        socket: socket,
    }


def test_every_volume_is_mounted_once_and_has_a_name_that_kubernetes_takes(found: Manifest) -> None:
    names = [volume["name"] for volume in found.pod["volumes"]]
    assert sorted(names) == sorted(mount["name"] for mount in found.container["volumeMounts"])
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name) for name in names)


def test_the_program_takes_the_arguments_and_finds_its_settings_where_they_are_mounted(found: Manifest) -> None:
    args = cli.parser("exporter").parse_args(found.container["args"])
    (mount,) = (mount for mount in found.container["volumeMounts"] if mount["name"] == "config")
    (volume,) = (volume for volume in found.pod["volumes"] if volume["name"] == "config")
    assert str(args.config.parent) == mount["mountPath"]
    assert args.config.name in found.objects["ConfigMap"]["data"]
    assert volume["configMap"]["name"] == found.objects["ConfigMap"]["metadata"]["name"]


def test_the_program_runs_with_the_settings_of_the_pod_and_has_the_pages_that_are_asked_for(
    found: Manifest, tmp_path: Path
) -> None:
    file = tmp_path / "atlas-ops.yaml"
    file.write_text(found.config)
    probes = {found.container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    with running("--config", str(file)) as exporter:
        for path in (*probes, found.endpoint["path"]):
            connection = HTTPConnection(urlsplit(exporter.url).netloc, timeout=30)
            with contextlib.closing(connection):
                connection.request("GET", path)
                assert connection.getresponse().status in (200, 503), path


def test_a_wedged_driver_makes_the_pod_not_ready_and_does_not_kill_it(found: Manifest) -> None:
    path = {kind: found.container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")}
    assert path == {"startup": "/-/healthy", "liveness": "/-/healthy", "readiness": "/-/ready"}


def test_everything_means_the_port_that_the_exporter_listens_on(found: Manifest) -> None:
    (port,) = found.container["ports"]
    (ingress,) = found.objects["NetworkPolicy"]["spec"]["ingress"]
    probes = {found.container[f"{kind}Probe"]["httpGet"]["port"] for kind in ("startup", "liveness", "readiness")}
    assert settings.address(settings.parse(found.config).exporter.listen) == ("0.0.0.0", port["containerPort"])
    assert {port["name"], found.endpoint["port"], *probes} == {ingress["ports"][0]["port"]}


def test_daemon_set_monitor_and_policy_mean_the_same_pods(found: Manifest) -> None:
    specs = {kind: found.objects[kind]["spec"] for kind in ("DaemonSet", "PodMonitor", "NetworkPolicy")}
    selectors = [specs["DaemonSet"]["selector"], specs["PodMonitor"]["selector"], specs["NetworkPolicy"]["podSelector"]]
    assert all(
        selector["matchLabels"].items() <= found.template["metadata"]["labels"].items() for selector in selectors
    )
    assert len({document["metadata"].get("namespace") for document in found.objects.values()} - {None}) == 1


def test_the_scrape_has_the_job_that_the_rules_ask_for_and_is_named_after_the_node(found: Manifest) -> None:
    job_label = found.objects["PodMonitor"]["spec"]["jobLabel"]
    assert found.template["metadata"]["labels"][job_label] == conventions.EXPORTER_JOB
    assert {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "instance"} in found.endpoint[
        "relabelings"
    ]


def test_pods_that_have_ended_are_no_targets_so_that_a_node_taken_away_does_not_page(found: Manifest) -> None:
    dropped = {"sourceLabels": ["__meta_kubernetes_pod_phase"], "regex": "Succeeded|Failed", "action": "drop"}
    assert dropped in found.endpoint["relabelings"]


def test_no_signal_has_a_label_that_prometheus_attaches_so_honor_labels_is_not_needed(found: Manifest) -> None:
    assert not [signal.name for signal in build_catalog().signals if set(signal.labels) & TARGET_LABELS]
    assert "honorLabels" not in found.endpoint


def test_only_prometheus_comes_in_and_nothing_goes_out(found: Manifest) -> None:
    policy = found.objects["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []
    (ingress,) = policy["ingress"]
    (who,) = ingress["from"]
    assert set(who) == {"namespaceSelector", "podSelector"}, "both have to fit: the one alone would let others in"


@pytest.mark.parametrize(
    ("labels", "chosen"),
    [
        ({"nvidia.com/gpu.present": "true"}, True),
        ({"feature.node.kubernetes.io/amd-gpu": "true"}, True),
        ({"amd.com/gpu.family": "AI"}, True),
        ({"atlas-ops/exporter": "true"}, True),
        ({"nvidia.com/gpu.present": "false"}, False),
        ({}, False),
    ],
)
def test_a_node_gets_a_pod_when_it_has_gpus_or_was_labelled_by_hand(
    found: Manifest, labels: dict[str, str], *, chosen: bool
) -> None:
    affinity = found.pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert any(
        all(_fits(wish, labels) for wish in term["matchExpressions"]) for term in affinity["nodeSelectorTerms"]
    ) == (chosen)


def _fits(wish: dict[str, Any], labels: dict[str, str]) -> bool:
    there = wish["key"] in labels
    return there if wish["operator"] == "Exists" else there and labels[wish["key"]] in wish["values"]


def test_taints_of_gpu_nodes_are_tolerated(found: Manifest) -> None:
    tolerated = {(entry["key"], entry["operator"]) for entry in found.pod["tolerations"]}
    assert tolerated == {("nvidia.com/gpu", "Exists"), ("amd.com/gpu", "Exists")}


def test_the_node_and_its_gpus_are_handed_in(found: Manifest) -> None:
    env = {entry["name"]: entry for entry in found.container["env"]}
    assert env["NODE_NAME"]["valueFrom"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}
    assert env["NVIDIA_VISIBLE_DEVICES"]["value"] == "all"
    assert env["NVIDIA_DRIVER_CAPABILITIES"]["value"] == "utility"


def test_the_patches_of_the_readme_change_what_is_there(found: Manifest) -> None:
    patches = re.findall(r"\{op: (?P<op>\w+), path: (?P<path>[^ ,}]+)", README.read_text(encoding="utf-8"))
    assert len(patches) >= 6
    for operation, path in patches:
        place: Any = found.objects["DaemonSet"]
        *way, last = path.strip("/").split("/")
        for key in way:
            place = place[int(key)] if isinstance(place, list) else place[key]
        assert last == "-" if isinstance(place, list) else (last in place) == (operation != "add")


def test_the_table_of_the_readme_names_every_folder_of_the_host(found: Manifest) -> None:
    rows = re.findall(r"^\| `(/[^`]+)` \| (?:`([^`]+)`|the same) \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert {folder: inside or folder for folder, inside in rows} == found.host_folders


@pytest.mark.parametrize(
    ("key", "exporter"),
    [("web_config_file", Exporter(web_config_file="mine")), ("dialects", Exporter(dialects="mine"))],
)
def test_a_setting_that_is_not_taken_over_is_explained_in_the_readme(key: str, exporter: Exporter) -> None:
    assert "mine" not in manifest(settings.Settings(exporter=exporter)).config
    assert f"`{key}`" in README.read_text(encoding="utf-8")


class AskedFor(dict[str, str]):
    """Annotations that remember which of them were asked for."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default


def test_the_readme_names_every_annotation_of_ours_that_counts_and_no_other() -> None:
    asked = AskedFor()
    read_wishes(asked, ())
    rows = [line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{PREFIX}")]
    named = re.findall(rf"`(?:{PREFIX}|/)([a-z]+)`", "\n".join(rows))
    assert {f"{PREFIX}{name}" for name in named} == {name for name in asked.names if name.startswith(PREFIX)}
