"""`atlas-ops unpack` brings the shipped files and overwrites nothing unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_ops import cli, shipped

RULES = Path("alerts/capacity.yaml")


def test_the_four_folders_are_copied(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["unpack", str(tmp_path / "new")]) == 0
    assert tuple(sorted(path.name for path in (tmp_path / "new").iterdir())) == shipped.KINDS
    assert (tmp_path / "new" / RULES).read_bytes() == (shipped.root() / RULES).read_bytes()
    assert "0 overwritten, 0 unchanged" in capsys.readouterr().out


def test_a_second_time_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["unpack", str(tmp_path)])
    capsys.readouterr()
    assert cli.main(["unpack", str(tmp_path)]) == 0
    assert ": 0 written, 0 overwritten," in capsys.readouterr().out


def test_changed_files_are_listed_and_kept_and_nothing_else_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.main(["unpack", str(tmp_path)])
    (tmp_path / RULES).write_text("mine")
    (tmp_path / "alerts/latency.yaml").unlink()
    assert cli.main(["unpack", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert str(tmp_path / RULES) in said
    assert "latency" not in said
    assert (tmp_path / RULES).read_text() == "mine"
    assert not (tmp_path / "alerts/latency.yaml").exists()


def test_changed_files_are_overwritten_when_that_is_asked_for(tmp_path: Path) -> None:
    cli.main(["unpack", str(tmp_path)])
    (tmp_path / RULES).write_text("mine")
    assert cli.main(["unpack", str(tmp_path), "--force"]) == 0
    assert (tmp_path / RULES).read_bytes() == (shipped.root() / RULES).read_bytes()


def test_files_of_the_user_are_left_in_peace(tmp_path: Path) -> None:
    (tmp_path / "alerts").mkdir()
    (tmp_path / "alerts/mine.yaml").write_text("mine")
    assert cli.main(["unpack", str(tmp_path), "--force"]) == 0
    assert (tmp_path / "alerts/mine.yaml").read_text() == "mine"


def test_a_place_that_cannot_be_written_to_is_a_plain_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert cli.main(["unpack", str(tmp_path / "file")]) == 4
    assert "file" in capsys.readouterr().err
