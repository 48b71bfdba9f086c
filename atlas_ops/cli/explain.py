"""`atlas-ops explain`: what an alert watches, why its limits are what they are, which runtimes it covers, what to do."""

from __future__ import annotations

import argparse
import difflib
import textwrap
from collections.abc import Iterator, Sequence

from atlas_ops import promql, shipped
from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.dialects import runtime_ids
from atlas_ops.catalog.model import Catalog, Family, Fault
from atlas_ops.check.explanation import Coverage, Explanation, explain
from atlas_ops.cli import place
from atlas_ops.errors import UsageError
from atlas_ops.render import links, runbooks
from atlas_ops.settings import Settings

_WIDTH = 120
_EPILOG = """\
examples:
  atlas-ops explain                                         every alert, family by family
  atlas-ops explain QueueBacklog                            all about one of them
  atlas-ops explain QueueBacklog --config atlas-ops.yaml    with your limits and objectives
  atlas-ops explain --runtime triton                        which alerts can fire for Triton, and what the others lack

exit codes:
  0  explained
  2  there is no such alert or runtime
  3  the settings file has mistakes (all of them are listed)
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "explain",
        help="say what an alert watches, why, for which runtimes, and what to do",
        description="Say what an alert watches, why its limits are what they are, which runtimes it covers, and what to do.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("fault", nargs="?", default="", metavar="FAULT", help="name of an alert (default: list them)")
    parser.add_argument("--runtime", default="", metavar="ID", help="only what concerns this runtime")
    place.add_config(parser)
    place.add_dialects(parser)


def run(args: argparse.Namespace) -> int:
    """Print it; see the exit codes in the help."""
    settings = place.read_config(args)
    dialects = settings.exporter.dialects
    if args.runtime and args.runtime not in runtime_ids(dialects):
        raise UsageError(
            f"there is no runtime {args.runtime!r}", next_step=f"choose one of: {', '.join(runtime_ids(dialects))}"
        )
    catalog = build_catalog(settings.parameters)
    faults = (_fault(args.fault, catalog),) if args.fault else catalog.faults
    found = [explain(fault, catalog, settings.parameters, dialects) for fault in faults]
    print("\n".join(_whole(found[0], args.runtime, settings) if args.fault else _list(found, args.runtime)))
    return 0


def _fault(name: str, catalog: Catalog) -> Fault:
    fault = catalog.fault(name)
    if fault is None:
        names = {known.name.lower(): known.name for known in catalog.faults}
        near = difflib.get_close_matches(name.lower(), names, n=3)
        step = f"did you mean {' or '.join(names[one] for one in near)}?" if near else "`atlas-ops explain` lists them"
        raise UsageError(f"there is no alert {name!r}", next_step=step)
    return fault


def _list(found: Sequence[Explanation], runtime: str) -> Iterator[str]:
    for family in Family:
        members = [one for one in found if one.fault.family is family]
        if members:
            yield f"{family.value}"
        for one in members:
            lacking = _lacks(one, runtime)
            told = f"cannot fire: {'; '.join(lacking)}" if lacking else one.fault.meaning
            yield _wrapped(f"  {one.fault.name:<27} {one.fault.severity.value:<7} ", told)


def _lacks(found: Explanation, runtime: str) -> tuple[str, ...]:
    """Return what a runtime lacks for every rule of a fault; nothing when one can fire, or when no runtime is asked about."""
    reasons = [coverage.lacking.get(runtime, ()) for coverage in found.coverage]
    return min(reasons, key=len) if runtime and all(reasons) else ()


def _whole(found: Explanation, runtime: str, settings: Settings) -> Iterator[str]:
    fault = found.fault
    yield f"{fault.name}  ({fault.family.value}, {fault.severity.value})"
    yield ""
    yield _wrapped("What happens:  ", fault.meaning)
    yield _wrapped("Who feels it:  ", fault.impact)
    yield _wrapped("Why so:        ", fault.why)
    yield _wrapped("Stays silent:  ", fault.look_alike)
    yield from ("", "Watches")
    for signal in found.signals:
        yield _wrapped(f"  {signal.name:<42} ", signal.help)
    if found.thresholds:
        yield from ("", "Limits (settings in atlas-ops.yaml)")
        yield from (
            _wrapped(f"  {one.key} = {promql.number(one.value)} {one.unit}".rstrip() + ": ", one.reason)
            for one in found.thresholds
        )
    for coverage in found.coverage:
        yield from ("", *_rule(coverage, runtime, of_runtimes=found.of_runtimes))
    yield from ("", f"Runbook: {links.runbook(fault, settings)}", "", *_prose(fault))


def _rule(coverage: Coverage, runtime: str, *, of_runtimes: bool) -> Iterator[str]:
    rule = coverage.rule
    when = f"for {promql.duration(rule.for_seconds)}" if rule.for_seconds else "at once"
    name = " ".join(part for part in (rule.severity.value, rule.variant, rule.objective) if part)
    yield f"Rule ({name}): fires {when}, while"
    yield textwrap.indent(rule.expr, "  ")
    if not of_runtimes:
        yield "  For every runtime: it reads nothing that model servers tell."
        return
    yield _wrapped("  Can fire for: ", ", ".join(coverage.runtimes) or "no runtime")
    for other, reasons in coverage.lacking.items():
        if runtime in ("", other):
            yield _wrapped(f"  Not for {other}: ", "; ".join(reasons))


def _prose(fault: Fault) -> Iterator[str]:
    """Yield the runbook as people wrote it, without the block of facts that was just told."""
    path = shipped.folder("runbooks").parent / fault.runbook
    text = path.read_text(encoding="utf-8")
    _, marker, after = text.partition(runbooks.END)
    yield (after if marker else text).strip()


def _wrapped(begin: str, text: str) -> str:
    indent = " " * min(len(begin), 45)
    return textwrap.fill(begin + text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
