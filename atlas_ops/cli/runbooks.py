"""`atlas-ops runbooks build DIR`: all runbooks as a static site."""

from __future__ import annotations

import argparse
from pathlib import Path

from atlas_ops import shipped
from atlas_ops.cli import place
from atlas_ops.errors import EnvironmentProblem, UsageError
from atlas_ops.pager.runbooks import runbook, site

_EPILOG = """\
The site has an index, a page for each fault, one style sheet and one small script; every address in it is relative. Set
links.runbooks in atlas-ops.yaml to where it is served, and run `atlas-ops build`: the alerts then link to it.

examples:
  atlas-ops runbooks build public/runbooks
  atlas-ops runbooks build site --runbooks my-runbooks

exit codes:
  0  written
  2  the command line is wrong, or DIR holds files of something else
  3  the front matter of a runbook has mistakes (all of them are listed)
  4  DIR cannot be written
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "runbooks",
        help="write all runbooks as a static site",
        description="Write all runbooks as a static site.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser(
        "build",
        help="write the site into a folder",
        description="Write the site into a folder.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    build.add_argument("folder", type=Path, metavar="DIR", help="where to; made when it is not there")
    build.add_argument("--runbooks", type=Path, metavar="DIR", help="folder of runbooks (default: those of atlas-ops)")


def run(args: argparse.Namespace) -> int:
    """Write the site; see the exit codes in the help."""
    source = place.existing(args.runbooks) if args.runbooks else shipped.folder("runbooks")
    books = [book for _, fault in runbook.names(source) if (book := runbook.load(source, fault)) is not None]
    if not books:
        raise UsageError(f"{source} holds no runbooks", next_step="they lie at FAMILY/FAULT.md in it")
    files = site.render(books)
    try:
        _write(args.folder, files)
    except OSError as error:
        raise EnvironmentProblem(
            f"{error.filename or args.folder} cannot be written: {error.strerror}", next_step="name another folder"
        ) from error
    print(f"{args.folder / 'index.html'}: {len(books)} runbooks")
    return 0


def _write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    old = [
        path
        for path in folder.glob("*.html")
        if path.is_file() and site.GENERATOR in path.read_text("utf-8", "replace")
    ]
    foreign = {path.name for path in folder.iterdir()} - {path.name for path in old} - ({*files} if old else set())
    if foreign:
        raise UsageError(
            f"{folder} holds {min(foreign)}, which is none of this site", next_step="name an empty folder, or a new one"
        )
    for path in old:
        path.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
