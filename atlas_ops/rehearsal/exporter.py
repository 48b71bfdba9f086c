"""One scrape of everything in simulated time: the exporter with its servers and GPUs, the pager and the detectors.

Called by `play`, once for every interval of scrapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from atlas_ops import __version__
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.samples import Labels, Sample, labels
from atlas_ops.exporter.scrape_state import ScrapeState
from atlas_ops.rehearsal.gpus import GpuScrapes, PodWorkloads
from atlas_ops.rehearsal.samples import Series, Sheet
from atlas_ops.rehearsal.servers import READINESS, ServerScrapes
from atlas_ops.simulator import Fleet
from atlas_ops.simulator.effects import Answer
from atlas_ops.simulator.outside import HOST, server_labels
from atlas_ops.simulator.replica import Replica

TARGET: Labels = (("job", c.EXPORTER_JOB), ("instance", f"{HOST}:9464"))
"""What Prometheus puts on every series of the exporter."""
_SCRAPE_SECONDS = 0.01
"""How long Prometheus waits for the page."""
_OTHERS: Mapping[str, Labels] = {
    "atlas_pager_": (("job", c.PAGER_JOB), ("instance", "pager:9465")),
    "atlas_watch_": (("job", c.WATCH_JOB), ("instance", "watch:9467")),
    "atlas_drift_": (("job", c.WATCH_JOB), ("instance", "watch:9467")),
}
"""{beginning of a name: the target that tells it}, of what is not the exporter's."""
_STATES: Mapping[Answer, ScrapeState] = {
    Answer.PAGE: ScrapeState.OK,
    Answer.FROZEN: ScrapeState.OK,
    Answer.REFUSED: ScrapeState.UNREACHABLE,
    Answer.LOADING: ScrapeState.UNREACHABLE,
    Answer.HANGS: ScrapeState.TIMEOUT,
    Answer.UNAUTHORIZED: ScrapeState.UNAUTHORIZED,
    Answer.DISABLED: ScrapeState.DISABLED,
    Answer.GARBAGE: ScrapeState.UNPARSABLE,
}
_LOADING = (Answer.REFUSED, Answer.LOADING)
_THERE = (ScrapeState.OK, ScrapeState.DISABLED, ScrapeState.UNAUTHORIZED)
"""States of a server whose other endpoints are asked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Starts:
    """What the exporter keeps of the starts of one server."""

    ever_ok: bool = False
    load_seconds: float | None = None
    unready_since: float | None = None


class Exporter:
    """The exporter of the node; one that has been restarted is a new one. `epoch` is the Unix time of simulated second 0."""

    def __init__(self, fleet: Fleet, *, epoch: float) -> None:
        self._fleet, self._epoch = fleet, epoch
        self._began = epoch + fleet.now
        model = fleet.config.model_name
        identities = [_identity(index, replica, model) for index, replica in enumerate(fleet.replicas)]
        self._servers = [
            ServerScrapes(identity=one, runtime=replica.runtime, model=model, labels=TARGET)
            for one, replica in zip(identities, fleet.replicas, strict=True)
        ]
        self._starts = [_Starts() for _ in identities]
        self._gpus = GpuScrapes(
            fleet.gpus, PodWorkloads([_pod(one) for one in identities]), host_name=HOST, now=self._began
        )
        self._scrapes = 0
        self._blocks, self._outside = _SampleBlocks(), _Blocks()

    def scrape(self, sheet: Sheet) -> list[Sample]:
        """Put everything that its page says at this moment into the sheet; return what it says of the GPUs."""
        now = self._epoch + self._fleet.now
        self._scrapes += 1
        for index, server in enumerate(self._servers):
            if self._fleet.replicas[index].answer is not None:
                self._scrape_server(sheet, index, server, now)
        of_gpus = []
        for samples, values in self._gpus.scrape(now):
            self._blocks.put(sheet, samples, values)
            of_gpus += [sample._replace(value=value) for sample, value in zip(samples, values, strict=True)]
        own = [Sample(s.GPU_EXPECTED, labels(host_name=HOST), float(len(self._fleet.replicas))), *self._itself(now)]
        self._blocks.put(sheet, own, [sample.value for sample in own])
        itself = (("up", (), 1.0), ("scrape_duration_seconds", (), _SCRAPE_SECONDS))
        self._outside.put(sheet, [*_outside(self._fleet, others=False), *itself], TARGET)
        return of_gpus

    def close(self) -> None:
        """Let go of the simulated driver."""
        self._gpus.close()

    def _scrape_server(self, sheet: Sheet, index: int, server: ServerScrapes, now: float) -> None:
        replica = self._fleet.replicas[index]
        assert replica.answer is not None
        state, began = _STATES[replica.answer], self._epoch + replica.life.started_at
        fine = state is ScrapeState.OK
        starts = self._starts[index] = _looked(self._starts[index], ready=fine and replica.ready, began=began, now=now)
        if replica.answer in _LOADING and not starts.ever_ok:
            state = ScrapeState.STARTING
        if fine:
            # The page was written under what was done until now, which may end at this very moment.
            shown = replica.effect
            adapters = (shown.adapters_running, shown.adapters_waiting)
            shape = (shown.lost_metrics, shown.accepted_share is not None, adapters)
            frozen = replica.answer is Answer.FROZEN
            text, version = (lambda: self._fleet.page(index)), replica.version
            sheet.put(*server.page(replica.engine, text, began, shape, version=version, frozen=frozen))
        besides: dict[Signal, float] = {}
        if state in _THERE:
            besides |= dict.fromkeys(READINESS[server.runtime], float(replica.ready))
            besides[s.MODEL_GPU_MEMORY] = float(_own_memory(self._fleet, index))
        if state in _THERE and starts.load_seconds is not None:
            besides[s.MODEL_LOAD] = starts.load_seconds
        sheet.put(*server.status(state, besides))

    def _itself(self, now: float) -> Iterator[Sample]:
        servers = [f"server/{server.identity.server}" for server in self._servers]
        for collector in ("workload", "gpu_expected", "nvml", "oom", *servers, "page"):
            who = labels(collector=collector)
            yield Sample(s.EXPORTER_COLLECTOR_SUCCESS, who, 1.0)
            yield Sample(s.EXPORTER_COLLECTOR_DURATION, who, 0.004)
            yield Sample(s.EXPORTER_SNAPSHOT_AGE, who, 0.5)
        yield from self._gpus.health(now)
        yield Sample(s.EXPORTER_SCRAPES, (), float(self._scrapes))
        yield from (Sample(s.EXPORTER_REFUSED, labels(reason=why), 0.0) for why in c.REFUSALS)
        yield Sample(s.EXPORTER_RELOAD_SUCCESS, (), 1.0)
        yield Sample(s.EXPORTER_RELOAD_LAST, (), self._began)
        yield Sample(s.EXPORTER_CPU, (), 0.01 * (now - self._began))
        yield Sample(s.EXPORTER_MEMORY, (), 45e6)
        yield Sample(s.BUILD_INFO, labels(version=__version__), 1.0)


class Others:
    """The targets that are not the exporter: they are scraped also while that is not."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._blocks = _Blocks()

    def scrape(self, sheet: Sheet) -> None:
        """Put what they say into the sheet, and that they answer."""
        told = [(name, own + _target(name), value) for name, own, value in _outside(self._fleet, others=True)]
        self._blocks.put(sheet, [*told, *(("up", target, 1.0) for target in dict.fromkeys(_OTHERS.values()))], ())


class _SampleBlocks:
    """The same tuple of series for the same samples, so that the sheet keeps them together."""

    def __init__(self) -> None:
        self._known: dict[object, tuple[Series, ...]] = {}
        self._by_identity: dict[int, tuple[Sequence[Sample], tuple[Series, ...]]] = {}

    def put(self, sheet: Sheet, samples: Sequence[Sample], values: Sequence[float]) -> None:
        known, series = self._by_identity.get(id(samples), ((), ()))
        if known is not samples:
            key = tuple((sample.signal.name, sample.part, sample.labels) for sample in samples)
            series = self._known.get(key) or tuple(Series(name + part, own + TARGET) for name, part, own in key)
            self._known[key] = series
            if isinstance(samples, tuple):  # one that is kept, and so comes again
                self._by_identity[id(samples)] = (samples, series)
        sheet.put(series, values)


class _Blocks:
    """The same for what comes as names and labels."""

    def __init__(self) -> None:
        self._known: dict[object, tuple[Series, ...]] = {}

    def put(self, sheet: Sheet, samples: Sequence[tuple[str, Labels, float]], target: Labels) -> None:
        key = tuple((name, own) for name, own, _ in samples)
        series = self._known.get(key)
        if series is None:
            series = self._known[key] = tuple(Series(name, own + target) for name, own in key)
        sheet.put(series, [value for _, _, value in samples])


def _outside(fleet: Fleet, *, others: bool) -> Iterator[tuple[str, Labels, float]]:
    for name, own, value in fleet.outside():
        if name.startswith(tuple(_OTHERS)) is others:
            yield name, tuple((label, text) for label, text in own.items() if text), value


def _target(name: str) -> Labels:
    return next(target for beginning, target in _OTHERS.items() if name.startswith(beginning))


def _identity(index: int, replica: Replica, model: str) -> Identity:
    known = server_labels(index, replica.runtime, model)
    return Identity(
        server=known[c.SERVER],
        host_name=known[c.HOST_NAME],
        namespace=known[c.K8S_NAMESPACE],
        pod=known[c.K8S_POD],
        container=known[c.K8S_CONTAINER],
    )


def _pod(identity: Identity) -> Labels:
    return (
        (c.K8S_NAMESPACE, identity.namespace), (c.K8S_POD, identity.pod), (c.K8S_CONTAINER, identity.container),
    )  # fmt: skip


def _own_memory(fleet: Fleet, index: int) -> int:
    """Return the GPU memory of the server's own process, the first on its GPU."""
    processes = fleet.replicas[index].gpu.state().processes
    return processes[0].memory_bytes or 0 if processes else 0


def _looked(starts: _Starts, *, ready: bool, began: float, now: float) -> _Starts:
    """Take in a look at a server: a start is measured when both its ends were seen, as by `exporter.cold_start`."""
    if not ready:
        since = now if starts.unready_since is None else starts.unready_since
        return _Starts(ever_ok=starts.ever_ok, load_seconds=starts.load_seconds, unready_since=since)
    seen = starts.unready_since is not None and began >= starts.unready_since - 600
    return _Starts(ever_ok=True, load_seconds=now - began if seen else starts.load_seconds)
