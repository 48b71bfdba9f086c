"""Prints samples as the Prometheus text format 0.0.4 and as OpenMetrics 1.0, families in the contract's order.

Called by `source` and `snapshot`, once a second. What was printed before is not printed anew: a `Printer` remembers
the text of each series, a `Joiner` the families in which nothing has changed. prometheus_client's own printer takes
some 15 times longer for the same text.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from atlas_ops.catalog.model import Signal, SignalType
from atlas_ops.catalog.signals import SIGNALS
from atlas_ops.exporter.samples import Labels, Sample

_log = logging.getLogger(__name__)

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
Lines = dict[str, str]
"""{series, as in `name{label="value"}`: its whole line} of one family."""
Block = dict[str, Lines]
"""{name of a signal: lines} of one collector."""
Compat = Callable[[Sequence[Sample], bool], str]
"""A further printer: from all samples to lines that stand behind the page; true asks for OpenMetrics. It says nothing
of families that are in the contract, and puts no end mark."""
_WHOLE = float(1 << 53)
"""Up to here a float holds every whole number, so it can be printed as one."""


@dataclass(frozen=True, slots=True)
class Family:
    """The finished lines of one signal."""

    signal: Signal
    body: bytes


class Printer:
    """Prints the samples of one collector. What it remembers of a series goes when the series does."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, Labels], str] = {}
        self._printed: dict[int, tuple[Sample, str, str]] = {}
        """{id of a sample: the sample, its series, its line}: many a collector hands out the very same one again."""

    def print(self, samples: Iterable[Sample]) -> Block:
        """Return the lines. Of two samples with the same name and labels the first counts: Prometheus refuses both."""
        block: Block = {}
        before, self._series = self._series, {}
        known, self._printed = self._printed, {}
        for sample in samples:
            printed = known.get(id(sample))
            if printed is None or printed[0] is not sample:
                printed = self._print(sample, before)
            self._printed[id(sample)] = printed
            block.setdefault(sample.signal.name, {}).setdefault(printed[1], printed[2])
        return block

    def _print(self, sample: Sample, before: dict[tuple[str, str, Labels], str]) -> tuple[Sample, str, str]:
        key = (sample.signal.name, sample.part, sample.labels)
        series = self._series[key] = before.get(key) or f"{sample.signal.name}{sample.part}{_labels(sample.labels)}"
        return sample, series, f"{series} {number(sample.value)}\n"


class Joiner:
    """Joins the blocks of all collectors. Of a series that two collectors have, the first one's counts."""

    def __init__(self) -> None:
        self._joined: dict[str, tuple[tuple[Lines, ...], Family]] = {}

    def join(self, blocks: Sequence[Block]) -> tuple[Family, ...]:
        """Return the families in the contract's order."""
        joined: dict[str, tuple[tuple[Lines, ...], Family]] = {}
        for signal in SIGNALS:
            parts = tuple(block[signal.name] for block in blocks if signal.name in block)
            if not parts:
                continue
            known = self._joined.get(signal.name)
            if known is not None and _same(known[0], parts):
                joined[signal.name] = known
            else:
                joined[signal.name] = (parts, Family(signal, _body(parts)))
        self._joined = joined
        return tuple(family for _, family in joined.values())


def text(families: Iterable[Family], rest: str = "") -> bytes:
    """Return the page in the text format, with the lines of further printers behind it."""
    parts = [part for family in families for part in (_TEXT_HEADS[family.signal.name], family.body)]
    return b"".join((*parts, rest.encode(errors="replace")))


def openmetrics(families: Iterable[Family], rest: str = "") -> bytes:
    """Return the page in OpenMetrics 1.0, with the lines of further printers before its end mark."""
    parts = [part for family in families for part in (_openmetrics_head(family.signal), family.body)]
    return b"".join((*parts, rest.encode(errors="replace"), b"# EOF\n"))


def escape(value: str) -> str:
    """Return the value of a label as it stands between its quotes."""
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def number(value: float) -> str:
    """Return a value without loss: whole numbers without a point, the others as Python writes them."""
    if math.isfinite(value):
        return str(int(value)) if abs(value) < _WHOLE and int(value) == value else repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{escape(value)}"' for name, value in labels) + "}" if labels else ""


def _same(before: tuple[Lines, ...], now: tuple[Lines, ...]) -> bool:
    """Say whether these are the very same objects; nobody changes one that was printed."""
    return len(before) == len(now) and all(one is other for one, other in zip(before, now, strict=True))


def _body(parts: Sequence[Lines]) -> bytes:
    """Return the lines as UTF-8. A label that is none, of whatever source, must not cost the page."""
    if len(parts) == 1:
        return "".join(parts[0].values()).encode(errors="replace")
    lines: Lines = {}
    for part in parts:
        if not lines.keys().isdisjoint(part):
            _log.debug("left out, they are on the page already: %s", lines.keys() & part.keys())
            part = {series: line for series, line in part.items() if series not in lines}  # noqa: PLW2901
        lines |= part
    return "".join(lines.values()).encode(errors="replace")


def _text_head(signal: Signal) -> bytes:
    told = signal.help.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {signal.name} {told}\n# TYPE {signal.name} {signal.type.value}\n".encode()


def _openmetrics_head(signal: Signal) -> bytes:
    """Return the head of a family: a counter's has no `_total`, and a unit has to be the end of its name."""
    name = signal.name.removesuffix("_total") if signal.type is SignalType.COUNTER else signal.name
    unit = f"# UNIT {name} {signal.unit}\n" if signal.unit and name.endswith(f"_{signal.unit}") else ""
    return f"# TYPE {name} {signal.type.value}\n{unit}# HELP {name} {escape(signal.help)}\n".encode()


_TEXT_HEADS = {signal.name: _text_head(signal) for signal in SIGNALS}
