"""What people install: a wheel that holds the program and the four shipped folders, and nothing else."""

from __future__ import annotations

import filecmp
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from atlas_ops import render, shipped
from atlas_ops.catalog import build_catalog
from atlas_ops.settings import Settings

ROOT = Path(__file__).parents[1]
NOT_COPIED = shutil.ignore_patterns(
    ".*_cache", ".git", ".venv", ".hypothesis", ".atlas-ops", "__pycache__", "build", "dist"
)
PROGRAM_FILES = {".py", ".css", ".html", ".js", ".svg", ".typed"}
IGNORED_BY_GIT = "exporters/__pycache__/stray.pyc"


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built by way of an sdist from a copy of the tree, in which a file lies around that git ignores."""
    copy = tmp_path_factory.mktemp("source") / "tree"
    shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
    stray = copy / IGNORED_BY_GIT
    stray.parent.mkdir()
    stray.write_text("stray")
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, copy, cwd=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def members(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def shipped_members(members: set[str], kind: str) -> set[str]:
    prefix = f"atlas_ops/_shipped/{kind}/"
    return {f"{kind}/{name.removeprefix(prefix)}" for name in members if name.startswith(prefix)}


def test_every_generated_file_is_there_and_alerts_and_dashboards_hold_no_other(members: set[str]) -> None:
    generated = set(render.render(build_catalog(), Settings()))
    shipped_files = {name for kind in shipped.KINDS for name in shipped_members(members, kind)}
    assert generated <= shipped_files
    assert shipped_members(members, "alerts") | shipped_members(members, "dashboards") <= generated


def test_every_fault_brings_its_runbook(members: set[str]) -> None:
    books = {fault.runbook for fault in build_catalog().faults}
    assert shipped_members(members, "runbooks") == {"runbooks/README.md", *books}


def test_the_dialects_are_there_and_nothing_that_git_ignores(members: set[str]) -> None:
    dialects = {path.relative_to(ROOT).as_posix() for path in (ROOT / "exporters").glob("*.yaml")}
    assert dialects
    found = shipped_members(members, "exporters")
    assert {name for name in found if name.count("/") == 1 and name.endswith(".yaml")} == dialects
    assert IGNORED_BY_GIT not in found


def test_beside_the_shipped_folders_there_is_the_program_and_what_describes_it(members: set[str]) -> None:
    program = {name for name in members if name.startswith("atlas_ops/") and not name.startswith("atlas_ops/_shipped/")}
    assert {Path(name).suffix for name in program} <= PROGRAM_FILES
    assert {name for name in program if name.endswith(".py")} == {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "atlas_ops").rglob("*.py")
    }
    others = members - program - {name for name in members if name.startswith("atlas_ops/_shipped/")}
    assert all(name.split("/")[0].endswith(".dist-info") for name in others)
    assert any(name.endswith("LICENSE") for name in others)


def test_the_installed_program_unpacks_what_it_carries_and_has_nothing_to_build(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False)
    python = environment / "bin/python"
    # The dependencies come from the environment of the tests; the program itself must come from the wheel.
    packages = next(environment.glob("lib/python*/site-packages"))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    where = run(python, "-c", "import atlas_ops; print(atlas_ops.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(packages)

    program = environment / "bin/atlas-ops"
    run(program, "unpack", "monitoring", cwd=tmp_path)
    for kind in shipped.KINDS:
        assert_same(filecmp.dircmp(ROOT / kind, tmp_path / "monitoring" / kind))
    assert "0 written" in run(program, "build", "--output", "monitoring", cwd=tmp_path)


def assert_same(comparison: filecmp.dircmp[str]) -> None:
    assert not comparison.diff_files
    assert [name for name in comparison.left_only if name != "__pycache__"] == []
    assert comparison.right_only == []
    for inner in comparison.subdirs.values():
        assert_same(inner)
