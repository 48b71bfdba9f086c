"""Who may use the pages of a pager, as its flags and settings say. Called by `cli.pager`."""

from __future__ import annotations

import argparse
import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path

from atlas_ops import settings as addresses
from atlas_ops.errors import UsageError
from atlas_ops.pager.access.gate import Gate, Public
from atlas_ops.pager.access.proxy import Proxy
from atlas_ops.pager.access.token import Token
from atlas_ops.settings import Settings


def add(parser: argparse.ArgumentParser) -> None:
    """Add the flag that opens the pages to everybody."""
    parser.add_argument(
        "--public-console",
        choices=[public.value for public in Public if public.value],
        default="",
        help="let everybody who reaches --listen read the pages, or use their buttons, too (default: nobody may from other "
        "machines, unless pager.console in the settings says how they are known)",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class WaysIn:
    """How visitors are known. `host` is what the pager listens on."""

    host: str
    token: Token | None
    proxy: Proxy | None
    public: Public

    def gate(self, external: str) -> Gate:
        """Return the gate of a pager with a public address."""
        return Gate(external=external, listen=self.host, token=self.token, proxy=self.proxy, public=self.public)


def ways_in(args: argparse.Namespace, settings: Settings) -> WaysIn:
    """Return how visitors are known; UsageError when strangers could come in, ConfigError for a bad token file."""
    console = settings.pager.console
    token = Token.read(Path(console.token_file)) if console.token_file else None
    proxy = Proxy(console.user_header, console.trusted_proxies) if console.user_header else None
    public = Public(args.public_console or console.public)
    host, _ = addresses.address(args.listen)
    if token is None and proxy is None and public is Public.NOTHING and not _loopback(host):
        raise UsageError(
            f"--listen {args.listen} opens the pages to other machines, and nobody would have to log in",
            next_step="set pager.console.token_file or pager.console.user_header in the settings, listen on 127.0.0.1, or "
            "say --public-console read_only",
        )
    return WaysIn(host=host, token=token, proxy=proxy, public=public)


def _loopback(host: str) -> bool:
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in found)
