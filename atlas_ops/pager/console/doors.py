"""Logging in and out, and how those are answered who may not come in. Called by `console.routes`."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from atlas_ops.pager.access.gate import Gate, Refused, Visitor
from atlas_ops.pager.console import answers, forms
from atlas_ops.pager.console.forms import Form
from atlas_ops.pager.console.printer import Printer
from atlas_ops.pager.scrub import scrub, scrub_name

_LOG = logging.getLogger(__name__)
_LONGEST = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class Doors:
    """Knows the gate, and how its words look."""

    gate: Gate
    printer: Printer

    def ask(self, request: Request) -> Response:
        """Show the form to log in with; `next` is where to go then."""
        visitor = self.gate.visitor(request)
        target = self._own(request.query_params.get("next", ""))
        if isinstance(visitor, Visitor) or not self.gate.login:
            return answers.elsewhere(target)
        return self._login(request, target)

    async def enter(self, request: Request) -> Response:
        """Log in."""
        form = await forms.read(request)
        stranger, target = self.gate.stranger(request), self._own(form.get("next", ""))
        if not self.own_form(request, stranger, form):
            return self._login(request, target, "This form was too old. Please try again.", 403)
        name = form.get("name", "").strip()
        if not name:
            return self._login(request, target, "Your name is missing: it stands beside whatever you do.", 400)
        session = self.gate.enter(request, form.get("token", "").strip(), scrub_name(name))
        if isinstance(session, Refused):
            return self._login(request, target, session.reason, session.status, session.wait)
        _LOG.info("%s logged in to the console", scrub_name(name))
        response = answers.elsewhere(target)
        self.gate.open_session(response, session)
        return response

    def leave(self, request: Request, visitor: Visitor, form: Form) -> Response:
        """Log out."""
        del request, visitor, form
        response = answers.elsewhere(f"{self.printer.root}/login")
        self.gate.end_session(response)
        return response

    def own_form(self, request: Request, visitor: Visitor, form: Form) -> bool:
        """Say whether a form is ours."""
        return self.gate.own_form(request, visitor, form.get("mark", ""))

    def foreign(self, request: Request, visitor: Visitor) -> Response:
        """Answer a form that is none of ours."""
        sender = request.client.host if request.client else "somebody"
        path = scrub(request.url.path)
        _LOG.warning("a form for %s from %s was refused: it does not come from our page", path, sender)
        told = "The page was open for too long, or in another browser. Nothing was changed: open it again and repeat."
        return answers.page(self.printer.notice("This form is not known any more", told, visitor), 403)

    def refuse(self, request: Request, refused: Refused) -> Response:
        """Answer somebody who may not come in."""
        if "authorization" in request.headers:
            return self._plainly(refused)
        if not refused.login:
            return answers.page(self.printer.notice("You cannot come in here", refused.reason), refused.status)
        if request.method != "GET":
            told = "Your login has ended. Nothing was changed: log in and repeat."
            return answers.page(self.printer.notice(refused.reason, told), refused.status)
        asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if request.headers.get("sec-fetch-site") == "cross-site":
            # Who comes from a link in Slack sends no session: it is kept from other sites. From our own page it is sent.
            return answers.page(self.printer.page("through.html", target=self.printer.root + asked))
        return answers.elsewhere(f"{self.printer.root}/login?next={quote(self.printer.root + asked, safe='')}")

    def _login(
        self, request: Request, target: str, problem: str = "", status: int = 200, wait: float = 0.0
    ) -> Response:
        stranger = self.gate.stranger(request)
        html = self.printer.page("login.html", target=target, problem=problem, mark=stranger.mark)
        response = answers.page(html, status)
        if wait:
            response.headers["Retry-After"] = str(int(wait) + 1)
        self.gate.keep(request, response, stranger)
        return response

    def _plainly(self, refused: Refused) -> Response:
        headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}
        headers |= {"Retry-After": str(int(refused.wait) + 1)} if refused.wait else {}
        return PlainTextResponse(f"{refused.reason}\n", status_code=refused.status, headers=headers)

    def _own(self, target: str) -> str:
        """Return where to go after the login: one of our own paths, the first page instead of anything else."""
        home = f"{self.printer.root}/"
        try:
            parts = urlsplit(target)
        except ValueError:
            return home
        plain = target.isascii() and target.isprintable() and "\\" not in target and " " not in target
        own = not parts.scheme and not parts.netloc and target.startswith(home) and not target.startswith("//")
        return target if own and plain and ".." not in parts.path and len(target) <= _LONGEST else home
