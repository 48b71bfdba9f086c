"""A night on call, as the console shows it: what fires, what was, what Prometheus says. For the browser tests of the console."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from atlas_ops import shipped
from atlas_ops.pager.deeds.deed import Act, Deed
from atlas_ops.pager.deeds.perform import Performer
from atlas_ops.pager.diagnosis.verdict import Finding, Standing, ranked
from atlas_ops.rehearsal.remote_write import bodies
from atlas_ops.rehearsal.replay import Replay
from atlas_ops.rehearsal.samples import Series, Written
from tests.pager.alertmanager import running
from tests.pager.console_rig import Scene, scene
from tests.pager.notes import alert

LONG = "x" * 300
HOSTILE = f"<script>window.broken=1</script>\"'><img src=x onerror=window.broken=1>{{{{ 7*7 }}}}\u202e {LONG}"
_LLAMA = {
    "model": "llama-3-70b", "server": "10.2.0.14:8000", "runtime": "vllm", "namespace": "chat", "pod": "llama-70b-7d9f",
    "node": "gpu-node-03",
}  # fmt: skip
_WAIT = "server:atlas_queue_wait:predicted_seconds"
_DAY = 86_400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Night:
    """The served pager, and the incidents that the tests open."""

    pager: Scene
    backlog: str
    hostile: str

    @property
    def url(self) -> str:
        """Where the console is, without a slash at its end."""
        return str(self.pager.client.base_url).rstrip("/")


@contextmanager
def night(folder: Path) -> Iterator[Night]:
    """Serve it, beside a real Prometheus and a real Alertmanager, until this is left."""
    with Replay.started(folder) as replay, running(folder) as alertmanager:
        for body in bodies(_waits(time.time())):
            replay.prometheus.write(body)
        prometheus, books = replay.prometheus.url, shipped.folder("runbooks")
        with scene(folder, prometheus=prometheus, alertmanager=alertmanager, books=books) as pager:
            _past(pager)
            backlog = _backlog(pager)
            words = ("alertname", "severity", "model", "pod", "namespace", "server", "node", HOSTILE)
            told = {"summary": HOSTILE, "impact": HOSTILE, "dashboard_url": "javascript:alert(1)"}
            hostile = alert(annotations=told, fingerprint=HOSTILE, labels=dict.fromkeys(words, HOSTILE))
            yield Night(pager=pager, backlog=backlog, hostile=pager.hear(hostile, group="hostile", ago=7200))


def _waits(now: float) -> Iterator[Written]:
    """The predicted wait of a server: short until half an hour ago, and growing since; that of its neighbour stays short."""
    times = np.arange(now - 5400, now + 600, 15)
    grown = np.clip((times - now + 1500) / 12, 0, None)
    for server, pod, values in (
        (_LLAMA["server"], _LLAMA["pod"], 2 + grown + np.sin(times / 90)),
        ("10.2.0.15:8000", "llama-70b-x2c1", 2 + np.sin(times / 70)),
    ):
        labels = (
            ("model", _LLAMA["model"]), ("server", server), ("runtime", "vllm"), ("host_name", _LLAMA["node"]),
            ("k8s_namespace_name", "chat"), ("k8s_pod_name", pod),
        )  # fmt: skip
        yield Written(Series(_WAIT, labels), (times * 1000).astype(np.int64), values)


def _told(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def _backlog(pager: Scene) -> str:
    said = {
        "summary": "A new request to llama-3-70b would wait 2m 5s in the queue of 10.2.0.14:8000; the objective is 10 s.",
        "description": "Requests arrive faster than the server finishes them, and the queue is longer than users will wait.",
        "impact": "Every new request waits longer than the objective before it is even started; clients begin to time out.",
        "dashboard_url": "http://127.0.0.1:3000/d/atlas-incident/atlas-incident?var-alertname=QueueBacklog",
    }
    found = pager.hear(
        alert(starts=_told(time.time() - 1200), annotations=said, labels=_LLAMA), group="backlog", ago=1140
    )
    findings = (
        ("Requests have become longer", Standing.LIKELY, "Prompts are 2.4 times as long as at this time yesterday",
         "Hold back batch jobs, evaluations and retries to this model at your gateway", 3),
        ("A GPU of the node is held down by heat", Standing.UNKNOWN, "There is no data", "", 2),
        ("More requests arrive", Standing.UNLIKELY, "1.05 times as many as at this time yesterday", "", 2),
    )  # fmt: skip
    made = [
        Finding(
            cause=cause, standing=standing, told=told, next_step=after, weight=weight, query=f'{_WAIT}{{model="x"}}'
        )
        for cause, standing, told, after, weight in findings
    ]
    pager.store.diagnoses.record(found, ranked(made, time.time() - 1130), time.time())
    return found


def _past(pager: Scene) -> None:
    """Three weeks of other incidents, some of them noise."""
    for number in range(24):
        began, lasted = time.time() - (number * 0.9 + 0.5) * _DAY, (150.0, 1500.0, 4000.0)[number % 3]
        name = ("PreemptionStorm", "QueueBacklog", "GpuThermalThrottling", "ReplicaStraggler")[number % 4]
        severity = "ticket" if name in ("PreemptionStorm", "ReplicaStraggler") else "page"
        labels = {**_LLAMA, "severity": severity}
        group, ago = f"past {number}", time.time() - began
        found = pager.hear(alert(name, starts=_told(began), labels=labels), group=group, ago=ago)
        if lasted > 1000 and severity == "page":
            _do(pager.performer, Act.ACKNOWLEDGE, found, began + 60 * (2 + number % 7))
        over = alert(name, starts=_told(began), labels=labels, firing=False, ends=_told(began + lasted))
        pager.hear(over, group=group, ago=ago - lasted)
        if number % 8 == 0:
            _do(pager.performer, Act.NOT_ACTIONABLE, found, began + lasted)
    pager.hear(alert("KvCachePressure", labels={**_LLAMA, "severity": "ticket"}), group="cache", ago=3000)
    throttled = pager.hear(alert("GpuThermalThrottling", node="gpu-node-07", gpu="3"), group="hot", ago=900)
    _do(pager.performer, Act.ACKNOWLEDGE, throttled, time.time() - 600)


def _do(performer: Performer, act: Act, incident: str, at: float) -> None:
    performer.perform(Deed(key=f"{act.value} {incident}", act=act, incident=incident, who="jane", at=at))
