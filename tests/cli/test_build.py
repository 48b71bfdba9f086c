"""`atlas-ops build` writes what has changed, and nothing where it was not asked to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from atlas_ops import cli, render
from atlas_ops.catalog import build_catalog
from atlas_ops.settings import Settings

ROOT = Path(__file__).parents[2]
EVERYTHING = set(render.render(build_catalog(), Settings()))
QUEUE = Path("runbooks/capacity/QueueBacklog.md")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_an_empty_folder_gets_every_generated_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["build", "--output", str(tmp_path / "new")]) == 0
    assert files(tmp_path / "new") == EVERYTHING
    said = capsys.readouterr().out
    assert f"{len(EVERYTHING)} written, 0 unchanged" in said
    assert "unpack" in said, "the runbooks are not there, and how to get them is told"


def test_a_second_build_touches_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["build", "--output", str(tmp_path)])
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    capsys.readouterr()
    assert cli.main(["build", "--output", str(tmp_path)]) == 0
    assert f"0 written, {len(EVERYTHING)} unchanged" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == times


def test_only_the_files_that_a_setting_changes_are_written_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["build", "--output", str(tmp_path)])
    capsys.readouterr()
    (tmp_path / "atlas-ops.yaml").write_text("limits: {throttled_time_ratio: 0.2}")
    assert cli.main(["build", "--output", str(tmp_path), "--config", str(tmp_path / "atlas-ops.yaml")]) == 0
    written = [line for line in capsys.readouterr().out.splitlines() if line.startswith("wrote ")]
    boards = [path for name in ("fleet", "gpu-node") for path in (f"{name}.json", f"configmaps/{name}.yaml")]
    expected = ["alerts/hardware.yaml", "alerts/README.md", *(f"dashboards/{path}" for path in boards)]
    assert sorted(written) == sorted(f"wrote {tmp_path}/{path}" for path in expected)


def test_the_facts_of_a_runbook_are_renewed_and_its_prose_is_kept(tmp_path: Path) -> None:
    (tmp_path / QUEUE).parent.mkdir(parents=True)
    text = (ROOT / QUEUE).read_text()
    (tmp_path / QUEUE).write_text(text.replace("predicted_seconds > 10", "predicted_seconds > 11") + "My own words.\n")
    assert cli.main(["build", "--output", str(tmp_path)]) == 0
    assert (tmp_path / QUEUE).read_text() == text + "My own words.\n"


def test_a_runbook_without_a_place_for_the_facts_stops_the_build_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / QUEUE).parent.mkdir(parents=True)
    (tmp_path / QUEUE).write_text("# QueueBacklog\n")
    assert cli.main(["build", "--output", str(tmp_path)]) == 1
    assert f"no facts block in {tmp_path / QUEUE}" in capsys.readouterr().err
    assert files(tmp_path) == {QUEUE.as_posix()}


def test_the_current_folder_is_taken_when_it_has_alerts_and_refused_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["build"]) == 2
    assert "--output" in capsys.readouterr().err
    assert files(tmp_path) == set()
    (tmp_path / "alerts").mkdir()
    assert cli.main(["build"]) == 0
    assert files(tmp_path) == EVERYTHING


def test_a_place_that_cannot_be_written_to_is_a_plain_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert cli.main(["build", "--output", str(tmp_path / "file")]) == 4
    assert "cannot be written" in capsys.readouterr().err


def test_what_is_committed_is_what_is_built(tmp_path: Path) -> None:
    for kind in ("alerts", "dashboards", "exporters", "runbooks"):
        shutil.copytree(ROOT / kind, tmp_path / kind)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    assert cli.main(["build", "--output", str(tmp_path)]) == 0
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before
