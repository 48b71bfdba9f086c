"""Lists and watches the pods of one namespace and node through the API of Kubernetes.

Called by `reflector`. A small client of our own: the libraries for it need 13 MiB (lightkube 1.0), 24 MiB (kr8s 0.20) and
47 MiB (kubernetes 37) when they are imported, on top of the 34 MiB that the whole exporter has, which aims at 40.
Protocol: kubernetes.io/docs/reference/using-api/api-concepts, sections on watches, chunks and resource versions.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from atlas_ops import __version__
from atlas_ops.errors import AtlasError
from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.discovery.lines import Lines
from atlas_ops.exporter.http_client import PROBLEMS, HttpClient, TokenProblem

PODS_OF_A_PAGE, MAX_PAGES = 100, 1000
LIST_SECONDS = 30.0
"""For one page of a list, to its last byte."""
MAX_PAGE_BYTES = 16 * 1024 * 1024
"""Pods have 5 to 20 kB. API servers before 1.31 answer from their cache with all pods of the node on one page."""
MAX_EVENT_BYTES = 4 * 1024 * 1024
"""etcd stores objects of up to 1.5 MiB."""
WATCH_MARGIN_SECONDS = 15.0
"""An API server that has not ended a watch so long after it should have hangs."""
UNAUTHORIZED, FORBIDDEN, GONE = 401, 403, 410
_CHUNK = 1 << 16
_log = logging.getLogger(__name__)
_HEADERS = {"Accept": "application/json", "User-Agent": f"atlas-ops/{__version__}"}


class ApiProblem(AtlasError):
    """The API server did not do what it was asked to. `status` is 0 where it was none of HTTP."""

    def __init__(self, message: str, *, status: int = 0, retry_after: float = 0.0, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.status, self.retry_after = status, retry_after


class Garbled(ApiProblem):
    """What it sends is not what the API has, so nobody knows what was missed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiServer:
    """Where the API is, and who asks."""

    url: str
    token_file: str = ""
    ca_file: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which pods are asked for."""

    namespace: str
    node: str
    label_selector: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A part of a list."""

    pods: list[Any]
    version: str
    """Of the whole list: where a watch goes on from it."""


class PodApi:
    """Asks for the pods of a selection, in one thread. `close` may be called from another."""

    def __init__(self, server: ApiServer, selection: Selection) -> None:
        self._server, self._selection = server, selection
        self._client = HttpClient(server.token_file, ca_file=server.ca_file)

    def pages(self, version: str) -> Iterator[Page]:
        """Give a list, page by page, that is not older than `version`; ApiProblem when there is none.

        Version `0` may be answered from the API server's cache; the empty one asks for the newest state.
        """
        query = {"limit": str(PODS_OF_A_PAGE), "resourceVersion": version}
        for _ in range(MAX_PAGES):
            with self._ask("list", query, LIST_SECONDS) as response:
                found = _object(_body(response))
            metadata, pods = found.get("metadata"), found.get("items")
            if not isinstance(metadata, dict) or not isinstance(pods, list | None):
                raise Garbled("the API server answers with something that is no list of pods")
            yield Page(pods=pods or [], version=_text(metadata.get("resourceVersion")))
            following = _text(metadata.get("continue"))
            if not following:
                return
            query = {"limit": str(PODS_OF_A_PAGE), "continue": following}
        raise Garbled(f"the list has not ended after {MAX_PAGES} pages")

    def events(self, version: str, seconds: int, *, began: Callable[[], None]) -> Iterator[Mapping[str, Any]]:
        """Give the events after `version` as they come, for about `seconds`; ApiProblem when they break off.

        `began` is called when the API server has agreed to it. An event that is too large is left out.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(seconds),
        }
        lines = Lines(MAX_EVENT_BYTES)
        with self._ask("watch", query, seconds + WATCH_MARGIN_SECONDS) as response:
            began()
            while piece := response.read1(_CHUNK):
                for line in lines.feed(piece):
                    yield _object(line)
        if lines.skipped:
            _log.warning("%d events of more than %d bytes were left out", lines.skipped, MAX_EVENT_BYTES)

    def close(self) -> None:
        """End the running request now, and every later one at once."""
        self._client.close()

    @contextlib.contextmanager
    def _ask(self, verb: str, query: dict[str, str], seconds: float) -> Iterator[http.client.HTTPResponse]:
        selection = self._selection
        query = {"fieldSelector": f"spec.nodeName={selection.node}", "labelSelector": selection.label_selector, **query}
        text = urlencode({name: value for name, value in query.items() if value})
        url = f"{self._server.url}/api/v1/namespaces/{selection.namespace}/pods?{text}"
        try:
            with self._client.send("GET", url, Deadline(seconds), headers=_HEADERS) as response:
                if response.status != http.client.OK:
                    raise self._refusal(verb, response)
                yield response
        except TokenProblem as problem:
            raise ApiProblem(problem.message, status=UNAUTHORIZED) from None
        except PROBLEMS as error:
            reason = str(error) or type(error).__name__
            raise ApiProblem(f"{self._server.url} does not answer a {verb}: {reason}") from error

    def _refusal(self, verb: str, response: http.client.HTTPResponse) -> ApiProblem:
        try:
            said = self._client.without_token(_text(_object(response.read(_CHUNK)).get("message")))
        except ApiProblem:
            said = ""
        message, next_step = f"{self._server.url} answers {response.status} to a {verb} of pods: {said[:500]!r}", ""
        if response.status == FORBIDDEN:
            message = f"{verb} of pods in the namespace {self._selection.namespace} is not allowed ({said[:500]!r})"
            next_step = "apply the Role and RoleBinding that `atlas-ops build` prints: get, list and watch of pods"
        elif response.status == UNAUTHORIZED:
            next_step = f"check the token in {self._server.token_file or 'bearer_token_file, which is not set'}"
        return ApiProblem(
            message,
            status=response.status,
            retry_after=_seconds(response.getheader("Retry-After")),
            next_step=next_step,
        )


def _body(response: http.client.HTTPResponse) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := response.read(_CHUNK):
        pieces.append(piece)
        size += len(piece)
        if size > MAX_PAGE_BYTES:
            raise ApiProblem(f"a page of the list is larger than {MAX_PAGE_BYTES} bytes")
    if response.length:
        raise http.client.IncompleteRead(b"")
    return b"".join(pieces)


def _object(text: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(text, object_hook=_without_bookkeeping)
    except (ValueError, RecursionError) as error:
        raise Garbled(f"the API server sends something that is no JSON ({type(error).__name__})") from None
    if not isinstance(found, dict):
        raise Garbled("the API server sends something that is no object")
    return found


def _without_bookkeeping(found: dict[str, Any]) -> dict[str, Any]:
    """Leave out who wrote which field, which is often half of a pod."""
    found.pop("managedFields", None)
    return found


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _seconds(header: str | None) -> float:
    """Return the seconds of a Retry-After; a date counts as none, as API servers send seconds."""
    return float(header) if header and header.isascii() and header.isdecimal() else 0.0
