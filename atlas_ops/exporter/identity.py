"""Who a model server is, as labels in the contract's order.

Made by `atlas_ops.cli.exporter_servers` from the settings; used by `translate` and `server_collector` for every sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog.model import Signal
from atlas_ops.exporter.samples import Labels
from atlas_ops.settings import Server
from atlas_ops.settings.addresses import shown


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Empty parts become no label."""

    server: str
    """host:port."""
    host_name: str = ""
    namespace: str = ""
    pod: str = ""
    container: str = ""

    def labels(self, signal: Signal, /, **values: str) -> Labels:
        """Return the labels of a sample of `signal`; `values` are those that are not the server's own."""
        known = {
            c.SERVER: self.server,
            c.HOST_NAME: self.host_name,
            c.K8S_NAMESPACE: self.namespace,
            c.K8S_POD: self.pod,
            c.K8S_CONTAINER: self.container,
            **values,
        }
        return tuple((name, known[name]) for name in signal.labels if known.get(name))


def address_of(server: Server) -> str:
    """Return host:port of a server, an IPv6 address in brackets."""
    parts = urlsplit(server.url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def name_servers(servers: Sequence[Server]) -> tuple[str, ...]:
    """Return the value of the label `server` for each: host:port, and the path as well where two are alike.

    Never the name of its pod, which has a label of its own: people paste this value into commands. Secrets in an address
    are left out of it; where nothing else tells two servers apart, a number does (as a fragment, which is not sent).
    """
    names = [address_of(server) for server in servers]
    times = Counter(names)
    return _numbered(_whole(server) if times[name] > 1 else name for name, server in zip(names, servers, strict=True))


def _numbered(names: Iterable[str]) -> tuple[str, ...]:
    seen: Counter[str] = Counter()
    told = []
    for name in names:
        seen[name] += 1
        told.append(f"{name}#{seen[name]}" if seen[name] > 1 else name)
    return tuple(told)


def _whole(server: Server) -> str:
    parts = urlsplit(server.url)
    return shown(address_of(server) + parts.path + (f"?{parts.query}" if parts.query else ""))
