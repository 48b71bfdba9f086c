"""Puts the servers that were named and those that were found together: what is known twice is measured once.

Called by `atlas_ops.cli.exporter_reload` for every plan.
"""

from __future__ import annotations

from collections.abc import Sequence

from atlas_ops.catalog.dialect import Dialect
from atlas_ops.exporter.identity import address_of
from atlas_ops.exporter.places import page_of
from atlas_ops.settings import Server


def merged(*sources: Sequence[Server], dialects: Sequence[Dialect]) -> tuple[Server, ...]:
    """Return the servers of all sources; of those at one address (host and port), those of the first source that has any.

    Within one source an address may have several pages, each of which counts once. Names are not resolved: `localhost` is not `127.0.0.1`.
    """
    servers: list[Server] = []
    taken: set[str] = set()
    for source in sources:
        new: dict[str, Server] = {}
        for server in source:
            if address_of(server) not in taken:
                new.setdefault(page_of(server, dialects), server)
        servers += new.values()
        taken |= {address_of(server) for server in new.values()}
    return tuple(servers)
