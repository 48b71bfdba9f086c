"""Traffic and errors of NVLink, and traffic of PCIe, from the driver's counters.

Used by `exporter.nvml.device`. Rates by the driver's own measure are GPM's (`exporter.nvml.gpm`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.gpu.backend import Question, Value
from atlas_ops.exporter.nvml import fields
from atlas_ops.exporter.nvml.calls import NvmlAbsent, NvmlCode, Target
from atlas_ops.exporter.samples import labels

ERRORS_SECONDS = 10.0
"""Between two asks for the errors: up to 18 links with nine counters each."""
_NVLINK_BYTES = ((s.GPU_NVLINK_TX, 138), (s.GPU_NVLINK_RX, 139))
"""Data without protocol, in KiB, of all links together."""
_PCIE_BYTES = ((s.GPU_PCIE_TX, 197), (s.GPU_PCIE_RX, 198))
_LINK_COUNT = 91
_MOST_LINKS = 18
"""NVML_NVLINK_MAX_LINKS."""
_BY_SCOPE = (
    ("replay", 161),
    ("recovery", 162),
    ("crc", 163),
    ("malformed_packet", 206),
    ("buffer_overrun", 207),
    ("receive", 208),
    ("link_integrity", 211),
    ("transmit_discard", 212),
    ("recovery_failed", 214),
)
"""(type, field id), the link being the scope. The first three are Hopper's, the others Blackwell's (NVLink 5)."""
_BY_LINK = (("replay", 46, 108), ("recovery", 53, 114), ("crc_flit", 32, 96), ("crc_data", 39, 102))
"""(type, field id of link 0, field id of link 6), five more following each: up to Ampere, whose parts have 12 links."""
_LINKS_IN_A_ROW, _LINKS_BY_ID = 6, 12
_KIB = 1024
_RANGE = 2**32


def questions(target: Target, pcie: PcieTraffic) -> tuple[Question, ...]:
    """Return the questions about one GPU."""
    errors, call = LinkErrors(target), fields.FUNCTION
    return (
        _nvlink(target),
        Question(
            name="nvlink_errors",
            signals=(s.GPU_NVLINK_ERRORS,),
            ask=errors.ask,
            call=call,
            every_seconds=ERRORS_SECONDS,
        ),
        Question(name="pcie_traffic", signals=(s.GPU_PCIE_TX, s.GPU_PCIE_RX), ask=pcie.ask, call=call),
    )


def _nvlink(target: Target) -> Question:
    batch = fields.Fields(target, [(field, fields.ALL_LINKS) for _, field in _NVLINK_BYTES])

    def ask() -> Iterable[Value]:
        return [
            Value(signal, None if kib is None else float(kib) * _KIB)
            for (signal, _), kib in zip(_NVLINK_BYTES, batch.numbers(), strict=True)
        ]

    return Question(name="nvlink_traffic", signals=(s.GPU_NVLINK_TX, s.GPU_NVLINK_RX), ask=ask, call=fields.FUNCTION)


class LinkErrors:
    """NVLink errors by type and link. How many links a part has, and by which ids it tells them, is asked once."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._count = fields.one(target, _LINK_COUNT)
        self._batch: fields.Fields | None = None
        self._what: list[tuple[str, int]] = []

    def ask(self) -> Iterable[Value]:
        """Ask; a link that is not in use has no counters."""
        counts = self._first() if self._batch is None else self._batch.numbers()
        return [
            Value(s.GPU_NVLINK_ERRORS, float(count), labels(type=kind, link=str(link)))
            for (kind, link), count in zip(self._what, counts, strict=True)
            if count is not None
        ]

    def _first(self) -> list[int | float | None]:
        links = min(_MOST_LINKS, int(self._count.numbers()[0] or 0))
        if not links:
            raise NvmlAbsent("NVLink", NvmlCode.NOT_SUPPORTED)
        try:
            return self._try([(kind, link, (field, link)) for kind, field in _BY_SCOPE for link in range(links)])
        except NvmlAbsent:
            known = range(min(_LINKS_BY_ID, links))
            return self._try(
                [(kind, link, (_id(first, sixth, link), 0)) for kind, first, sixth in _BY_LINK for link in known]
            )

    def _try(self, what: list[tuple[str, int, tuple[int, int]]]) -> list[int | float | None]:
        """Ask by these ids, and stay with them when they are answered."""
        batch = fields.Fields(self._target, [field for _, _, field in what])
        counts = batch.numbers()
        self._what, self._batch = [(kind, link) for kind, link, _ in what], batch
        return counts


def _id(first: int, sixth: int, link: int) -> int:
    row, place = divmod(link, _LINKS_IN_A_ROW)
    return (sixth if row else first) + place


class PcieTraffic:
    """Bytes over PCIe since the exporter's start.

    The driver's own count wraps at 32 bits (an H200 with 580.159): at 58 GB/s, thirteen times a second. So what GPM measured
    is summed up, on the parts that have it; the count is followed on the others, right up to 4 GiB between two reads.
    """

    def __init__(self, target: Target) -> None:
        self._batch = fields.Fields(target, [(field, 0) for _, field in _PCIE_BYTES])
        self._totals = [Unwrapped() for _ in _PCIE_BYTES]
        self._measured = False

    def flowed(self, sent_and_received: Sequence[float]) -> None:
        """Add bytes that were measured otherwise."""
        for total, count in zip(self._totals, sent_and_received, strict=True):
            total.add(count)
        self._measured = True

    def ask(self) -> Iterable[Value]:
        """Tell what was measured since the last time, else ask the driver and add what came since."""
        if self._measured:
            self._measured = False
            return [
                Value(signal, float(kept.total)) for (signal, _), kept in zip(_PCIE_BYTES, self._totals, strict=True)
            ]
        return [
            Value(signal, None if count is None else float(total.take(int(count))))
            for (signal, _), total, count in zip(_PCIE_BYTES, self._totals, self._batch.numbers(), strict=True)
        ]


class Unwrapped:
    """The growth of a counter that wraps at 32 bits, or starts over when the GPU is reset."""

    def __init__(self) -> None:
        self.total = 0
        self._last: int | None = None

    def add(self, growth: float) -> None:
        """Add a growth that is known otherwise; the counter is followed anew after it."""
        self.total += max(0, round(growth))
        self._last = None

    def take(self, raw: int) -> int:
        """Take in the counter and return its growth since the first one.

        A step back is a wrap when the way around the end is the shorter one, else a new start: that of a counter which
        has been above 32 bits always is.
        """
        if self._last is not None:
            self.total += self._gained(raw, self._last)
        self._last = raw
        return self.total

    @staticmethod
    def _gained(raw: int, last: int) -> int:
        if raw >= last:
            return raw - last
        around = raw + _RANGE - last
        return around if last < _RANGE and around < _RANGE // 2 else raw
