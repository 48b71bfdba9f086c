"""`python -m tests.fuzz TARGET`: looks for an input that breaks a reader, guided by the lines of code that it reaches.

`make fuzz` calls it once for each target. It needs atheris, which is built for Linux and macOS and no test needs. An input
that breaks the reader, takes longer than ten seconds or more than 512 MiB ends the run with an error; it is kept in
`build/fuzz/TARGET/` and tried again by `python -m tests.fuzz TARGET --again FILE`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["atlas_ops"]):
    from tests.fuzz.targets import ROOT, TARGETS, Target

SLOWEST_SECONDS = 10
MOST_MEBIBYTES = 512


def seeded(folder: Path, target: Target) -> Path:
    """Return the folder of inputs to begin with: those of earlier runs, and real files cut to the greatest length."""
    inputs = folder / "inputs"
    inputs.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (inputs / f"seed-{number}").write_bytes(seed.read_bytes()[: target.most_bytes])
    return inputs


def main() -> None:
    """Fuzz until the time is over; the process ends here, with an error when something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz a reader of foreign text.")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60, help="how long (%(default)s)")
    parser.add_argument("--again", metavar="FILE", help="try this one input")
    args = parser.parse_args()
    target = TARGETS[args.target]
    folder = ROOT / "build" / "fuzz" / args.target
    options = [
        f"-max_total_time={args.seconds}",
        f"-max_len={target.most_bytes}",
        f"-timeout={SLOWEST_SECONDS}",
        f"-rss_limit_mb={MOST_MEBIBYTES}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup([sys.argv[0], *options, args.again or str(seeded(folder, target))], target.read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
