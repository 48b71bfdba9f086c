"""What the actions of `atlas-ops drift` share: references, a progress line, and a licence."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_ops.errors import ConfigError, DataError

if TYPE_CHECKING:
    from atlas_ops.drift.reference import Reference

_EVERY_SECONDS = 2.0


def reference(path: Path, *, model: str = "", bins_only: bool = False) -> Reference:
    """Read a reference, or only what values are counted by; DataError when it cannot be read or is of another model."""
    from atlas_ops.drift.reference import read  # noqa: PLC0415 - numpy

    try:
        return read(path, model=model, bins_only=bins_only)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", next_step="check the path") from error
    except ConfigError as error:
        raise DataError(f"{error.file}: {'; '.join(error.mistakes)}", next_step=error.next_step) from error


def add_licence(parser: argparse.ArgumentParser) -> None:
    """Add the option that says yes to the licence of alibi-detect."""
    parser.add_argument(
        "--accept-alibi-licence",
        action="store_true",
        help="I know the licence of alibi-detect (BSL 1.1: no production use without one from Seldon)",
    )


def progress(unit: str = "rows") -> Callable[[str, int], None]:
    """Return a function that adds up rows, or other units, of one kind of work, and says every two seconds how many it were."""
    done: dict[str, int] = {}
    began = last = time.monotonic()

    def told(what: str, rows: int) -> None:
        nonlocal last
        done[what] = done.get(what, 0) + rows
        now = time.monotonic()
        if now - last >= _EVERY_SECONDS:
            last = now
            print(f"{what}: {done[what]:,} {unit}, {now - began:.0f} s", file=sys.stderr, flush=True)

    return told
