"""`atlas-ops translate`: prints what the exporter makes of a native page, and on request why."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from atlas_ops.catalog import dialects
from atlas_ops.catalog.dialect import Dialect
from atlas_ops.catalog.reading import Version
from atlas_ops.cli import place
from atlas_ops.errors import UsageError
from atlas_ops.exporter import page as page_module
from atlas_ops.exporter.explain import Explainer, Explanation
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.left_out import LeftOut
from atlas_ops.exporter.parse import Page, Parser
from atlas_ops.exporter.prepare import prepare
from atlas_ops.exporter.scrape_state import ScrapeFailure
from atlas_ops.exporter.translate import Facts, Translator
from atlas_ops.settings import Exporter

_EPILOG = """\
examples:
  curl -s http://127.0.0.1:8000/metrics | atlas-ops translate --runtime vllm
  curl -s http://127.0.0.1:8002/metrics | atlas-ops translate --explain        the runtime is recognised
  atlas-ops translate --runtime mine --dialects dialects/ page.prom            with a dialect of your own

{runtimes}
What endpoints and the exporter itself tell (readiness, capacities, cold start, GPU memory) is not on a page; --explain
says of each such signal where it comes from.

exit codes:
  0  translated, or explained
  1  the page has no metric of the runtime, or is no metrics page
  2  the command line is wrong, or the file cannot be read
  3  a dialect has mistakes (all of them are listed)
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "translate",
        help="print what the exporter makes of a server's metrics page, and why",
        description="Read a native metrics page and print it in atlas-ops's names, for debugging and for bug reports.",
        epilog=_EPILOG.format(runtimes=place.shipped_runtimes()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="the page (default: standard input)")
    parser.add_argument("--runtime", default="", metavar="R", help="whose page it is (default: recognised)")
    parser.add_argument(
        "--version", default="", metavar="V", dest="told_version", help="the runtime's version (default: inferred)"
    )
    parser.add_argument(
        "--model", default="", metavar="NAME", help="the model of a page that names none (default: unnamed)"
    )
    parser.add_argument(
        "--explain", action="store_true", help="say what each native sample became, what is left out, what is missing"
    )
    place.add_dialects(parser)


def run(args: argparse.Namespace) -> int:
    """Translate one page."""
    known = dialects.load(args.dialects)
    named = _named(args, known)
    facts = Facts(model=args.model, version=_version(args.told_version))
    try:
        page = Parser().parse(_body(args.file))
    except ScrapeFailure as failure:
        return _fail(failure.message)
    dialect = named or dialects.recognise(known, page.tells)
    if dialect is None:
        return _fail("no metric of a known runtime is on the page; if you know better, give --runtime")
    if args.explain and prepare(dialect, page, LeftOut(dialect)) is not None:
        print(_text(dialect, Explainer(dialect, facts, Exporter().max_models).explain(page)), end="")
        return 0
    return _print(dialect, page, facts)


def _named(args: argparse.Namespace, known: tuple[Dialect, ...]) -> Dialect | None:
    named = next((dialect for dialect in known if dialect.runtime == args.runtime), None)
    if args.runtime and named is None:
        runtimes = ", ".join(dialect.runtime for dialect in known)
        raise UsageError(f"--runtime: expected one of {runtimes}, found {args.runtime!r}", next_step="name a runtime")
    return named


def _version(text: str) -> Version | None:
    version = Version.parse(text)
    if text and version is None:
        raise UsageError(f"--version: expected a version such as 0.9.2, found {text!r}", next_step="give its numbers")
    return version


def _body(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}", next_step="check the path") from error


def _print(dialect: Dialect, page: Page, facts: Facts) -> int:
    translator = Translator(dialect, Identity(server="stdin"), Exporter().max_models)
    samples = translator.translate(page, facts)
    if not samples:
        return _fail(f"no metric of {dialect.name} is on the page: {dialect.metrics_switch}")
    block = page_module.Printer().print(samples)
    sys.stdout.buffer.write(page_module.text(page_module.Joiner().join([block])))
    sys.stdout.buffer.flush()
    for reason, number in translator.left_out.items():
        if number:
            print(f"atlas-ops translate: left out, {reason}: {number}", file=sys.stderr)
    return 0


def _fail(why: str) -> int:
    print(f"atlas-ops translate: {why}", file=sys.stderr)
    return 1


def _text(dialect: Dialect, told: Explanation) -> str:
    lines = [f"{dialect.name}, version {told.version}"]
    lines += ["", "BECAME", *(f"  {native}\n    -> {canonical}" for native, canonical in told.became)]
    lines += ["", "0, FOR NOTHING ON THE PAGE SAYS OTHERWISE", *(f"  {canonical}" for canonical in told.implied)]
    lines += ["", "LEFT OUT", *(f"  {native}\n    {why}" for native, why in told.left_out)]
    lines += ["", "NOT MADE OF THIS PAGE", *(f"  {signal}\n    {why}" for signal, why in told.missing)]
    lines += ["", f"NOT READ ({len(told.unread)} native names)", *(f"  {name}" for name in told.unread)]
    lines += ["", "GOOD TO KNOW", *(f"  - {trap}" for trap in dialect.traps)]
    return "\n".join(lines) + "\n"
