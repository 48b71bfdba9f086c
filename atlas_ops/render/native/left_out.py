"""Which signals the exporter tells of a runtime and recording rules cannot, and why. Printed on top of each file."""

from __future__ import annotations

from collections.abc import Iterator

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Dialect
from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.reading import Decoding, Derivation, Entry, Reading
from atlas_ops.render.native.naming import Naming

_DERIVED = {
    Derivation.PROCESSES: "the exporter asks the GPU driver",
    Derivation.START: "the exporter measures it from the start of the container to the first ready answer",
}


def why_not(reading: Reading, naming: Naming) -> str:
    """Return why PromQL cannot express a reading; empty when it can."""
    if reading.decoding is Decoding.LABEL_PRODUCT:
        return f"{reading.metric} tells it in labels, with which PromQL cannot calculate"
    if reading.decoding is Decoding.LABEL_LISTS:
        return f"{reading.metric} tells it as lists in labels, which PromQL cannot count"
    if reading.decoding is Decoding.HISTOGRAM and reading.scale != 1 and not reading.bounds:
        return f"the bucket bounds of {reading.metric} are in another unit, and not known"
    if reading.model is None and not naming.can_name:
        return "nothing names its model"
    return ""


def left_out(dialect: Dialect, naming: Naming) -> Iterator[tuple[str, str]]:
    """Yield (signal, reason) for every signal of which the exporter tells more."""
    for entry in dialect.entries:
        reasons = [reason for reading in entry.readings if (reason := why_not(reading, naming))]
        if entry.readings and reasons:
            only = "" if len(reasons) == len(entry.readings) else "in part: "
            yield str(entry.signal), only + "; ".join(dict.fromkeys(reasons))
        elif not entry.readings and (reason := _besides(dialect, entry)):
            yield str(entry.signal), reason
    yield str(s.SERVER_RESTARTS), "seen by the exporter alone; changes() of a start time tells them, where there is one"
    yield str(s.SERVER_WORKERS), "seen by the exporter alone; several that answer in turn look like restarts here"


def _besides(dialect: Dialect, entry: Entry) -> str:
    """Return what tells a signal that is on no page."""
    asked = _asked(dialect, entry.signal)
    if asked:
        return f"the exporter asks {asked}"
    return _DERIVED[entry.derive] if entry.derive else ""


def _asked(dialect: Dialect, signal: Signal) -> str:
    health = {s.SERVER_READY: "readiness", s.MODEL_READY: "model"}.get(signal)
    paths = [endpoint.path for endpoint in dialect.endpoints if endpoint.tells == health]
    paths += [one.path for one in dialect.questions if any(answer.signal is signal for answer in one.answers)]
    return " or ".join(dict.fromkeys(paths))
