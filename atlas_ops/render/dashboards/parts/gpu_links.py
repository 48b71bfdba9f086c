"""Links of GPUs: NVLink (on AMD XGMI) to each other, PCIe to the host."""

from __future__ import annotations

from atlas_ops import promql
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.faults.hardware.links import NVLINK_RATE, PCIE_BANDWIDTH
from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render.dashboards.panels import Chart, Limit, Query, Table
from atlas_ops.render.dashboards.parts.gpus import BY_WHOLE, PLACE, columns, greatest, query
from atlas_ops.render.dashboards.parts.requests import WINDOW


def nvlink_errors(by: tuple[str, ...], *matchers: str, parameters: Parameters, width: int = 8) -> Chart:
    """Return errors of the worst NVLink of each GPU, by type."""
    return Chart(
        key="nvlink-errors",
        title="NVLink errors of the worst link",
        shows="Errors a second, by type. Checksum errors are repeated without loss.",
        worry="a replay or a recovery comes at all, or checksum errors reach the line.",
        faults=("NvlinkErrors",),
        empty="on parts without NVLink",
        queries=(query(by, promql.select(NVLINK_RATE, *matchers), "type"),),
        unit="short",
        limit=Limit(value=parameters.limits.nvlink_crc_errors_per_second),
        width=width,
    )


def nvlink_traffic(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return what goes over NVLink."""
    return Chart(
        key="nvlink-traffic",
        title="NVLink traffic",
        shows="Bytes sent and received over all links of a GPU: a model over several GPUs exchanges its layers' results.",
        worry="one GPU of a model carries less than its peers, or it stops while requests are present.",
        faults=("NvlinkErrors",),
        empty="on parts without NVLink",
        queries=(
            query(by, _traffic(s.GPU_NVLINK_TX, s.GPU_NVLINK_TX_RATE, *matchers), word="sent"),
            query(by, _traffic(s.GPU_NVLINK_RX, s.GPU_NVLINK_RX_RATE, *matchers), word="received"),
        ),
        unit="Bps",
        width=width,
    )


def pcie_links(*matchers: str, width: int = 16) -> Table:
    """Return generation and width of the link of each GPU, in use and at most."""
    figures = (
        ("Generation", s.GPU_PCIE_GENERATION, "none"),
        ("Highest", s.GPU_PCIE_GENERATION_MAX, "none"),
        ("Lanes", s.GPU_PCIE_WIDTH, "none"),
        ("All lanes", s.GPU_PCIE_WIDTH_MAX, "none"),
        ("Bandwidth", PCIE_BANDWIDTH, "percentunit"),
    )
    return Table(
        key="pcie-links",
        title="PCIe links",
        shows="Generation and lanes in use, and those that GPU and slot could have. Idle GPUs lower their generation.",
        worry="a busy GPU has less than it could.",
        faults=("PcieDegraded",),
        queries=tuple(
            Query(expr=greatest(BY_WHOLE, promql.select(what, *matchers)), legend="") for _, what, _ in figures
        ),
        columns=(
            *PLACE,
            *columns((title, unit, None) for title, _, unit in figures),
        ),
        width=width,
    )


def pcie_replays(by: tuple[str, ...], *matchers: str, parameters: Parameters, width: int = 8) -> Chart:
    """Return packets that had to be sent again."""
    return Chart(
        key="pcie-replays",
        title="PCIe replays a minute",
        shows="Packets that had to be sent again.",
        worry="it stays above the line: the link is bad although it keeps its speed.",
        faults=("PcieDegraded",),
        queries=(query(by, f"{promql.rate(s.GPU_PCIE_REPLAYS, WINDOW, *matchers)} * 60"),),
        unit="short",
        limit=Limit(value=parameters.limits.pcie_replays_per_minute),
        width=width,
    )


def pcie_traffic(by: tuple[str, ...], *matchers: str, width: int = 8) -> Chart:
    """Return what goes over PCIe."""
    return Chart(
        key="pcie-traffic",
        title="PCIe traffic",
        shows="Bytes to and from the host: much while a model is loaded, little while it decodes.",
        worry="it is high while decoding: the KV cache is moved to the host, or a model over several GPUs has no NVLink.",
        faults=("PcieDegraded",),
        queries=(
            query(by, _traffic(s.GPU_PCIE_TX, s.GPU_PCIE_TX_RATE, *matchers), word="sent"),
            query(by, _traffic(s.GPU_PCIE_RX, s.GPU_PCIE_RX_RATE, *matchers), word="received"),
        ),
        unit="Bps",
        width=width,
    )


def _traffic(counter: Signal, rate: Signal, *matchers: str) -> str:
    """Return bytes a second by what was counted, or by the driver's own measure where nothing is."""
    return f"{promql.rate(counter, WINDOW, *matchers)} or {promql.select(rate, *matchers)}"
