"""`atlas-ops gpu record`: writes down what the driver answers to the exporter, to be replayed on another machine."""

from __future__ import annotations

import argparse
import logging
import math
import signal
import sys
import threading
import time
from pathlib import Path

from atlas_ops.errors import UsageError
from atlas_ops.exporter.gpu.backend import NoWorkloads
from atlas_ops.exporter.gpu.collector import GpuCollector
from atlas_ops.exporter.nvml.binding import Nvml
from atlas_ops.exporter.nvml.raw.writer import RecordingFile
from atlas_ops.exporter.nvml.record import RecordingLibrary, describe, driver_library

_PROGRESS_SECONDS = 1.0
_DESCRIPTION = """\
Ask the NVIDIA driver of this machine what `atlas-ops exporter` asks it, and write its raw answers to a file, which
`atlas-ops exporter --gpu-replay FILE` serves on any machine.
"""
_EPILOG = """\
examples:
  atlas-ops gpu record --output node.jsonl                    until Ctrl-C
  atlas-ops gpu record --output node.jsonl --seconds 600      ten minutes
  atlas-ops exporter --gpu-replay node.jsonl                  what was recorded, as if the GPUs were here

What is in the file: a line of JSON for each answer that differs from the one before. UUIDs, serial numbers, PCI addresses,
process ids and every other text that could be an id are replaced by masks (the same id by the same mask, of the same form);
host name and names of processes are not recorded. It is text: look at it before you pass it on.

exit codes:
  0  recorded, until --seconds were over, Ctrl-C or SIGTERM
  2  the command line is wrong, or the file exists
  4  no driver, no GPU, or the file cannot be written
"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its arguments."""
    parser = commands.add_parser(
        "gpu",
        help="record what the GPUs of this machine answer, to replay it elsewhere",
        description="Record what the GPUs of this machine answer, to replay it elsewhere.",
        epilog="It explains itself: atlas-ops gpu record --help",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    record = actions.add_parser(
        "record",
        help="write the driver's raw answers to a file, ids masked",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    record.add_argument("--output", type=Path, required=True, metavar="FILE", help="the file to write (JSON lines)")
    record.add_argument("--force", action="store_true", help="replace the file if it exists")
    record.add_argument("--seconds", type=float, default=math.inf, metavar="N", help="how long (default: until Ctrl-C)")
    record.add_argument(
        "--interval", type=float, default=1.0, metavar="S", help="seconds between two rounds of questions (%(default)g)"
    )
    record.add_argument("--simulated-gpus", default="", metavar="URL", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Record until the time is over, or until Ctrl-C or SIGTERM."""
    if not (args.seconds > 0 and 0 < args.interval < math.inf):
        raise UsageError(
            "--seconds and --interval have to be above 0", next_step="give other numbers, or leave them out"
        )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(message)s")
    library = _simulated(args.simulated_gpus) if args.simulated_gpus else driver_library()
    # A driver may hang at its first call, and Python's own handler would wait for it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    header = describe(library, interval_seconds=args.interval)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    with RecordingFile(args.output, header, replace=args.force) as file:
        print(
            f"recording {len(header.gpus)} GPU(s), driver {header.driver}; Ctrl-C ends it", file=sys.stderr, flush=True
        )
        _record(Nvml(RecordingLibrary(library, file)), file, args, stop)
    if file.trouble:
        raise file.trouble
    _conclude(args.output, file)
    return 0


def _simulated(url: str) -> object:
    from atlas_ops.simulator import nvml_library  # noqa: PLC0415 - 2 MiB that only tests and demos need

    return nvml_library(url)


def _record(backend: Nvml, file: RecordingFile, args: argparse.Namespace, stop: threading.Event) -> None:
    """Let the exporter's own collector ask, exactly as it does when it serves."""
    collector = GpuCollector(backend, host_name="", workloads=NoWorkloads(), read_seconds=args.interval)
    begun = time.monotonic()
    collector.start()
    try:
        while (left := begun + args.seconds - time.monotonic()) > 0 and not file.trouble:
            if stop.wait(min(left, _PROGRESS_SECONDS)):
                break
            file.flush()
            if sys.stderr.isatty():
                print(
                    f"\r{time.monotonic() - begun:.0f} s, {file.answers} answers ", end="", file=sys.stderr, flush=True
                )
    finally:
        collector.stop()


def _conclude(path: Path, file: RecordingFile) -> None:
    print(f"\nwrote {path}: {file.answers} answers, {path.stat().st_size} bytes; ids are masked", file=sys.stderr)
    if file.not_recorded:
        print(f"not recorded: {', '.join(file.not_recorded)}", file=sys.stderr)
