"""Since when a condition holds, for rules that ask for a long time of it. Called by the faults of cost and blindness.

A window of all that time would be read anew with every evaluation, of every series, though the condition holds for hardly
any. Recorded is the moment instead, and only while the condition holds. Five minutes without Prometheus begin it anew.
"""

from __future__ import annotations

from atlas_ops.catalog.model import Recording


def recording(name: str, held: str) -> Recording:
    """Return the recording of the moment (Unix time) from which on `held`, a condition, has had a value."""
    # Its own last value, or now.
    return Recording(name=name, expr=f"({name} or time() + 0 * ({held}))\nand {held}")
