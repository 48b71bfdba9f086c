"""Publishes how many GPUs the node should have, so that one that fell off the bus is missed.

Made by the command that runs the exporter, one for all vendors. The driver cannot be asked: it no longer lists a GPU
that is lost.
"""

from __future__ import annotations

from collections.abc import Callable

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.samples import Sample, labels


class ExpectedGpus:
    """A collector of one sample: the number `configured`, else what the device plugin offered, else nothing."""

    name = "gpu_expected"
    ready = True

    def __init__(self, configured: int | None, allocatable: Callable[[], int | None], host_name: str) -> None:
        self._configured, self._allocatable, self._host_name = configured, allocatable, host_name

    def start(self) -> None:
        """Do nothing: there is no source to go to."""

    def stop(self) -> None:
        """Do nothing."""

    def collect(self) -> list[Sample]:
        """Return the sample; none when nobody knows the number."""
        number = self._configured if self._configured is not None else self._allocatable()
        return [] if number is None else [Sample(s.GPU_EXPECTED, labels(host_name=self._host_name), float(number))]
