"""Adds up OOM kills by whose they are, over all control groups that a container has had.

Called by `collector` with what `tree` found. A container that is killed comes back in a new group that counts from 0;
its total here never falls. Within a pod the parts add up to what the pod's own group has counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from atlas_ops.catalog import conventions as c
from atlas_ops.exporter.oom.tree import Kills
from atlas_ops.exporter.samples import Labels
from atlas_ops.exporter.workload.cgroup import Place
from atlas_ops.exporter.workload.containers import ContainerNames

MAX_SERIES = 512
"""Totals that are told. What is gone makes room; kills that find none are counted together."""
FORGET_SECONDS = 3600.0
"""How long the total of a container that is gone is told, so that no rule's window loses its last kill."""
_REST: Labels = ((c.K8S_CONTAINER, c.OVERFLOW),)


@dataclass(slots=True)
class _Total:
    kills: int = 0
    seen: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Past:
    """What the rounds before have found in a pod."""

    subtree: int = 0
    containers: Mapping[str, int] = field(default_factory=dict)
    owners: Mapping[str, Labels] = field(default_factory=dict)
    """{container id: whose it is} of the last round."""
    ever: frozenset[Labels] = frozenset()


class OomTotals:
    """The totals of every container seen lately. `clock` gives seconds that never go back."""

    def __init__(self, names: ContainerNames, clock: Callable[[], float]) -> None:
        self._names, self._clock = names, clock
        self._pods: dict[str, _Past] = {}
        self._totals: dict[Labels, _Total] = {}
        self._last_round = 0.0

    def update(self, found: Mapping[str, Kills]) -> list[tuple[Labels, int]]:
        """Take in the counts of this moment; return every total with its labels, that of the host left out."""
        now = self._clock()
        self._totals = {who: total for who, total in self._totals.items() if now - total.seen <= FORGET_SECONDS}
        self._pods = {uid: self._count(uid, kills, self._pods.get(uid, _Past()), now) for uid, kills in found.items()}
        self._last_round = now
        return [(who, total.kills) for who, total in self._totals.items()]

    def _count(self, uid: str, kills: Kills, past: _Past, now: float) -> _Past:
        owners = {container: self._owner(uid, container) for container in kills.containers}
        gains = {
            container: _gain(past.containers.get(container, 0), count) for container, count in kills.containers.items()
        }
        left = sum(gains.values()) if kills.subtree is None else _gain(past.subtree, kills.subtree)
        for container, owner in owners.items():
            if owner:
                # A kill between the two looks at a container and its pod is not counted twice.
                mine = min(gains[container], left)
                left -= mine
                self._add(owner, mine, now)
        ever = past.ever | {owner for owner in owners.values() if owner} if uid else past.ever
        gone = {owner for container, owner in past.owners.items() if owner and container not in owners}
        self._add_rest(self._names.labels(Place(pod_uid=uid)), left, gone, ever, now)
        return _Past(subtree=kills.subtree or 0, containers=dict(kills.containers), owners=owners, ever=ever)

    def _add_rest(self, pod: Labels, kills: int, gone: set[Labels], ever: frozenset[Labels], now: float) -> None:
        """Add the kills in groups that are gone.

        They are of the container whose group has just vanished, when it is one; of the only container, in a pod that
        has one; else of the pod, without a container.
        """
        if len(ever) > 1:
            self._add(pod, 0, now)  # told from the start, so that the first such kill is seen as an increase
        if kills:
            (whose,) = next((group for group in (gone, ever) if len(group) == 1), {pod})
            self._add(whose, kills, now)

    def _owner(self, uid: str, container: str) -> Labels:
        """Return the labels of a container; nothing for one of a pod that has no name (yet), such as its sandbox."""
        place = Place(pod_uid=uid, container_id=container)
        named = self._names.of(place)
        return self._names.labels(place) if not uid or (named and named.container) else ()

    def _add(self, who: Labels, kills: int, now: float) -> None:
        if who not in self._totals and not self._has_room():
            if not kills:
                return
            who = _REST
        total = self._totals.setdefault(who, _Total())
        total.kills += kills
        total.seen = now

    def _has_room(self) -> bool:
        """Whether one more total can be told, when need be in the place of one that was not seen in the last round."""
        told = [who for who in self._totals if who != _REST]
        if len(told) < MAX_SERIES:
            return True
        oldest = min(told, key=lambda who: self._totals[who].seen)
        gone = self._totals[oldest].seen < self._last_round
        if gone:
            del self._totals[oldest]
        return gone


def _gain(before: int, now: int) -> int:
    """Return what was added to a counter; one that fell has begun anew."""
    return now - before if now >= before else now
