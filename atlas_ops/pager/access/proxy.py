"""The name of a person as a reverse proxy tells it, believed from that proxy alone. Asked by `access.gate`."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Sequence

from starlette.requests import Request

from atlas_ops.pager.scrub import scrub_name

_LOG = logging.getLogger(__name__)
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxy:
    """Believes one header, from this machine and from the networks of the proxies."""

    def __init__(self, header: str, networks: Sequence[str] = ()) -> None:
        self.header = header
        self._networks = tuple(map(ipaddress.ip_network, networks))

    def user(self, request: Request) -> str:
        """Return the person's name; empty when the request names nobody, or comes from somebody who may not say."""
        told = request.headers.getlist(self.header)
        if not told:
            return ""
        sender = request.client.host if request.client else ""
        if not self._trusted(sender):
            _LOG.warning("%s of %s is not believed: it is none of console.trusted_proxies", self.header, sender)
            return ""
        if len(told) > 1:
            # A proxy that only adds its header to the one that the browser sent is no proof of anything.
            _LOG.warning("%s came more than once from %s: the proxy has to replace it", self.header, sender)
            return ""
        name = told[0].encode("latin-1").decode("utf-8", "replace").strip()  # headers are bytes, names are UTF-8
        return scrub_name(name) if name else ""

    def _trusted(self, sender: str) -> bool:
        try:
            address: Address = ipaddress.ip_address(sender)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return address.is_loopback or any(address in network for network in self._networks)
