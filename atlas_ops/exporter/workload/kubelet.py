"""The kubelet's word on who holds which GPU: asked anew at every refresh, kept for a while when the kubelet is away.

Called by `collector`: its own thread refreshes, any thread asks. A node without the kubelet's socket is no failure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_ops.errors import AtlasError
from atlas_ops.exporter.gpu.backend import GpuIdentity, GpuInstance
from atlas_ops.exporter.workload import podresources
from atlas_ops.exporter.workload.device import DeviceId, keys_of
from atlas_ops.exporter.workload.podresources import Holding

if TYPE_CHECKING:
    from atlas_ops.exporter.workload.grpc import UnaryClient

KEEP_SECONDS = 300.0
"""How long the last word of a kubelet holds. It restarts in seconds, and pods keep their GPUs meanwhile."""
MAX_INSTANCES = 1024
"""Names of MIG instances whose GPU is remembered; a node has at most 16 GPUs of 7 instances with 3 names each."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Word:
    """One answer of the kubelet."""

    at: float
    by_key: Mapping[str, tuple[Holding, ...]] = field(default_factory=dict)


class Kubelet:
    """Asks the kubelet behind `socket`. `clock` gives seconds that never go back."""

    def __init__(self, socket: Path, *, timeout_seconds: float, clock: Callable[[], float]) -> None:
        self._path, self._timeout, self._clock = socket, timeout_seconds, clock
        self._client: UnaryClient | None = None
        self._closed = False
        self._failing = self._told_absent = False
        self._word = _Word(at=0.0)
        self._gpu_of: dict[str, str] = {}
        self._most: int | None = None

    def refresh(self) -> bool:
        """Ask anew; return whether that worked, or there is no kubelet here."""
        if self._client is None and self._absent():
            return True
        try:
            self._ask()
        except AtlasError as error:
            self._note_failure(error)
            return False
        if self._failing:
            self._failing = False
            _log.info("the kubelet answers again")
        return True

    def holdings(self, gpu: GpuIdentity, instance: GpuInstance | None) -> tuple[Holding, ...]:
        """Return who holds a GPU or an instance; an instance is also held by whoever holds its whole GPU."""
        if instance is not None and len(self._gpu_of) < MAX_INSTANCES:
            self._gpu_of |= dict.fromkeys(keys_of(gpu, instance), keys_of(gpu, None)[0])
        word = self._word
        if self._clock() - word.at > KEEP_SECONDS:
            return ()
        found = _look_up(word.by_key, keys_of(gpu, instance))
        return found or (_look_up(word.by_key, keys_of(gpu, None)) if instance else ())

    def allocatable(self) -> int | None:
        """Return how many GPUs the device plugins offered at most since the start; None when they never offered any.

        Replicas and instances of one GPU count once, an instance as soon as the driver has told whose it is. The
        most, because a plugin takes a GPU off its offer when it fails: that is when somebody has to miss it. GPUs that
        are claimed by dynamic resource allocation are not in the kubelet's offer.
        """
        return self._most

    def close(self) -> None:
        """End the question in flight; later ones fail."""
        self._closed = True
        if self._client is not None:
            self._client.close()

    def _absent(self) -> bool:
        try:
            self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            reason = f"no kubelet at {self._path}"
        except PermissionError:
            # An exporter without root, as the shipped manifest runs it: it was not asked to do this, so nothing fails.
            reason = f"{self._path} is for user 0 only, which the exporter is not"
        except OSError:
            return False  # it is there, and the attempt to reach it will say why that is not possible
        else:
            return False
        if not self._told_absent:
            self._told_absent = True
            _log.info("%s: whose a GPU is, its processes tell", reason)
        return True

    def _ask(self) -> None:
        # 2 MiB that a machine without Kubernetes need not pay for.
        from atlas_ops.exporter.workload import grpc  # noqa: PLC0415

        if self._client is None:
            self._client = grpc.UnaryClient(self._path, timeout_seconds=self._timeout)
        if self._closed:
            self._client.close()
        held = podresources.holdings(self._client.call(podresources.LIST))
        self._word = _Word(self._clock(), _by_key(held))
        try:
            offered = podresources.offered(self._client.call(podresources.ALLOCATABLE))
        except grpc.GrpcError as error:
            if error.status != grpc.UNIMPLEMENTED:  # a kubelet before 1.21
                raise
        else:
            self._count(offered)

    def _count(self, offered: Sequence[DeviceId]) -> None:
        gpus = {found.gpu or self._gpu_of.get(found.key, "") for found in offered} - {""}
        if gpus:
            self._most = max(self._most or 0, len(gpus))

    def _note_failure(self, error: AtlasError) -> None:
        if not self._failing and not self._closed:
            self._failing = True
            todo = f" (to do: {error.next_step})" if error.next_step else ""
            _log.warning(
                "the kubelet at %s does not say who holds which GPU: %s; its last word holds for %g s%s",
                self._path,
                error.message,
                KEEP_SECONDS,
                todo,
            )


def _by_key(held: Sequence[Holding]) -> Mapping[str, tuple[Holding, ...]]:
    found: dict[str, list[Holding]] = {}
    for holding in held:
        if holding.device.key:
            found.setdefault(holding.device.key, []).append(holding)
    return {key: tuple(holdings) for key, holdings in found.items()}


def _look_up(by_key: Mapping[str, tuple[Holding, ...]], keys: Sequence[str]) -> tuple[Holding, ...]:
    return tuple(holding for key in keys for holding in by_key.get(key, ()))
