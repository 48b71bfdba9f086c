"""`atlas-ops unpack`: copies the shipped alerts, dashboards, exporters and runbooks out of the package."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from atlas_ops import shipped
from atlas_ops.errors import AtlasError, EnvironmentProblem

_EPILOG = """\
example:
  atlas-ops unpack monitoring      then point Prometheus at monitoring/alerts, Grafana at monitoring/dashboards

exit codes:
  0  every file is there
  1  some files are there already and differ; nothing was written (give --force to overwrite them)
  4  a file cannot be written
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "unpack",
        help="copy the shipped alerts, dashboards, exporters and runbooks into a folder",
        description="Copy the shipped alerts, dashboards, exporters and runbooks into a folder.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="where to; made when it is not there")
    parser.add_argument("--force", action="store_true", help="overwrite files that differ from the shipped ones")


def run(args: argparse.Namespace) -> int:
    """Copy what is missing; see the exit codes in the help."""
    root, target = shipped.root(), args.folder
    try:
        files = {path: (root / path).read_bytes() for path in _shipped_files(root)}
        missing = [path for path in files if not (target / path).exists()]
        changed = [path for path in files if path not in missing and (target / path).read_bytes() != files[path]]
        if changed and not args.force:
            raise AtlasError(
                "\n  ".join(("these files are there already and differ:", *(str(target / path) for path in changed))),
                next_step="give --force to overwrite them, or choose an empty folder; nothing was written",
            )
        for path in missing + changed:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_bytes(files[path])
    except OSError as error:
        raise EnvironmentProblem(
            f"{error.filename}: {error.strerror}", next_step="check the folder and its permissions"
        ) from error
    unchanged = len(files) - len(missing) - len(changed)
    print(f"{target}: {len(missing)} written, {len(changed)} overwritten, {unchanged} unchanged")
    return 0


def _shipped_files(root: Path) -> Iterator[Path]:
    for kind in shipped.KINDS:
        for path in sorted((root / kind).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(root)
