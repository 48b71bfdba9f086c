"""Decides who a request to the console comes from and what they may do. Made by `atlas_ops.cli`; asked by `console.routes`.

Scripts show the token in `Authorization: Bearer`. People log in with it, or are named by a proxy. Where there is neither
token nor proxy everybody is let in, from this machine alone unless the settings say otherwise.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from enum import Enum
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from atlas_ops.pager.access import forgery
from atlas_ops.pager.access.proxy import Proxy
from atlas_ops.pager.access.session import SECONDS, Sessions
from atlas_ops.pager.access.throttle import Throttle
from atlas_ops.pager.access.token import Token, bearer

_LOG = logging.getLogger(__name__)
SESSION_COOKIE = "atlas_session"
FORM_COOKIE = "atlas_form"
SCRIPT = "a script"
"""How a timeline calls whoever shows the token itself: only people have names."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Public(Enum):
    """What people may do who are not known."""

    NOTHING = ""
    READ = "read_only"
    EVERYTHING = "full"


@dataclass(frozen=True, kw_only=True, slots=True)
class Visitor:
    """Who asks. `name` is empty when nobody says it."""

    name: str = ""
    may_act: bool = True
    cookie: str = ""
    """Of this browser, for its forms; empty: a script, which sends no cookie that another site could use."""

    @property
    def mark(self) -> str:
        """What the forms of this visitor carry."""
        return forgery.mark(self.cookie, self.name) if self.cookie else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """Why a request is not answered. `login`: logging in would help."""

    status: int
    reason: str
    login: bool = False
    wait: float = 0.0
    """Seconds to wait before another try."""


class Gate:
    """Knows every way in. `external` is the pager's public address, `listen` the host that it listens on."""

    def __init__(
        self,
        *,
        external: str,
        listen: str = "",
        token: Token | None = None,
        proxy: Proxy | None = None,
        public: Public = Public.NOTHING,
    ) -> None:
        parts = urlsplit(external)
        self._external = parts.netloc.lower()
        self._path = (parts.path or "") + "/"
        self._secure = parts.scheme == "https"
        self._listen = listen.lower()
        self._token = token
        self._sessions = Sessions(token) if token else None
        self._proxy = proxy
        self._public = public
        self._throttle = Throttle()

    @property
    def login(self) -> bool:
        """Whether people log in here."""
        return self._token is not None

    def visitor(self, request: Request) -> Visitor | Refused:
        """Return who asks, or why they are not let in."""
        shown = bearer(request.headers.get("authorization", ""))
        if shown is not None and self._token is not None:
            return self._checked(request, shown) or Visitor(name=SCRIPT)
        found = self._recognised(request)
        if isinstance(found, Refused):
            return found
        cookie = request.cookies.get(FORM_COOKIE, "")
        return replace(found, cookie=cookie if forgery.is_nonce(cookie) else forgery.nonce())

    def _recognised(self, request: Request) -> Visitor | Refused:
        if self._proxy is not None and (user := self._proxy.user(request)):
            return Visitor(name=user)
        if self._sessions is not None:
            name = self._sessions.name(request.cookies.get(SESSION_COOKIE, ""), time.time())
            return (
                Refused(status=401, reason="You are not logged in", login=True) if name is None else Visitor(name=name)
            )
        if self._proxy is not None:
            told = f"These pages are read through a proxy that says who you are ({self._proxy.header}); it did not"
            return Refused(status=401, reason=told)
        if self._public is Public.NOTHING and not self._own_host(request):
            # A page of another site whose name was made to lead to this machine sends that name.
            return Refused(status=421, reason="The pager is not known under this address; set --external-url to it")
        return Visitor(may_act=self._public is not Public.READ)

    def _own_host(self, request: Request) -> bool:
        host = _host(request)
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        return host == self._external or name in (*LOOPBACK, self._listen, self._external.rpartition(":")[0])

    def _checked(self, request: Request, shown: str) -> Refused | None:
        """Return why a token is not taken; None when it is the right one."""
        assert self._token is not None
        sender = request.client.host if request.client else ""
        wait = self._throttle.wait(sender, time.monotonic())
        if wait > 0:
            return Refused(status=429, reason="Too many wrong tokens came from your address; wait a little", wait=wait)
        if self._token.matches(shown):
            return None
        self._throttle.failed(sender, time.monotonic())
        _LOG.warning("somebody at %s showed a wrong token to the console", sender)
        return Refused(status=401, reason="This is not the token", login=True)

    def enter(self, request: Request, shown: str, name: str) -> str | Refused:
        """Return the cookie of a new session for whoever shows the right token."""
        refused = self._checked(request, shown)
        if refused is not None or self._sessions is None:
            return refused or Refused(status=404, reason="Nobody logs in here")
        return self._sessions.issue(name, time.time())

    def stranger(self, request: Request) -> Visitor:
        """Return a visitor who may do nothing but log in."""
        cookie = request.cookies.get(FORM_COOKIE, "")
        return Visitor(may_act=False, cookie=cookie if forgery.is_nonce(cookie) else forgery.nonce())

    def own_form(self, request: Request, visitor: Visitor, mark: str) -> bool:
        """Say whether a form is one that we gave to this visitor. A script sends none of ours, and needs none."""
        if not visitor.cookie:
            return True
        hosts = tuple(host for host in (_host(request), self._external) if host)
        own = forgery.own_origin(request.headers.get("origin"), request.headers.get("sec-fetch-site"), hosts)
        return own and forgery.genuine(mark, request.cookies.get(FORM_COOKIE, ""), visitor.name)

    def keep(self, request: Request, response: Response, visitor: Visitor) -> None:
        """Give a new browser its cookie. Lax, so that coming from a link in Slack does not make another one."""
        if visitor.cookie and request.cookies.get(FORM_COOKIE) != visitor.cookie:
            response.set_cookie(
                FORM_COOKIE, visitor.cookie, path=self._path, httponly=True, samesite="lax", secure=self._secure
            )

    def open_session(self, response: Response, cookie: str) -> None:
        """Log a browser in."""
        response.set_cookie(
            SESSION_COOKIE, cookie, max_age=int(SECONDS), path=self._path, httponly=True, samesite="strict",
            secure=self._secure,
        )  # fmt: skip

    def end_session(self, response: Response) -> None:
        """Log a browser out."""
        response.delete_cookie(SESSION_COOKIE, path=self._path, httponly=True, samesite="strict", secure=self._secure)


def _host(request: Request) -> str:
    return request.headers.get("host", "").lower()
