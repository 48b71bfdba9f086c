"""The command line: the only place that prints, exits, reads the environment and wires objects together.

One module for each command, with `add` (its arguments and its help) and `run`. Only the module of the command that was
asked for is imported: the exporter must not pay for the pager's libraries.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from atlas_ops import __version__
from atlas_ops.errors import AtlasError

COMMANDS = (
    ("exporter", "measure GPUs and model servers, serve /metrics for Prometheus"),
    ("translate", "print what the exporter makes of a server's metrics page, and why"),
    ("probe", "send one small request to a model server and say what came of it"),
    ("gpu", "record what the GPUs of this machine answer, to replay it elsewhere"),
    ("build", "write rules, dashboards, Alertmanager configuration and runbook facts"),
    ("dashboards", "put the dashboards into a Grafana by its HTTP API"),
    ("check", "prove that rules, dashboards, runbooks and links belong together"),
    ("explain", "say what an alert watches, why, for which runtimes, and what to do"),
    ("diagnose", "ask Prometheus why an alert fires, and rank the causes"),
    ("pager", "turn Alertmanager's webhooks into Slack pages with a filled-in runbook"),
    ("gate", "compare a canary with the baseline: pass, fail or cannot tell"),
    ("capacity", "say what servers carry, how many a forecast takes, and what tokens cost"),
    ("oncall", "say who is on call, and when they hand over"),
    ("drift", "make a reference of a model's data, and compare live data with it"),
    ("watch", "find drift live, in what servers count, and publish it for Prometheus"),
    ("demo", "run the whole way from a fault to a page on this machine"),
    ("preview", "show the dashboards in a browser, without a Grafana"),
    ("rehearse", "play every fault and every look-alike through the rules, and say what was told"),
    ("simulate", "run a fleet of model servers and GPUs that does not exist"),
    ("runbooks", "write all runbooks as a static site"),
    ("unpack", "copy the shipped rules, dashboards, runbooks and dialects into a folder"),
)

BUG = 70
"""EX_SOFTWARE of sysexits.h. Python's own 1 would tell a pipeline that data drifted, or that a gate failed."""
_EPILOG = """\
Start with `atlas-ops demo`. Each command explains itself: atlas-ops COMMAND --help

exit codes:
  0  done, nothing found
  1  a check found something, a probe was not answered, a dashboard was refused, a demo did not get its page, a
     rehearsal failed, data drifted, a gate failed, or replicas are too few
  2  the command line is wrong, or data cannot be read
  3  a settings, dialect or runbook file is wrong (every mistake is listed); of `drift`, `gate`, `watch`
     and `capacity`: cannot tell
  4  the machine lacks something: a free port, a program, a permission
  70  a bug of atlas-ops itself: the traceback is printed; it is no verdict
  130  stopped by Ctrl-C
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    wanted = next((word for word in words if not word.startswith("-")), None)
    try:
        args = parser(wanted).parse_args(words)
        return int(importlib.import_module(f"atlas_ops.cli.{args.command}").run(args))
    except AtlasError as error:
        print(f"atlas-ops {wanted}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has gone; point stdout elsewhere, or Python complains when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not look like a verdict
        traceback.print_exc()
        print(
            f"atlas-ops {wanted}: {type(error).__name__} is a bug of atlas-ops {__version__}: please report it with the lines above",
            file=sys.stderr,
        )
        return BUG


def parser(wanted: str | None) -> argparse.ArgumentParser:
    """Return the parser of the whole command line, of which only `wanted` knows its own arguments."""
    whole = argparse.ArgumentParser(
        prog="atlas-ops",
        description="Observability and on-call kit for model servers on GPUs.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"atlas-ops {__version__}")
    commands = whole.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS:
        if name == wanted:
            importlib.import_module(f"atlas_ops.cli.{name}").add(commands)
        else:
            commands.add_parser(name, help=text)
    return whole
