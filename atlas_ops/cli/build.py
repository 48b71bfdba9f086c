"""`atlas-ops build`: writes what the catalog and the settings print."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from atlas_ops import render
from atlas_ops.catalog import build_catalog
from atlas_ops.cli import native_jobs, place
from atlas_ops.errors import AtlasError, EnvironmentProblem, UsageError
from atlas_ops.render import runbooks

_EPILOG = """\
What is written: alerts/ (rules, Alertmanager's and Prometheus's configuration), dashboards/ (JSON to import, files for
Grafana's provisioning, ConfigMaps), exporters/deploy/ (the
exporter in Kubernetes), and the facts block of every runbook that is there; the prose of a runbook stays as it is. Files
that are right already are not touched.

Where Prometheus scrapes the model servers itself, --source native (or `native` in the settings) also writes
alerts/native/RUNTIME.yaml: recording rules that make the same signals of the servers' own metrics, so that alerts and
dashboards stay as they are. Such servers must not be measured by the exporter as well, or each request counts twice.

examples:
  atlas-ops unpack monitoring                                        first, where there is no checkout
  atlas-ops build --config atlas-ops.yaml --output monitoring        then print them with your limits and objectives
  atlas-ops build --source native --runtime vllm --job chat          rules for vLLM servers in the scrape job `chat`
  atlas-ops build --source native --runtime vllm --runtime triton    of two runtimes, in jobs that are called like them

exit codes:
  0  everything is written and up to date
  1  a runbook has no facts block to fill in
  2  no folder to write to: give --output; or --runtime and --job do not fit together
  3  the settings file has mistakes (all of them are listed), or the same servers would be counted twice
  4  a file cannot be written
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "build",
        help="write alerts, dashboards, the Kubernetes manifest and the facts of runbooks",
        description="Write every generated file: alert rules, dashboards, Kubernetes manifest, facts blocks of the runbooks.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    place.add_config(parser)
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="where to write (default: here, when here are alerts/ or a checkout)"
    )
    native_jobs.add(parser)


def run(args: argparse.Namespace) -> int:
    """Write what has changed; see the exit codes in the help."""
    root = args.output or _here()
    settings = native_jobs.settings(args, place.read_config(args))
    catalog = build_catalog(settings.parameters)
    files = render.render(catalog, settings)
    pages = _runbooks(root, render.facts(catalog))
    written = [path for path, text in (files | pages).items() if _write(root / path, text)]
    for path in written:
        print(f"wrote {root / path}")
    print(f"{len(written)} written, {len(files) + len(pages) - len(written)} unchanged")
    if args.runtime:
        jobs = ", ".join(f"{{runtime: {native.runtime}, job: {native.job}}}" for native in settings.native)
        print(f"say it in atlas-ops.yaml too, so that `atlas-ops check` knows of it: native: [{jobs}]")
    if not pages:
        print(f"no runbooks in {root}: `atlas-ops unpack {root}` brings them")
    return 0


def _here() -> Path:
    if not place.is_tree(Path.cwd()):
        raise UsageError(
            "no folder to write to: here is neither an alerts/ folder nor a checkout of atlas-ops",
            next_step="give --output DIR, or run `atlas-ops unpack DIR` first",
        )
    return Path()


def _write(path: Path, text: str) -> bool:
    """Write a file unless it says so already; return whether it was written."""
    data = text.encode(errors="surrogateescape")
    try:
        # Compared as bytes: other line ends are a difference too.
        if path.is_file() and path.read_bytes() == data:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise EnvironmentProblem(
            f"{path} cannot be written: {error.strerror}", next_step="check the folder and its permissions"
        ) from error
    return True


def _runbooks(root: Path, facts: Mapping[str, str]) -> dict[str, str]:
    """Return the text of every runbook that is there, with its facts block filled in."""
    pages = {
        path: runbooks.replace((root / path).read_text(encoding="utf-8", errors="surrogateescape"), block)
        for path, block in facts.items()
        if (root / path).is_file()
    }
    lacking = [str(root / path) for path, text in pages.items() if text is None]
    if lacking:
        raise AtlasError(
            f"no facts block in {', '.join(lacking)}",
            next_step=f"add the lines `{runbooks.BEGIN}` and `{runbooks.END}` where it belongs, then build again",
        )
    return {path: text for path, text in pages.items() if text is not None}
