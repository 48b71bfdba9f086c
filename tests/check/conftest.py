"""A copy of the committed tree that a test may damage, and the command that has to notice."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from atlas_ops import cli

ROOT = Path(__file__).parents[2]
COPIED = ("alerts", "dashboards", "docs", "exporters", "runbooks", "tests/alerts")


@dataclass(frozen=True)
class Report:
    """What `atlas-ops check` said."""

    code: int
    text: str

    def at(self, file: str) -> dict[int, str]:
        """The findings of one file: line and message."""
        found = re.finditer(rf"^{re.escape(file)}:(\d+): (.*)\n  -> .+$", self.text, re.MULTILINE)
        messages: dict[int, str] = {}
        for finding in found:
            messages[int(finding[1])] = f"{messages.get(int(finding[1]), '')}{finding[2]}\n"
        return messages


Check = Callable[..., Report]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A whole copy of what is committed, as far as it is checked."""
    for folder in COPIED:
        if (ROOT / folder).is_dir():
            shutil.copytree(ROOT / folder, tmp_path / "tree" / folder)
    for page in ROOT.glob("*.md"):
        shutil.copy(page, tmp_path / "tree")
    return tmp_path / "tree"


@pytest.fixture
def check(tree: Path, capsys: pytest.CaptureFixture[str]) -> Check:
    """Run `atlas-ops check` on the copy."""

    def run(*arguments: str) -> Report:
        code = cli.main(["check", str(tree), *arguments])
        return Report(code, capsys.readouterr().out)

    return run


@pytest.fixture
def lenient_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for promtool and amtool with programs that accept everything: what they do has its own tests."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("promtool", "amtool"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def line_of(path: Path, text: str) -> int:
    """The number of the first line that holds a text."""
    return next(number for number, line in enumerate(path.read_text().splitlines(), start=1) if text in line)


def edit(path: Path, old: str, new: str) -> int:
    """Replace the first occurrence of a text; return its line."""
    line = line_of(path, old)
    path.write_text(path.read_text().replace(old, new, 1))
    return line
