"""`atlas-ops check` refuses what the exporter and rules of native metrics would both count, and rules that nobody asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_ops import cli
from tests.check.conftest import Check, Report

pytestmark = pytest.mark.usefixtures("lenient_programs")


def checked(check: Check, folder: Path, settings: str) -> tuple[Report, str]:
    """The report on a tree with these settings, and what is said of the settings themselves."""
    path = folder / "mine.yaml"
    path.write_text(settings)
    report = check("--config", str(path))
    return report, "".join(report.at(str(path)).values())


@pytest.mark.parametrize(
    ("measured", "why"),
    [
        (
            "servers: [{url: 'http://10.0.0.5:8000', runtime: vllm}]",
            "servers[0] (http://10.0.0.5:8000) is of the same runtime",
        ),
        (
            "servers: [{url: 'http://10.0.0.5:8000'}]",
            "servers[0] (http://10.0.0.5:8000) names no runtime, which may be the same",
        ),
        ("discovery: {files: [servers.yaml]}", "discovery finds servers of every runtime"),
        ("discovery: {kubernetes: {namespaces: [chat]}}", "discovery finds servers of every runtime"),
    ],
)
def test_servers_that_both_may_measure_are_named_with_the_job(
    check: Check, tmp_path: Path, measured: str, why: str
) -> None:
    report, said = checked(check, tmp_path, f"native: [{{runtime: vllm, job: chat}}]\n{measured}\n")
    assert report.code == 1
    assert (
        said == f"native[0] (vllm, job chat) is also measured by the exporter: {why}; each request would count twice\n"
    )
    assert "elsewhere: true" in report.text, "what to do when they are others"


@pytest.mark.parametrize(
    "settings",
    [
        "native: [{runtime: vllm}]",
        "native: [{runtime: vllm}]\nservers: [{url: 'http://10.0.0.5:8002', runtime: triton}]",
        "native: [{runtime: vllm, elsewhere: true}]\nservers: [{url: 'http://10.0.0.5:8000', runtime: vllm}]\ndiscovery: {files: [a.yaml]}",
        "servers: [{url: 'http://10.0.0.5:8000', runtime: vllm}]",
    ],
)
def test_servers_that_only_one_of_them_measures_are_fine(
    tree: Path, check: Check, tmp_path: Path, settings: str
) -> None:
    (tmp_path / "mine.yaml").write_text(settings)
    assert cli.main(["build", "--output", str(tree), "--config", str(tmp_path / "mine.yaml")]) == 0
    report, _ = checked(check, tmp_path, settings)
    assert report.code == 0, report.text


def test_rules_of_native_metrics_that_the_settings_do_not_ask_for_are_stray(tree: Path, check: Check) -> None:
    assert cli.main(["build", "--output", str(tree), "--source", "native", "--runtime", "vllm"]) == 0
    report = check()
    assert report.code == 1
    assert "nothing generates it" in report.at("alerts/native/vllm.yaml")[1]
    assert "name its scrape job under `native` in the settings, or delete it" in report.text


def test_rules_of_native_metrics_that_somebody_edited_are_found(tree: Path, check: Check, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("native: [{runtime: vllm}]")
    cli.main(["build", "--output", str(tree), "--config", str(tmp_path / "mine.yaml")])
    rules = tree / "alerts/native/vllm.yaml"
    rules.write_text(rules.read_text().replace("max by", "min by", 1))
    report, _ = checked(check, tmp_path, "native: [{runtime: vllm}]")
    assert report.code == 1
    assert "differs from what is generated" in "".join(report.at("alerts/native/vllm.yaml").values())
