"""What Prometheus gets without atlas-ops: the model servers' own pages and those of dcgm-exporter. For rules of others.

Called by `play` when somebody else's rules are scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from atlas_ops.exporter import dcgm
from atlas_ops.exporter.parse import Page, Parser
from atlas_ops.exporter.samples import Labels, Sample
from atlas_ops.rehearsal.samples import Series, Sheet
from atlas_ops.simulator import Fleet
from atlas_ops.simulator.effects import Answer
from atlas_ops.simulator.outside import CONTAINER, HOST, NAMESPACE, pod_name

_DCGM: Labels = (("job", "dcgm-exporter"), ("instance", f"{HOST}:9400"))
_STOCK_FIELDS = frozenset(
    f"DCGM_FI_DEV_{name}"
    for name in (
        "SM_CLOCK", "MEM_CLOCK", "MEMORY_TEMP", "GPU_TEMP", "POWER_USAGE", "TOTAL_ENERGY_CONSUMPTION", "PCIE_TX_THROUGHPUT",
        "PCIE_RX_THROUGHPUT", "PCIE_REPLAY_COUNTER", "GPU_UTIL", "MEM_COPY_UTIL", "ENC_UTIL", "DEC_UTIL", "XID_ERRORS",
        "FB_FREE", "FB_USED", "NVLINK_BANDWIDTH_TOTAL", "UNCORRECTABLE_REMAPPED_ROWS", "CORRECTABLE_REMAPPED_ROWS",
        "ROW_REMAP_FAILURE",
    )
)  # fmt: skip
"""What dcgm-exporter publishes unless it is told otherwise (its `etc/default-counters.csv`, 4.x), of what is simulated."""
_PAGES = (Answer.PAGE, Answer.FROZEN)


def is_stock(series: Series) -> bool:
    """Say whether a stock installation has a series: no exporter of ours, and dcgm-exporter's default counters."""
    if series.name.startswith("DCGM_"):
        return series.name in _STOCK_FIELDS
    return not series.name.startswith("atlas_") and not dict(series.labels).get("job", "").startswith("atlas-")


class NativePages:
    """The pages of the servers, and of a dcgm-exporter beside them."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._parsers = [Parser() for _ in fleet.replicas]
        self._gpus = Parser()
        self._known: dict[object, tuple[Series, ...]] = {}

    def scrape(self, sheet: Sheet, gpus: Iterable[Sample]) -> None:
        """Put the pages of this moment into the sheet. `gpus` are our own samples, from which dcgm-exporter's are made."""
        for index, parser in enumerate(self._parsers):
            answer = self._fleet.answer(index)
            if answer is None:
                continue
            up = answer in _PAGES
            page = parser.parse(self._fleet.page(index).encode()) if up else None
            self._put(sheet, [*_samples(page), ("up", (), float(up))], _server(index))
        text = dcgm.render(tuple(gpus), openmetrics=False)
        self._put(sheet, [*_samples(self._gpus.parse(text.encode()) if text else None), ("up", (), 1.0)], _DCGM)

    def _put(self, sheet: Sheet, samples: Sequence[tuple[str, Labels, float]], target: Labels) -> None:
        key = (target, *((name, own) for name, own, _ in samples))
        series = self._known.get(key)
        if series is None:
            series = self._known[key] = tuple(Series(name, own + target) for name, own, _ in samples)
        sheet.put(series, [value for _, _, value in samples])


def _samples(page: Page | None) -> Iterator[tuple[str, Labels, float]]:
    for name in page.names if page else ():
        for native in page.of(name) if page else ():
            yield name, native.labels, native.value


def _server(index: int) -> Labels:
    """Return what a ServiceMonitor of the Prometheus operator puts on the series of a pod."""
    pod = pod_name(index)
    return (
        ("job", "vllm"), ("instance", f"{pod}:8000"), ("namespace", NAMESPACE), ("pod", pod), ("container", CONTAINER),
    )  # fmt: skip
