"""Which scrape jobs of the user's own Prometheus `atlas-ops build` writes rules for: the settings, or the command line."""

from __future__ import annotations

import argparse
import dataclasses

from atlas_ops.catalog.dialects import runtime_ids
from atlas_ops.errors import ConfigError, UsageError
from atlas_ops.settings import Native, Settings
from atlas_ops.settings.native import TAKE_ONE, counted_twice, mistakes


def add(parser: argparse.ArgumentParser) -> None:
    """Add `--source`, `--runtime` and `--job`."""
    parser.add_argument(
        "--source", choices=("native",),
        help="native: Prometheus scrapes the model servers itself (default: as `native` in the settings says)",
    )  # fmt: skip
    parser.add_argument(
        "--runtime", action="append", default=[], metavar="ID",
        help="with --source native, once for each runtime; instead of the jobs in the settings",
    )  # fmt: skip
    parser.add_argument(
        "--job", action="append", default=[], metavar="NAME",
        help="the scrape job of each --runtime, in the same order (default: the runtime's id)",
    )  # fmt: skip


def settings(args: argparse.Namespace, told: Settings) -> Settings:
    """Return the settings with the jobs that were asked for.

    UsageError when the arguments do not fit together, ConfigError when something would be counted twice.
    """
    if (args.runtime or args.job) and not args.source:
        raise UsageError("--runtime and --job are for rules of native metrics", next_step="add --source native")
    if args.source and not (args.runtime or told.native):
        raise UsageError(
            "--source native needs to know whose metrics they are",
            next_step="give --runtime ID, or `native` in the settings",
        )
    chosen = dataclasses.replace(told, native=_asked(args, told)) if args.runtime or args.job else told
    wrong = "; ".join(mistakes(chosen.native))
    if wrong:
        raise UsageError(wrong, next_step="give the job in which Prometheus scrapes these model servers")
    twice = tuple(counted_twice(chosen.native, chosen.servers, chosen.discovery))
    if twice:
        raise ConfigError(str(args.config), twice, next_step=TAKE_ONE)
    return chosen


def _asked(args: argparse.Namespace, told: Settings) -> tuple[Native, ...]:
    known = runtime_ids(told.exporter.dialects)
    for runtime in args.runtime:
        if runtime not in known:
            raise UsageError(f"--runtime {runtime}: no such runtime", next_step=f"choose from {', '.join(known)}")
    if args.job and len(args.job) != len(args.runtime):
        raise UsageError(
            f"{len(args.runtime)} --runtime and {len(args.job)} --job",
            next_step="give one --job for each --runtime, or none: a job is then called like its runtime",
        )
    pairs = zip(args.runtime, args.job or args.runtime, strict=True)
    return tuple(Native(runtime=runtime, job=job) for runtime, job in pairs)
