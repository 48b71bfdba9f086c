"""What is asked of an AMD card, and which signals the answers are.

Used by `exporter.amd.device`. Throttling is no question: the collector samples and counts it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.amd.card import DOMAINS, SENSORS, Card
from atlas_ops.exporter.gpu.backend import GpuAbsent, Question, Value
from atlas_ops.exporter.samples import Labels, labels

LINK_BLOCK = "xgmi_wafl"
"""The one block whose errors are those of the links between GPUs, not of memory."""
_LONGEST_TEXT = 80
_SELDOM = 60.0
_HEALTH_SECONDS = 5.0
"""Errors are collected from registers all over the chip, so not in every round."""


def questions(card: Card) -> tuple[Question, ...]:
    """Return everything that the card can be asked."""
    return (
        Question(name="info", signals=(s.GPU_INFO,), ask=partial(_info, card), vital=False, every_seconds=_SELDOM),
        _one("utilization", s.GPU_UTILIZATION, card.utilization),
        _one("memory_utilization", s.GPU_MEMORY_UTILIZATION, card.memory_utilization),
        *_memory(card),
        *_heat_and_power(card),
        *_clocks(card),
        *_links(card),
        *_health(card),
    )


def _one(
    name: str,
    signal: Signal,
    read: Callable[[], float],
    extra: Labels = (),
    *,
    vital: bool = True,
    every_seconds: float = 0.0,
) -> Question:
    def ask() -> Iterable[Value]:
        return (Value(signal, float(read()), extra),)

    return Question(name=name, signals=(signal,), ask=ask, vital=vital, every_seconds=every_seconds)


def _info(card: Card) -> Iterable[Value]:
    extra = labels(name=_text(card.name), driver_version=_text(card.driver_version), pci_bus_id=card.address)
    return (Value(s.GPU_INFO, 1.0, extra),)


def _text(read: Callable[[], str]) -> str:
    """Return a text as the value of a label: one line, and not without end."""
    try:
        return " ".join(read().split())[:_LONGEST_TEXT]
    except GpuAbsent:
        return ""


def _memory(card: Card) -> Iterable[Question]:
    """Return the questions of memory. The driver keeps these accounts, so they do not prove that the card is there."""
    yield _one("memory_used", s.GPU_MEMORY_USED, card.memory_used, vital=False)
    yield _one("memory_total", s.GPU_MEMORY_TOTAL, card.memory_total, vital=False)
    yield _one("memory_free", s.GPU_MEMORY_FREE, partial(_memory_free, card), vital=False)
    yield Question(name="processes", signals=(s.GPU_PROCESS_MEMORY,), ask=partial(_processes, card), vital=False)


def _memory_free(card: Card) -> float:
    return max(0.0, card.memory_total() - card.memory_used())


def _processes(card: Card) -> Iterable[Value]:
    return [
        Value(s.GPU_PROCESS_MEMORY, float(used), labels(pid=str(pid))) for pid, used in sorted(card.processes().items())
    ]


def _heat_and_power(card: Card) -> Iterable[Question]:
    for sensor in SENSORS:
        read = partial(card.temperature, sensor)
        yield _one(f"temperature_{sensor}", s.GPU_TEMPERATURE, read, labels(sensor=sensor))
    yield _one("temperature_margin", s.GPU_TEMPERATURE_MARGIN, partial(_margin, card))
    yield _one("power", s.GPU_POWER, card.power)
    yield _one("power_limit", s.GPU_POWER_LIMIT, card.power_limit, vital=False)
    yield _one("energy", s.GPU_ENERGY, card.energy)
    yield _one("fan", s.GPU_FAN, card.fan)


def _margin(card: Card) -> float:
    """Return the degrees left before the nearest slowdown: of the sensor that is nearest to its critical temperature.

    Sensors that the card lacks do not count; one that fails may be the nearest, so then there is no answer.
    """
    margins = []
    for sensor in SENSORS:
        try:
            margins.append(card.critical_temperature(sensor) - card.temperature(sensor))
        except GpuAbsent:
            continue
    if not margins:
        raise GpuAbsent("no sensor has a critical temperature")
    return min(margins)


def _clocks(card: Card) -> Iterable[Question]:
    for domain in DOMAINS:
        extra = labels(domain=domain)
        yield _one(f"clock_{domain}", s.GPU_CLOCK, partial(card.clock, domain), extra)
        yield _one(
            f"clock_max_{domain}", s.GPU_CLOCK_MAX, partial(card.clock_max, domain), extra,
            vital=False, every_seconds=_SELDOM,
        )  # fmt: skip


def _links(card: Card) -> Iterable[Question]:
    """XGMI is AMD's counterpart of NVLink: what a card reads from its peers it receives, what it writes it sends."""
    yield _one("xgmi_written", s.GPU_NVLINK_TX, card.xgmi_written)
    yield _one("xgmi_read", s.GPU_NVLINK_RX, card.xgmi_read)
    for which, generation, width in (
        ("current", s.GPU_PCIE_GENERATION, s.GPU_PCIE_WIDTH),
        ("max", s.GPU_PCIE_GENERATION_MAX, s.GPU_PCIE_WIDTH_MAX),
    ):
        yield _one(f"pcie_generation_{which}", generation, partial(card.pcie_generation, which), vital=False)
        yield _one(f"pcie_width_{which}", width, partial(card.pcie_width, which), vital=False)
    yield _one("pcie_replays", s.GPU_PCIE_REPLAYS, card.pcie_replays, vital=False)


def _health(card: Card) -> Iterable[Question]:
    # The last two are asked anyhow: that a part does not count errors has to be told, too.
    for block in dict.fromkeys((*card.blocks(), "umc", LINK_BLOCK)):
        yield Question(
            name=f"errors_{block}",
            signals=(s.GPU_NVLINK_ERRORS if block == LINK_BLOCK else s.GPU_ECC_ERRORS,),
            ask=partial(_errors, card, block),
            vital=False,
            every_seconds=_HEALTH_SECONDS,
        )
    # Pages are retired for errors that could not be corrected, and for no other reason.
    yield _one(
        "retired_pages", s.GPU_RETIRED_PAGES, card.retired_pages, labels(cause="uncorrected"),
        vital=False, every_seconds=_HEALTH_SECONDS,
    )  # fmt: skip


def _errors(card: Card, block: str) -> Iterable[Value]:
    counts = card.errors(block).items()
    if block == LINK_BLOCK:
        return [Value(s.GPU_NVLINK_ERRORS, float(count), labels(type=kind)) for kind, count in counts]
    return [Value(s.GPU_ECC_ERRORS, float(count), labels(type=kind, location=block)) for kind, count in counts]
