"""Numbers of a command line. Called by the commands as the type of an argument."""

from __future__ import annotations

import argparse
import math


def finite(text: str) -> float:
    """Return a number; what `float` takes beside numbers, such as nan and inf, is compared with anything and found neither more nor less."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number")
    return value
