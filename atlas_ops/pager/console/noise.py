"""The noise report: which faults page for nothing. Called by `console.routes`."""

from __future__ import annotations

import time

from atlas_ops.pager.access.gate import Visitor
from atlas_ops.pager.console.printer import Printer
from atlas_ops.pager.store.store import Store

DAYS = (7, 30)
_DAY = 86_400.0


def report(printer: Printer, store: Store, visitor: Visitor, days: str) -> str:
    """Return the report over one of `DAYS`, as the address asks for it; the first when it asks for another."""
    chosen = next((number for number in DAYS if str(number) == days), DAYS[0])
    faults = store.reports.noise(time.time() - chosen * _DAY)
    most = max((one.count for one in faults), default=1)
    return printer.page("noise.html", visitor, chosen=chosen, choices=DAYS, faults=faults, most=most)
