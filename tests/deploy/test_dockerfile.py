"""The image is built from files that are there, runs without root, and starts a command that there is."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
from dockerfile_parse import DockerfileParser

from atlas_ops import cli, settings
from tests.deploy.manifest import manifest

ROOT = Path(__file__).parents[2]
FILE = ROOT / "exporters/deploy/Dockerfile"
IGNORE = FILE.with_name("Dockerfile.dockerignore")

in_a_checkout = pytest.mark.skipif(not (ROOT / "atlas_ops").is_dir(), reason="the source is not in this tree")


class Step(NamedTuple):
    """One instruction."""

    name: str
    value: str


def stages() -> list[list[Step]]:
    """The instructions of each stage; those before the first one are left out."""
    found: list[list[Step]] = []
    for step in DockerfileParser(str(FILE)).structure:
        if step["instruction"] == "FROM":
            found.append([])
        if found and step["instruction"] != "COMMENT":
            found[-1].append(Step(step["instruction"], step["value"]))
    return found


def last(name: str) -> str:
    """The value of an instruction of the image itself; the last one counts."""
    return [step.value for step in stages()[-1] if step.name == name][-1]


def copied() -> list[str]:
    """What is copied from the checkout."""
    values = [step.value.split() for stage in stages() for step in stage if step.name == "COPY"]
    return [source for value in values if not value[0].startswith("--from") for source in value[:-1]]


def test_both_stages_have_one_base_pinned_to_the_python_that_is_tested() -> None:
    arguments = [step["value"] for step in DockerfileParser(str(FILE)).structure if step["instruction"] == "ARG"]
    assert arguments == ["PYTHON_IMAGE=python:3.11-slim-bookworm", "EXTRAS=otlp"]
    assert [stage[0].value.split()[0] for stage in stages()] == ["${PYTHON_IMAGE}"] * 2


@in_a_checkout
def test_everything_that_is_copied_is_in_the_checkout() -> None:
    assert copied()
    assert [source for source in copied() if not (ROOT / source).exists()] == []


def test_the_build_gets_everything_that_a_wheel_is_made_of() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    build = project["tool"]["hatch"]["build"]["targets"]
    needed = {
        "pyproject.toml",
        project["project"]["readme"],
        *project["project"]["license-files"],
        *build["wheel"]["packages"],
        *build["wheel"]["force-include"],
        *(path.lstrip("/") for path in build["sdist"]["include"] if path != "/tests"),
    }
    assert set(copied()) == needed


def test_nothing_but_what_is_copied_is_sent_to_the_build() -> None:
    lines = [line for line in IGNORE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == set(copied())
    assert "**/__pycache__" in lines


def test_the_image_runs_as_the_user_of_the_manifest_and_not_as_root() -> None:
    context = manifest().pod["securityContext"]
    assert last("USER") == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert context["runAsUser"] > 0
    names = [step.name for step in stages()[-1]]
    assert "RUN" not in names, "the image itself only gets what the other stage has built"


def test_the_image_starts_a_command_that_there_is_and_listens_on_the_port_that_it_exposes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (program,) = json.loads(last("ENTRYPOINT"))
    assert program in project["project"]["scripts"]
    args = cli.parser("exporter").parse_args(json.loads(last("CMD")))
    assert args.command == "exporter"
    assert settings.address(args.listen)[1] == int(last("EXPOSE")) == settings.address(settings.DEFAULT_EXPORTER)[1]


def test_the_built_environment_is_where_the_path_looks() -> None:
    source, target = last("COPY").split()[-2:]
    assert source == target
    assert f"PATH={target}/bin:$PATH" in last("ENV").split()
    assert any(f"venv --without-pip {target} " in step.value for step in stages()[0] if step.name == "RUN")


def test_nothing_is_cached_downloaded_by_hand_or_secret() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert text.count("pip install") + text.count("bin/python install") == text.count("--no-cache-dir") == 2
    assert not re.search(r"^ADD|curl|wget|password|token|secret", text, re.MULTILINE | re.IGNORECASE)
