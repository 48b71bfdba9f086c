"""The native series of one scrape job, less what the dialect says must not be counted.

What `exporter.prepare` does with a page, in PromQL. Used by the other modules of native mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from atlas_ops import promql
from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.dialect import Alive, Dialect
from atlas_ops.catalog.reading import Match, Reading, Version
from atlas_ops.render.native.rule import INSTANCE, either, enclosed
from atlas_ops.settings import Native

_ALIVE = "atlas_alive"
_ANY_NAME = "*"


class Source:
    """One job of servers of one runtime."""

    def __init__(self, dialect: Dialect, native: Native) -> None:
        self.dialect = dialect
        self.native = native
        self._version = Version.parse(native.version)
        self._job = f"job={promql.quote(native.job)}"

    def vector(self, metric: str, where: Sequence[Match] = (), *matchers: str) -> str:
        """Return the series of a native metric that may be counted."""
        vector = self._living(metric, [*(_accepts(match) for match in where), *matchers])
        repeated = self.dialect.semantics.repeated_by
        if repeated:
            vector = f"max without ({', '.join(repeated)}) ({vector})"
        if metric not in self.dialect.cumulative_names:
            # Drops NaN, too, which would spoil a sum.
            vector = f"{enclosed(vector)} >= 0"
        return vector

    def there(self, metric: str) -> str:
        """Return the series of a native metric, counted or not."""
        return self._series(metric)

    def named(self, names: Sequence[str], *matchers: str) -> str:
        """Return the series of several native metrics, less those that are dropped whatever their name."""
        return self._kept(_ANY_NAME, [f"__name__=~{promql.quote('|'.join(names))}", *matchers])

    def anything(self, names: Sequence[str]) -> str:
        """Return the series of several native metrics, counted or not."""
        return self._series("", f"__name__=~{promql.quote('|'.join(names))}")

    def may_have(self, reading: Reading) -> bool:
        """Say whether servers of the version that was given have a reading; of any version, when none was."""
        since, until, version = reading.since, reading.until, self._version
        return version is None or ((since is None or since <= version) and (until is None or version < until))

    def due(self, reading: Reading) -> bool:
        """Say whether every server of the version must have it, as `exporter.resolve` does."""
        since_ever = reading.since is None or self._version is not None
        return self.may_have(reading) and since_ever and not (reading.needs or reading.unless)

    def own(self, record: str, *matchers: str) -> str:
        """Return what an earlier rule recorded of this job."""
        return promql.select(record, f"{c.RUNTIME}={promql.quote(self.dialect.runtime)}", self._job, *matchers)

    def without(self, names: Sequence[str]) -> str:
        """Return what leaves the servers out that have one of these names; nothing where there are no names."""
        return "".join(f" unless on ({INSTANCE}) {self.there(name)}" for name in names)

    def _series(self, metric: str, *matchers: str) -> str:
        return promql.select(metric, self._job, *matchers)

    def _kept(self, metric: str, matchers: Sequence[str]) -> str:
        drops = [drop for drop in self.dialect.drops if fnmatchcase(metric, drop.metric)]
        single = [drop.where[0] for drop in drops if len(drop.where) == 1]
        matchers = [*matchers, *(promql.label_in(match.label, match.patterns, negated=True) for match in single)]
        name = "" if metric == _ANY_NAME else metric
        several = [[_accepts(match) for match in drop.where] for drop in drops if len(drop.where) > 1]
        others = (self._series(name, *matchers, *dropped) for dropped in several)
        return " unless ".join((self._series(name, *matchers), *others))

    def _living(self, metric: str, matchers: Sequence[str]) -> str:
        alive = self.dialect.semantics.alive
        if alive is None or metric in self.dialect.cumulative_names:
            return self._kept(metric, matchers)
        return either(self._alive(alive, metric, matchers))

    def _alive(self, alive: Alive, metric: str, matchers: Sequence[str]) -> Iterator[str]:
        """Yield what is of no single replica, what is of one that lives, and all where no page tells which do."""
        first = alive.labels[0]
        named = self._series(alive.metric, f'{first}!=""')
        living = promql.label_replace(f"{named} > 0", _ALIVE, "$1", first, "(.+)")
        yield self._kept(metric, [*matchers, *(f'{label}=""' for label in alive.labels)])
        for label in alive.labels:
            mine = promql.label_replace(self._kept(metric, [*matchers, f'{label}!=""']), _ALIVE, "$1", label, "(.+)")
            yield f"({mine} and on ({INSTANCE}, {_ALIVE}) {living})"
        yield f"(({self._kept(metric, matchers)}) unless on ({INSTANCE}) {named})"


def _accepts(match: Match) -> str:
    return promql.label_in(match.label, match.patterns)
