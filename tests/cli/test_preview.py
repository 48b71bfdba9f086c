"""What `atlas-ops preview` says when it cannot start."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_ops.cli import main


def test_a_page_that_is_not_built_is_told_with_how_to_build_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preview", "--page", str(tmp_path)]) == 4
    said = capsys.readouterr().err
    assert str(tmp_path / "index.html") in said
    assert "make preview" in said


def test_an_address_without_a_scheme_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "--prometheus", "prometheus:9090"]) == 2
    assert "http://" in capsys.readouterr().err


def test_mistakes_in_the_settings_are_all_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "atlas-ops.yaml"
    config.write_text("one: 1\ntwo: 2\n")
    assert main(["preview", "--config", str(config)]) == 3
    said = capsys.readouterr().err
    assert "one" in said
    assert "two" in said
