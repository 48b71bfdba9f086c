"""The console's addresses: who may open each, and what it answers. Made by `atlas_ops.cli`; served by `pager.app`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from atlas_ops.errors import AtlasError
from atlas_ops.pager import static
from atlas_ops.pager.access.gate import Gate, Refused, Visitor
from atlas_ops.pager.composer import Composer
from atlas_ops.pager.console import acts, answers, forms, incident_page, lists, noise, runbook_pages
from atlas_ops.pager.console.doors import Doors
from atlas_ops.pager.console.forms import Form
from atlas_ops.pager.console.incident_page import Sight
from atlas_ops.pager.console.printer import Printer
from atlas_ops.pager.console.state import HEARTBEAT_LATE_SECONDS, State, state
from atlas_ops.pager.deeds.perform import Performer
from atlas_ops.pager.delivery.worker import Delivery
from atlas_ops.pager.incident import Work
from atlas_ops.pager.scrub import scrub
from atlas_ops.pager.store.store import Store

_LOG = logging.getLogger(__name__)
Show = Callable[[Request, Visitor], str | Response | None]
"""Prints what a visitor asks for; None when there is no such thing."""
Act = Callable[[Request, Visitor, Form], Response]


@dataclass(frozen=True, kw_only=True, slots=True)
class Console:
    """The pages. Without a performer they have no buttons; without a delivery nothing goes to Slack."""

    store: Store
    composer: Composer
    gate: Gate
    delivery: Delivery | None = None
    performer: Performer | None = None
    sight: Sight = field(default_factory=Sight)
    heartbeat_late_seconds: float = HEARTBEAT_LATE_SECONDS
    troubles: Callable[[], Sequence[str]] = tuple
    """Says what else does not work, each in a sentence."""
    _told: acts.Told = field(default_factory=acts.Told)

    @property
    def _printer(self) -> Printer:
        return Printer.of(urlsplit(self.composer.pager_url).path, login=self.gate.login)

    @property
    def _doors(self) -> Doors:
        return Doors(gate=self.gate, printer=self._printer)

    def routes(self) -> Sequence[Route]:
        """Return every address of the console."""
        doors = self._doors
        return (
            Route("/", self._page(self._index)),
            Route("/history", self._page(self._history)),
            Route("/noise", self._page(self._noise)),
            Route("/incidents/{incident}", self._page(self._incident)),
            Route("/incidents/{incident}/chart.svg", self._page(self._chart)),
            Route("/incidents/{incident}/deeds", self._form(self._deed), methods=["POST"]),
            Route("/incidents/{incident}/diagnosis", self._form(self._diagnose), methods=["POST"]),
            Route("/runbooks", self._page(self._runbooks)),
            Route("/runbooks/{fault}", self._page(self._runbook)),
            Route("/login", doors.ask),
            Route("/login", doors.enter, methods=["POST"]),
            Route("/logout", self._form(doors.leave), methods=["POST"]),
            Route(f"/{static.STYLE}", _file(static.STYLE, "text/css")),
            Route(f"/{static.SCRIPT}", _file(static.SCRIPT, "text/javascript")),
            Route(f"/{static.ICON}", _file(static.ICON, "image/svg+xml")),
        )

    # --- how every page and every form is answered --------------------------------------------------------------------

    def _page(self, show: Show) -> Callable[[Request], Response]:
        def answer(request: Request) -> Response:
            visitor = self.gate.visitor(request)
            if isinstance(visitor, Refused):
                return self._doors.refuse(request, visitor)
            shown = show(request, visitor)
            if shown is None:
                return self.missing("There is no such page", "The address may be cut off.", visitor)
            response = answers.page(shown) if isinstance(shown, str) else shown
            self.gate.keep(request, response, visitor)
            return response

        return answer

    def _form(self, act: Act) -> Callable[[Request], object]:
        async def answer(request: Request) -> Response:
            visitor = self.gate.visitor(request)
            if isinstance(visitor, Refused):
                return self._doors.refuse(request, visitor)
            form = await forms.read(request)
            if not self._doors.own_form(request, visitor, form):
                return self._doors.foreign(request, visitor)
            if not visitor.may_act:
                return answers.page(
                    self._printer.notice("Here you can only read", "Nothing was changed.", visitor), 403
                )
            return await run_in_threadpool(act, request, visitor, form)

        return answer

    def missing(self, title: str, text: str, visitor: Visitor | None = None) -> Response:
        """Answer that something is not there, with a way back."""
        return answers.page(self._printer.notice(title, text, visitor), 404)

    def wrong(self, request: Request, error: Exception) -> Response:
        """Answer what no route knows, or not with this method."""
        del request
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status == 404:
            return self.missing("There is no such page", "The address may be cut off.")
        return PlainTextResponse(f"{error}\n", status_code=status)

    def broken(self, request: Request, error: Exception) -> Response:
        """Answer that a page cannot be shown, or that a form was none."""
        if isinstance(error, forms.BadForm):
            _LOG.warning("a form for %s was answered %d: %s", scrub(request.url.path), error.status, error)
            return answers.page(self._printer.notice("That form cannot be read", error.message), error.status)
        _LOG.error("%s cannot be shown: %s", scrub(request.url.path), error)
        assert isinstance(error, AtlasError)
        return answers.page(self._printer.notice("The pager is not well", str(error)), 503)

    # --- the pages ----------------------------------------------------------------------------------------------------

    @property
    def _state(self) -> State:
        return state(self.store, self.delivery, self.heartbeat_late_seconds, tuple(self.troubles()))

    def _index(self, request: Request, visitor: Visitor) -> str:
        return lists.index(self._printer, self.store, self._state, visitor, request.query_params)

    def _history(self, request: Request, visitor: Visitor) -> str:
        return lists.history(self._printer, self.store, visitor, request.query_params)

    def _noise(self, request: Request, visitor: Visitor) -> str:
        return noise.report(self._printer, self.store, visitor, request.query_params.get("days", ""))

    def _work(self, request: Request) -> Work | None:
        return self.store.incidents.work(request.path_params["incident"])

    def _incident(self, request: Request, visitor: Visitor) -> str | Response:
        work = self._work(request)
        if work is None:
            told = "It may have been over for longer than incidents are kept, or be in another database."
            return self.missing("There is no such incident", told, visitor)
        return incident_page.show(
            self._printer, self.composer, self.sight, self._state, visitor, work,
            incident_page.chosen(work, request.query_params.get("alert", "")),
            told=self._told.text(request.query_params.get("told", "")),
            acting=self.performer is not None,
        )  # fmt: skip

    def _chart(self, request: Request, visitor: Visitor) -> Response | None:
        del visitor
        work = self._work(request)
        if work is None:
            return None
        alert = incident_page.chosen(work, request.query_params.get("alert", ""))
        drawn = self.sight.chart(work.incident, alert, dark="dark" in request.query_params)
        return answers.picture(drawn) if drawn else None

    def _runbooks(self, request: Request, visitor: Visitor) -> str:
        return runbook_pages.all_of_them(self._printer, self.composer, visitor, request.query_params.get("text", ""))

    def _runbook(self, request: Request, visitor: Visitor) -> str | Response:
        page = runbook_pages.one(self._printer, self.composer, self.store, visitor, request.path_params["fault"])
        told = "Runbooks are named after the alerts they are for."
        return page or self.missing("There is no such runbook", told, visitor)

    # --- the forms ----------------------------------------------------------------------------------------------------

    def _deed(self, request: Request, visitor: Visitor, form: Form) -> Response:
        incident = request.path_params["incident"]
        if self.performer is None:
            return self.missing("Nothing can be done here", "This pager only shows incidents.", visitor)
        result = self.performer.perform(acts.deed(incident, visitor, form))
        return self._back(visitor, incident, result.text)

    def _diagnose(self, request: Request, visitor: Visitor, form: Form) -> Response:
        del form
        work = self._work(request)
        if work is None or self.sight.again is None:
            return self.missing("There is nothing to ask", "Nobody diagnoses this incident.", visitor)
        self.store.diagnoses.again(work.incident.id)
        self.sight.again()
        return self._back(
            visitor, work.incident.id, "Prometheus is asked once more; the answer is here in some seconds."
        )

    def _back(self, visitor: Visitor, incident: str, told: str) -> Response:
        if not visitor.cookie:
            return PlainTextResponse(f"{told}\n")
        return answers.elsewhere(f"{self._printer.root}/incidents/{incident}?told={self._told.keep(told)}")


def _file(name: str, kind: str) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        del request
        return answers.file(static.text(name), kind)

    return answer
