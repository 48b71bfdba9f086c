"""`atlas-ops build --source native` writes recording rules for the jobs that it is told, and nothing that would count twice."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from atlas_ops import cli

SERVER = "servers: [{url: 'http://10.0.0.5:8000', runtime: vllm}]\n"


def build(folder: Path, *arguments: str, settings: str = "") -> int:
    (folder / "atlas-ops.yaml").write_text(settings)
    return cli.main(["build", "--output", str(folder), "--config", str(folder / "atlas-ops.yaml"), *arguments])


def groups(folder: Path, runtime: str) -> list[str]:
    return [group["name"] for group in yaml.safe_load((folder / f"alerts/native/{runtime}.yaml").read_text())["groups"]]


def loaded(folder: Path) -> list[str]:
    return list(yaml.safe_load((folder / "alerts/prometheus.yml").read_text())["rule_files"])


def test_jobs_are_those_of_the_command_line_in_its_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jobs = ["--runtime", "vllm", "--job", "chat", "--runtime", "triton", "--job", "vision"]
    assert build(tmp_path, "--source", "native", *jobs) == 0
    assert (groups(tmp_path, "vllm"), groups(tmp_path, "triton")) == (["atlas-native-chat"], ["atlas-native-vision"])
    assert "native: [{runtime: vllm, job: chat}, {runtime: triton, job: vision}]" in capsys.readouterr().out


def test_a_job_is_called_like_its_runtime_unless_told_otherwise(tmp_path: Path) -> None:
    assert build(tmp_path, "--source", "native", "--runtime", "tgi") == 0
    assert groups(tmp_path, "tgi") == ["atlas-native-tgi"]


def test_jobs_of_the_settings_are_written_without_being_asked_for_and_prometheus_loads_them(tmp_path: Path) -> None:
    assert build(tmp_path, settings="native: [{runtime: vllm, job: a}, {runtime: vllm, job: b}]") == 0
    assert groups(tmp_path, "vllm") == ["atlas-native-a", "atlas-native-b"]
    assert loaded(tmp_path) == ["*.yaml", "native/*.yaml"]


def test_without_a_native_job_there_is_nothing_of_it(tmp_path: Path) -> None:
    assert build(tmp_path, settings=SERVER) == 0
    assert not (tmp_path / "alerts/native").exists()
    assert loaded(tmp_path) == ["*.yaml"]


def test_a_dialect_of_the_users_own_has_rules_too(tmp_path: Path) -> None:
    mine = tmp_path / "dialects"
    mine.mkdir()
    shipped = Path(__file__).parents[2] / "exporters/vllm.yaml"
    (mine / "mine.yaml").write_text(shipped.read_text().replace("runtime: vllm", "runtime: mine"))
    assert build(tmp_path, settings=f"exporter: {{dialects: {mine}}}\nnative: [{{runtime: mine}}]") == 0
    assert groups(tmp_path, "mine") == ["atlas-native-mine"]


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "said"),
    [
        (["--source", "native"], "", 2, "give --runtime ID, or `native` in the settings"),
        (["--runtime", "vllm"], "", 2, "add --source native"),
        (["--source", "native", "--runtime", "vlm"], "", 2, "--runtime vlm: no such runtime"),
        (["--source", "native", "--runtime", "vllm", "--job", "a", "--job", "b"], "", 2, "1 --runtime and 2 --job"),
        (
            ["--source", "native", "--runtime", "vllm", "--runtime", "tgi", "--job", "a"],
            "",
            2,
            "2 --runtime and 1 --job",
        ),
        (["--source", "native", "--runtime", "vllm", "--runtime", "vllm"], "", 2, "the job 'vllm' is given twice"),
        (["--source", "native", "--runtime", "vllm", "--job", "atlas-exporter"], "", 2, "is that of atlas-ops itself"),
        (["--source", "native", "--runtime", "vllm"], SERVER, 3, "is also measured by the exporter: servers[0]"),
        ([], f"native: [{{runtime: vllm}}]\n{SERVER}", 3, "is also measured by the exporter: servers[0]"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], settings: str, code: int, said: str
) -> None:
    assert build(tmp_path, *arguments, settings=settings) == code
    assert said in capsys.readouterr().err
    assert not (tmp_path / "alerts").exists()


def test_the_help_shows_how(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["build", "--help"])
    assert "atlas-ops build --source native --runtime vllm --job chat" in capsys.readouterr().out
