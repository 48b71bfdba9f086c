"""The settings of the user reach the manifest, as far as they make sense in a pod."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from atlas_ops import settings
from atlas_ops.catalog.parameters import Parameters, Timing
from atlas_ops.settings import Discovery, Exporter, KubernetesDiscovery, Settings
from tests.deploy.manifest import OLDEST, VERSIONS, manifest, validate

WORDS = st.text(st.sampled_from("ab/.-_: #'\"{}é\n%"), max_size=12)
EXPORTERS = st.builds(
    Exporter,
    listen=st.sampled_from(("127.0.0.1:9464", "[::1]:1", "localhost:0", "0.0.0.0:65535")),
    interval_seconds=st.floats(0.1, 3599),
    timeout_seconds=st.floats(0.1, 599),
    gpus=st.booleans(),
    expected_gpus=st.none() | st.integers(0, 1023),
    host_root=WORDS,
    pod_resources_socket=WORDS,
    web_config_file=WORDS,
    dialects=WORDS,
    compat=st.sampled_from(("", "dcgm")),
    otlp_endpoint=st.sampled_from(("", "http://collector:4318", "https://otlp.example.org", "http://[fd00::1]/v1")),
)
TIMINGS = st.builds(Timing, scrape_seconds=st.floats(0.02, 299))


@given(exporter=EXPORTERS, timing=TIMINGS)
@hypothesis_settings(max_examples=20)
def test_whatever_the_settings_the_manifest_is_valid_and_the_pod_reads_the_same_settings(
    exporter: Exporter, timing: Timing
) -> None:
    found = manifest(Settings(exporter=exporter, parameters=Parameters(timing=timing)))
    for version in (OLDEST, VERSIONS[-1]):
        validate(found, version)
    read = settings.parse(found.config).exporter
    assert read == dataclasses.replace(exporter, listen=read.listen, host_root="/host", web_config_file="", dialects="")
    assert settings.address(read.listen) == ("0.0.0.0", settings.address(exporter.listen)[1] or 9464)


def test_only_what_differs_from_the_defaults_is_in_the_config_map() -> None:
    assert manifest(Settings(exporter=Exporter(expected_gpus=8))).config == (
        "exporter:\n  listen: 0.0.0.0:9464\n  expected_gpus: 8\n  host_root: /host\n"
    )


def test_servers_are_left_out_because_every_node_would_scrape_them() -> None:
    given_servers = settings.parse("servers: [{url: 'http://10.0.0.5:8000', bearer_token_file: /run/token}]")
    assert settings.parse(manifest(given_servers).config).servers == ()


@pytest.mark.parametrize(
    ("seconds", "interval", "timeout"), [(15, "15s", "10s"), (60, "1m", "10s"), (2.5, "2500ms", "2500ms")]
)
def test_the_scrape_follows_the_timing_and_never_takes_longer_than_its_interval(
    seconds: float, interval: str, timeout: str
) -> None:
    endpoint = manifest(Settings(parameters=Parameters(timing=Timing(scrape_seconds=seconds)))).endpoint
    assert (endpoint["interval"], endpoint["scrapeTimeout"]) == (interval, timeout)


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [("http://collector:4318", 4318), ("https://otlp.example.org", 443), ("http://otlp.example.org/x", 80)],
)
def test_a_receiver_of_otlp_is_let_out_with_its_name_and_nothing_else(endpoint: str, port: int) -> None:
    policy = manifest(Settings(exporter=Exporter(otlp_endpoint=endpoint))).objects["NetworkPolicy"]["spec"]
    ports = [(entry["protocol"], entry["port"]) for rule in policy["egress"] for entry in rule["ports"]]
    assert ports == [("UDP", 53), ("TCP", 53), ("TCP", port)]


@pytest.mark.parametrize(
    ("socket", "mounted"),
    [
        ("/var/snap/microk8s/common/var/lib/kubelet/pod-resources/kubelet.sock", True),
        ("/kubelet.sock", False),
        ("pod-resources/kubelet.sock", False),
        ("", False),
    ],
)
def test_the_folder_of_another_socket_is_mounted_but_never_the_whole_host(socket: str, *, mounted: bool) -> None:
    folders = manifest(Settings(exporter=Exporter(pod_resources_socket=socket))).host_folders
    assert len(folders) == 3 + mounted
    assert (socket.rpartition("/")[0] in folders) == mounted
    assert "/" not in folders


def test_a_long_timeout_gives_the_first_round_the_time_that_it_may_take() -> None:
    probe = manifest(Settings(exporter=Exporter(timeout_seconds=500))).container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 560


DISCOVERY = KubernetesDiscovery(
    namespaces=("chat", "search"), label_selector="team=a", api_url="http://127.0.0.1:8001", bearer_token_file="/mine",
    ca_file="/mine",
)  # fmt: skip
FINDING = Settings(discovery=Discovery(files=("/mine/*.json",), kubernetes=DISCOVERY))


def test_with_discovery_the_pod_may_see_the_pods_of_its_namespaces_and_nothing_else() -> None:
    found = manifest(FINDING)
    assert {key for key in found.objects if "Role" in key or "Account" in key} == {
        "ServiceAccount", "Role/chat", "RoleBinding/chat", "Role/search", "RoleBinding/search",
    }  # fmt: skip
    account = found.objects["ServiceAccount"]["metadata"]
    assert found.pod["serviceAccountName"] == account["name"]
    assert found.pod["automountServiceAccountToken"] is True
    for namespace in DISCOVERY.namespaces:
        role, binding = found.objects[f"Role/{namespace}"], found.objects[f"RoleBinding/{namespace}"]
        assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}]
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) == ("Role", role["metadata"]["name"])
        (subject,) = binding["subjects"]
        assert (subject["kind"], subject["name"], subject["namespace"]) == (
            "ServiceAccount", account["name"], account["namespace"],
        )  # fmt: skip


def test_with_discovery_the_manifest_is_valid_and_the_pod_looks_in_the_same_namespaces_with_its_own_account() -> None:
    found = manifest(FINDING)
    for version in VERSIONS:
        validate(found, version)
    assert settings.parse(found.config).discovery == Discovery(
        kubernetes=KubernetesDiscovery(namespaces=("chat", "search"), label_selector="team=a")
    )


def test_with_discovery_the_pod_is_let_out_to_the_api_and_to_the_pods_of_its_namespaces_alone() -> None:
    api, servers = manifest(FINDING).objects["NetworkPolicy"]["spec"]["egress"]
    assert [port["port"] for port in api["ports"]] == [443, 6443]
    ((chosen,),) = [peer["namespaceSelector"]["matchExpressions"] for peer in servers["to"]]
    assert chosen == {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["chat", "search"]}


def test_files_alone_give_the_pod_no_right_to_ask_for_anything() -> None:
    files = manifest(Settings(discovery=Discovery(files=("/mine/*.json",))))
    assert files.objects == manifest().objects
