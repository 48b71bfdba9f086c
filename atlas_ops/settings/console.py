"""Who may use the pager's pages: the section `pager.console`. Read by `settings.pager`; used by `atlas_ops.cli.pager_console`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from atlas_ops.document import Section
from atlas_ops.settings.people import read_secret_file

READ_ONLY, FULL = "read_only", "full"
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_NEVER = ("authorization", "connection", "content-length", "content-type", "cookie", "host", "origin", "referer")
"""Headers that every browser sends, so that they can name nobody."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Console:
    """With neither a token nor a header, the pages are for this machine alone."""

    token_file: str = ""
    """File that holds the token to log in with; empty: no login."""
    user_header: str = ""
    """Header in which a reverse proxy names the user; empty: none is believed."""
    trusted_proxies: tuple[str, ...] = ()
    """Networks of the proxies that `user_header` is believed from, beside this machine."""
    public: str = ""
    """What people may do who are not known, from other machines: `read_only`, `full`, or empty: nothing."""


def read_console(section: Section) -> Console:
    """Read the section `pager.console`."""
    console = Console(
        token_file=read_secret_file(section, "token_file"),
        user_header=section.string("user_header"),
        trusted_proxies=section.strings("trusted_proxies"),
        public=section.string("public", choices=(READ_ONLY, FULL)),
    )
    if console.user_header and (not _HEADER.fullmatch(console.user_header) or console.user_header.lower() in _NEVER):
        told = "expected the name of a header that only the proxy sets, such as X-Forwarded-User"
        section.mistake("user_header", f"{told}, found {console.user_header!r}")
    for network in console.trusted_proxies:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            section.mistake("trusted_proxies", f"expected networks such as 10.2.0.0/16, found {network!r}")
    if console.trusted_proxies and not console.user_header:
        section.mistake("trusted_proxies", "expected user_header beside it: nothing else is believed from them")
    if console.public and (console.token_file or console.user_header):
        section.mistake("public", "expected neither token_file nor user_header beside it: nobody would need them")
    section.finish()
    return console
