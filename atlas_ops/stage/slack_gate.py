"""Lets calls to the Slack stand-in hang, as an overloaded Slack does. Used by `stage.slack_standin`."""

from __future__ import annotations

import threading


class Gate:
    """Lets calls of one method hang until it is opened."""

    def __init__(self) -> None:
        self.held = threading.Event()
        self._opened = threading.Event()
        self._closed_for: tuple[str, bool] | None = None

    def close(self, method: str, *, accepted: bool) -> None:
        """Let calls of a method hang, at one of the two places that `pass_through` is called at."""
        self.held.clear()
        self._opened.clear()
        self._closed_for = (method, accepted)

    def open(self) -> None:
        """Let everything through."""
        self._closed_for = None
        self._opened.set()

    def pass_through(self, method: str, *, accepted: bool) -> None:
        """Hang while closed."""
        if self._closed_for == (method, accepted):
            self.held.set()
            self._opened.wait()
