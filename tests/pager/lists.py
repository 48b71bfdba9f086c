"""All incidents of a store at once, as the console's lists have them by pages. For the tests of the pager."""

from __future__ import annotations

from collections.abc import Sequence

from atlas_ops.pager.incident import Headline
from atlas_ops.pager.store.search import Wanted
from atlas_ops.pager.store.store import Store


def open_incidents(store: Store) -> Sequence[Headline]:
    """Return the incidents that are not over: pages before tickets, the newest first."""
    return _incidents(store, resolved=False)


def past_incidents(store: Store) -> Sequence[Headline]:
    """Return the incidents that are over, the last resolved first."""
    return _incidents(store, resolved=True)


def _incidents(store: Store, *, resolved: bool) -> Sequence[Headline]:
    return store.search.page(Wanted(), resolved=resolved, first=0, limit=100_000)[1]
