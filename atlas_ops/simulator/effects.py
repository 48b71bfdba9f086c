"""What can be done to the fleet at one moment: the words that scenarios are written in.

Scenarios (`simulator.scenarios`) put them together; `simulator.fleet` carries them out, behind HTTP and NVML for the demo
and in simulated time for rehearsals. A field that nothing carries out is a defect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Literal

from atlas_ops.simulator.state import HEALTHY
from atlas_ops.simulator.traffic import Traffic

Runtime = Literal["vllm", "triton"]
"""Triton tells no more of latencies than sums and numbers (quality `mean_only`)."""


class Answer(Enum):
    """What a server's metrics address answers. Its users are served all the same unless it is `REFUSED` or `LOADING`."""

    PAGE = "page"
    REFUSED = "refused"
    """Nothing listens: the process is gone. Its engine is empty, and its clients fail."""
    LOADING = "loading"
    """HTTP 503: the process is there and its model is not."""
    HANGS = "hangs"
    UNAUTHORIZED = "unauthorized"
    DISABLED = "disabled"
    """HTTP 404."""
    GARBAGE = "garbage"
    FROZEN = "frozen"
    """The page of the moment at which this began, again and again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerEffect:
    """What is done to one model server."""

    answer: Answer = Answer.PAGE
    stalled: bool = False
    """The engine hangs in its next step; the HTTP server goes on answering."""
    ready: bool = True
    """What its readiness endpoint says."""
    slowness: float = 1.0
    """Every step takes this many times as long."""
    slow_share: float = 0.0
    """Share of the requests whose answer has `slow_factor` times as many tokens: the tail grows, the median stays."""
    slow_factor: float = 6.0
    failing_share: float = 0.0
    """Share of the requests that end in an error of the server."""
    queue_limit: int | None = None
    """Requests that may wait; whoever comes after them is rejected. None: the engine's own limit."""
    restart_every_minutes: float | None = None
    """The process ends and comes back: requests are lost, counters begin at 0. The first time as the effect begins."""
    load_seconds: float = 40.0
    """From the restart of a server, or its coming back after it was scaled away, until it is ready: for the first half nobody
    listens at its address, for the second it answers 503."""
    killed_for_memory: bool = False
    """The restarts are the kernel's doing: it kills the process for want of memory."""
    lost_metrics: tuple[str, ...] = ()
    """Native metrics, by the beginning of their names, that are gone from the page, as after an upgrade."""
    version: str = ""
    """What its endpoints say its version is, as after an upgrade. Empty: that of the page that is simulated."""
    accepted_share: float | None = None
    """Share of the tokens drafted by speculation that are accepted. None: no speculation."""
    adapters_running: int = 0
    adapters_waiting: int = 0
    """LoRA adapters with running and with waiting requests."""
    cached_share: float | None = None
    """Share of each prompt that is in the prefix cache. None: the traffic's shared prefix."""
    traffic_share: float = 1.0
    """It gets this many times the requests that the traffic says, as under a load balancer that is not even."""
    track: str = ""
    """`stable` or `canary`, where a new release is being tried."""
    runtime: Runtime = "vllm"
    """Whose page and endpoints it has. The same in the calm and in the fault: a server does not become another one."""
    probe: str = ""
    """How the black-box probe of this server ends (`conventions.PROBE_RESULTS`). Empty: it is not probed."""

    def of(self, traffic: Traffic) -> Traffic:
        """Return this server's part of the traffic."""
        share = self.traffic_share
        return traffic if share == 1 else replace(traffic, requests_per_second=share * traffic.requests_per_second)


@dataclass(frozen=True, kw_only=True, slots=True)
class GpuEffect:
    """What is done to one GPU. Rates are events a minute."""

    condition: str = HEALTHY
    missing: bool = False
    """The driver does not list it any more, as after a fall off the bus and a restart of the driver."""
    cooled: bool = True
    inlet_celsius: float = 30.0
    """Temperature of the air that it gets."""
    power_limit_ratio: float = 1.0
    """Its power limit as a share of the usual one, as set by whoever saves power (reason: software power cap)."""
    power_brake: bool = False
    """The board's external power brake holds the clock at half (reason: hardware power brake)."""
    clock_limit_ratio: float = 1.0
    """The clock is held down to this share, and no reason is given."""
    foreign_load: float = 0.0
    """Share of the time that somebody else's process keeps it busy; such a process also holds half of the memory."""
    leaked_bytes_per_minute: float = 0.0
    """The server's process takes more and more memory."""
    xid: int | None = None
    xids_per_minute: float = 1.0
    corrected_errors_per_minute: float = 0.0
    uncorrected_errors_per_minute: float = 0.0
    remap_pending: bool = False
    remap_failed: bool = False
    recovery_action: int = 0
    nvlink_errors_per_minute: float = 0.0
    """Links that have to be trained again, with a checksum error each."""
    nvlink_checksum_errors_per_minute: float = 0.0
    """Checksum errors alone: what was broken is sent again, and the link stays up."""
    pcie_generation: int | None = None
    pcie_width: int | None = None
    pcie_replays_per_minute: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class AutoscalerEffect:
    """What the autoscaler of the model says. Replicas that are not ready yet have no server."""

    desired: int
    ready: int
    maximum: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """What is done to the fleet at one moment. Servers and GPUs that are not named are left alone."""

    traffic: Traffic
    servers: Mapping[int, ServerEffect] = field(default_factory=dict)
    every_server: ServerEffect = ServerEffect()
    """For those that are not named in `servers`."""
    gpus: Mapping[int, GpuEffect] = field(default_factory=dict)
    every_gpu: GpuEffect = GpuEffect()
    present: int | None = None
    """How many of the servers there are; the rest is scaled away, page and all. None: all of them."""
    autoscaler: AutoscalerEffect | None = None
    scrape_lost: bool = False
    """Prometheus does not get the exporter's page."""
    exporter_restarts: bool = False
    """As the effect begins, the exporter starts anew: what it counts itself begins at 0."""
    prometheus_away: bool = False
    """Prometheus is being restarted: nothing is scraped and nothing evaluated."""
    drift: Mapping[str, float] = field(default_factory=dict)
    """Scores of the detectors by feature (`prompt_tokens`, `prediction`, `embedding`, ...); found from 1 on."""
    detectors_silent: bool = False
    """The detectors have stopped going round."""
    foreign_memory_kills_per_minute: float = 0.0
    """The kernel kills processes of the host that are no model servers, for want of memory."""
    pager_failing: bool = False
    """Slack refuses what the pager delivers."""

    def server(self, index: int) -> ServerEffect:
        """Return what is done to a server."""
        return self.servers.get(index, self.every_server)

    def gpu(self, index: int) -> GpuEffect:
        """Return what is done to a GPU."""
        return self.gpus.get(index, self.every_gpu)
