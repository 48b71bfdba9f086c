"""The manifest of the watcher is valid, forbids itself everything that it does not need, and fits the program."""

from __future__ import annotations

from typing import Any

import pytest

from atlas_ops import cli, settings
from atlas_ops.catalog import build_catalog, conventions
from atlas_ops.render import watcher
from atlas_ops.settings import Settings
from tests.deploy.manifest import VERSIONS, forbidden, objects, validate_objects


def found(text: str = "") -> dict[str, Any]:
    given = settings.parse(text) if text else Settings()
    return objects(watcher.render(build_catalog(), given)[watcher.PATH])


def pod() -> Any:
    return found()["Deployment"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(version: str) -> None:
    validate_objects(found(), version)


def test_it_keeps_every_rule_of_the_strictest_level_and_says_so() -> None:
    assert list(forbidden(pod())) == []
    assert found()["Namespace"]["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    (container,) = pod()["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert [mount["readOnly"] for mount in container["volumeMounts"]] == [True]
    assert pod()["automountServiceAccountToken"] is False
    assert set(found()) == {"Namespace", "Deployment", "PodMonitor", "NetworkPolicy"}


def test_the_program_takes_the_arguments_and_everything_means_its_port() -> None:
    (container,) = pod()["containers"]
    args = cli.parser("watch").parse_args(container["args"])
    (port,) = container["ports"]
    assert settings.address(args.listen) == ("0.0.0.0", port["containerPort"])
    assert str(args.references) == container["volumeMounts"][0]["mountPath"]
    (endpoint,) = found()["PodMonitor"]["spec"]["podMetricsEndpoints"]
    (ingress,) = found()["NetworkPolicy"]["spec"]["ingress"]
    assert {endpoint["port"], ingress["ports"][0]["port"]} == {port["name"]}


def test_the_scrape_has_the_job_of_the_watcher_and_all_mean_the_same_pods() -> None:
    specs = {kind: found()[kind]["spec"] for kind in ("Deployment", "PodMonitor", "NetworkPolicy")}
    labels = specs["Deployment"]["template"]["metadata"]["labels"]
    assert labels[specs["PodMonitor"]["jobLabel"]] == conventions.WATCH_JOB
    for selector in (
        specs["Deployment"]["selector"],
        specs["PodMonitor"]["selector"],
        specs["NetworkPolicy"]["podSelector"],
    ):
        assert selector["matchLabels"] == labels


def test_it_asks_the_prometheus_of_the_settings_and_reaches_nothing_but_its_port_and_names() -> None:
    text = "links: {prometheus: 'https://prometheus.example.org'}"
    (container,) = found(text)["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert "https://prometheus.example.org" in container["args"]
    egress = found(text)["NetworkPolicy"]["spec"]["egress"]
    assert {port["port"] for rule in egress for port in rule["ports"]} == {53, 443}
    assert {port["port"] for rule in found()["NetworkPolicy"]["spec"]["egress"] for port in rule["ports"]} == {53, 9090}


@pytest.mark.parametrize("version", VERSIONS)
def test_with_a_login_in_the_settings_it_has_a_secret_with_it_and_is_told_where(version: str) -> None:
    with_login = found("prometheus: {http_config_file: /home/me/secrets/login.yml}")
    validate_objects(with_login, version)
    spec = with_login["Deployment"]["spec"]["template"]["spec"]
    assert list(forbidden(spec)) == []
    (container,) = spec["containers"]
    args = cli.parser("watch").parse_args(container["args"])
    (mount,) = [mount for mount in container["volumeMounts"] if mount["mountPath"] == str(args.http_config.parent)]
    assert args.http_config.name == "login.yml"
    assert mount["readOnly"] is True
    assert "subPath" not in mount
    (volume,) = [volume for volume in spec["volumes"] if volume["name"] == mount["name"]]
    assert volume["secret"] == {"secretName": watcher.LOGIN}
    assert "--http-config" not in str(found())
