"""The user's settings: defaults that work, and every mistake of a file told at once with its line."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops import cli, settings
from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.limits import Limits
from atlas_ops.errors import ConfigError, UsageError
from atlas_ops.settings import Settings


def mistakes(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as raised:
        settings.parse(text)
    return raised.value.mistakes


def test_an_empty_file_means_the_defaults() -> None:
    assert settings.parse("") == Settings()


def test_everything_can_be_set() -> None:
    found = settings.parse(
        """
        exporter: {listen: "127.0.0.1:9999", interval_seconds: 2, expected_gpus: 8, gpus: false}
        servers:
          - {url: "http://127.0.0.1:8000", runtime: vllm, namespace: chat, pod: llama-0, container: vllm}
        objectives: [{model: "llama*", time_to_first_token_seconds: 1, queue_wait_seconds: 4}]
        limits: {kv_cache_usage_ratio: 0.95}
        timing: {scrape_seconds: 5, evaluation_seconds: 5}
        links: {grafana: "https://grafana.example.org/", pager: "https://pager.example.org"}
        """
    )
    assert found.exporter.expected_gpus == 8
    assert found.servers[0].pod == "llama-0"
    assert [objective.model for objective in found.parameters.objectives] == ["llama*", "*"]
    assert found.parameters.limits.kv_cache_usage_ratio == 0.95
    assert found.links.grafana == "https://grafana.example.org", "without the slash that would be doubled in links"


def test_all_mistakes_are_told_at_once_with_their_lines() -> None:
    found = mistakes(
        "exporter:\n"
        "  listen: nowhere\n"
        "  intervall_seconds: 5\n"
        "limits:\n"
        "  kv_cache_usage_ratio: 90\n"
        "servers:\n"
        "  - runtime: vllm\n"
        "  - url: ftp://127.0.0.1\n"
        "timing: {scrape_seconds: soon}\n"
        "colour: red\n"
    )
    assert [mistake.partition(":")[0] for mistake in found] == [f"line {line}" for line in (2, 3, 5, 7, 8, 9, 10)]
    assert "did you mean 'interval_seconds'?" in found[1]
    assert "expected a number above 0 and below 1, found 90" in found[2]
    assert "servers[0].url" in found[3]


@pytest.mark.parametrize("end", ["?model=a", "#top", "/path?"])
def test_an_address_that_paths_are_put_behind_has_no_query(end: str) -> None:
    (found,) = mistakes(f'servers: [{{url: "http://a:1/m?model=a", api_url: "http://a:2{end}"}}]')
    assert "servers[0].api_url: expected an address that ends before the first ? or #" in found


def test_mistakes_reach_the_user_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "atlas-ops.yaml"
    config.write_text("limits: {kv_cache_usage_ratio: 90, colour: red}\n")
    assert cli.main(["build", "--config", str(config), "--output", str(tmp_path)]) == 3
    said = capsys.readouterr().err
    assert "2 mistakes" in said
    assert "->" in said
    assert not (tmp_path / "alerts").exists()


def test_a_secret_in_an_address_is_refused_and_not_repeated() -> None:
    (found,) = mistakes("servers: [{url: 'http://user:s3cret@127.0.0.1:8000'}]")
    assert "bearer_token_file" in found
    assert "s3cret" not in found


def test_every_limit_has_its_unit_bounds_and_reason() -> None:
    for entry in dataclasses.fields(Limits):
        info = entry.metadata["limit"]
        assert info.above < entry.default < info.below
        assert info.unit
        assert info.reason


@given(scale=st.floats(1e-6, 3), seconds=st.floats(1e-3, 400))
def test_rules_can_be_made_for_every_timing_that_is_accepted(scale: float, seconds: float) -> None:
    text = f"timing: {{scale: {scale:f}, scrape_seconds: {seconds:f}, evaluation_seconds: {seconds:f}}}"
    try:
        accepted = settings.parse(text)
    except ConfigError:
        return
    for fault in build_catalog(accepted.parameters).faults:
        assert all("[0s]" not in recording.expr for recording in fault.recordings)


def test_the_demo_profile_shortens_every_window() -> None:
    demo = settings.demo().parameters.timing
    assert demo.window(3600) == "3m"
    assert demo.hold(60) == 3
    assert demo.window(60) == "4s", "and never below four scrapes"


@pytest.mark.parametrize("text", ["127.0.0.1", "127.0.0.1:", ":9464", "127.0.0.1:99999", "127.0.0.1:½"])
def test_an_address_without_host_or_port_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        settings.address(text)


def test_an_address_of_ipv6_is_understood() -> None:
    assert settings.address("[::1]:9464") == ("::1", 9464)


def test_the_same_server_given_twice_is_refused_at_the_second_and_its_secrets_are_not_shown() -> None:
    (found,) = mistakes("servers:\n  - {url: 'http://a:1?token=s3cret'}\n  - {url: 'http://a:1?token=s3cret'}\n")
    assert found.startswith("line 3: servers[1].url: http://a:1?token=*** is given twice")


def test_a_key_given_twice_is_refused_at_the_second() -> None:
    found = mistakes(
        "limits: {stall_seconds: 60}\nlimits: {stall_seconds: 90}\nlinks:\n  pager: http://a\n  pager: http://b\n"
    )
    assert found == ("line 2: limits: given twice", "line 5: links.pager: given twice")


def test_discovery_can_be_set() -> None:
    text = """
discovery:
  files: [/etc/atlas-ops/servers/*.json, more.yaml]
  kubernetes: {namespaces: [chat], label_selector: a=b, api_url: "https://api:6443/", bearer_token_file: t, ca_file: c}
"""
    assert settings.parse(text).discovery == settings.Discovery(
        files=("/etc/atlas-ops/servers/*.json", "more.yaml"),
        kubernetes=settings.KubernetesDiscovery(
            namespaces=("chat",), label_selector="a=b", api_url="https://api:6443", bearer_token_file="t", ca_file="c"
        ),
    )


def test_discovery_that_cannot_work_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        settings.parse(
            "discovery:\n  files: ['/etc/*/servers.json', a, a]\n  kubernetes:\n    namespaces: [Chat, chat, chat, '*', 'a/b']\n"
        )
    told = caught.value.mistakes
    assert [text.split(":")[0] for text in told] == ["line 2"] * 2 + ["line 4"] * 4
    assert "found '/etc/*/servers.json'" in " ".join(told[:2])
    assert {"discovery.files: a is given twice", "discovery.kubernetes.namespaces: chat is given twice"} <= {
        text.partition(": ")[2] for text in told
    }
    with pytest.raises(ConfigError, match="name the namespaces of your model servers"):
        settings.parse("discovery: {kubernetes: {}}")


def test_logins_of_prometheus_and_alertmanager_are_files_and_never_stand_in_their_addresses() -> None:
    found = settings.parse("prometheus: {http_config_file: p.yml}\nalertmanager: {http_config_file: a.yml}")
    assert (found.prometheus.http_config_file, found.alertmanager.http_config_file) == ("p.yml", "a.yml")
    for address in ("https://eve:s4lm0n@prometheus.example.org", "https://eve:s4lm/0n@prometheus.example.org"):
        (told,) = mistakes(f'links: {{prometheus: "{address}"}}')
        assert "links.prometheus" in told
        assert "s4lm" not in told
    assert "http_config_file" in mistakes('links: {alertmanager: "http://eve:s4lm0n@example.org"}')[0]
