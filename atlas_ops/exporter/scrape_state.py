"""The states in which the scrape of a model server can end, and the failure that carries one.

Raised by `fetch` and `parse`; turned into `atlas_server_scrape_state` by `server_collector`.
"""

from __future__ import annotations

from enum import Enum

from atlas_ops.errors import AtlasError


class ScrapeState(Enum):
    """The words of the contract (design, section 3); the same ones as `conventions.SCRAPE_STATES`."""

    OK = "ok"
    STARTING = "starting"
    """Refused or 503 by a server that has never answered, within its start-up grace."""
    EMPTY = "empty"
    """A page without a metric that the dialect knows."""
    UNAUTHORIZED = "unauthorized"
    DISABLED = "disabled"
    """There is no such page: 404, 405 or 501."""
    UNREACHABLE = "unreachable"
    """No answer, or one that says that the server itself is in trouble (5xx)."""
    UNPARSABLE = "unparsable"
    """An answer that is no metrics page, or not a whole one, or one beyond all bounds."""
    TIMEOUT = "timeout"


class ScrapeFailure(AtlasError):
    """The scrape did not bring a page; `state` and `message` say why.

    `loading` marks the two answers that a server gives while it loads its model: refused, and 503.
    """

    def __init__(self, state: ScrapeState, message: str, *, loading: bool = False) -> None:
        super().__init__(message)
        self.state = state
        self.loading = loading
