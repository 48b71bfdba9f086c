"""What the annotations of a pod wish: ours (`atlas-ops.dev/…`), and those of `prometheus.io/…` that name a page.

Called by `detect`. Whoever may write a pod writes these texts, and all they can change is which page of that pod is asked
for, without any credential. A value that makes no sense is told and left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from atlas_ops.catalog import conventions

PREFIX = "atlas-ops.dev/"
PROMETHEUS_PREFIX = "prometheus.io/"
MESH_PATH = "/stats/prometheus"
"""Envoy's page: a mesh that injects itself (Istio) puts its own page in place of the one that the pod had named."""
MAX_TEXT = 253
"""Of a value that is used: it becomes a part of a URL, or a label."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Where a metrics page is said to be. Empty and 0: not said."""

    scheme: str = ""
    port: int = 0
    path: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What the annotations say."""

    scrape: bool | None = None
    """True: it is a model server. False: leave it alone. None: not said."""
    runtime: str = ""
    container: str = ""
    model: str = ""
    track: str = ""
    release: str = ""
    page: Page = field(default_factory=Page)
    prometheus: Page = field(default_factory=Page)
    mistakes: tuple[str, ...] = ()


class _Reader:
    """Reads single annotations, and gathers what is wrong with them."""

    def __init__(self, annotations: Mapping[str, str], mistakes: list[str]) -> None:
        self._annotations, self._mistakes = annotations, mistakes

    def text(self, name: str, fits: Callable[[str], bool], expected: str) -> str:
        """Return a value that fits; empty when there is none, or another."""
        value = self._annotations.get(name, "")
        if not value or (len(value) <= MAX_TEXT and value.isprintable() and fits(value)):
            return value
        self._mistakes.append(f"{name}: expected {expected}, found {value[:MAX_TEXT]!r}")
        return ""

    def page(self, prefix: str) -> Page:
        return Page(
            scheme=self.text(f"{prefix}scheme", ("http", "https").__contains__, "http or https"),
            port=int(self.text(f"{prefix}port", _is_port, "a port from 1 to 65535") or 0),
            path=self.text(f"{prefix}path", _is_path, "a path such as /metrics"),
        )


def read_wishes(annotations: Mapping[str, str], runtimes: Collection[str]) -> Wishes:
    """Return what the annotations of a pod say; `runtimes` are the ids of the dialects."""
    mistakes: list[str] = []
    reader = _Reader(annotations, mistakes)
    scrape = reader.text(f"{PREFIX}scrape", ("true", "false").__contains__, 'the text "true" or "false"')
    known = ", ".join(sorted(runtimes))
    return Wishes(
        scrape={"true": True, "false": False}.get(scrape),
        runtime=reader.text(f"{PREFIX}runtime", runtimes.__contains__, f"one of {known}"),
        container=reader.text(f"{PREFIX}container", bool, "the name of a container"),
        model=reader.text(f"{PREFIX}model", bool, "the name of a model"),
        track=reader.text(f"{PREFIX}track", conventions.TRACKS.__contains__, f"one of {', '.join(conventions.TRACKS)}"),
        release=reader.text(f"{PREFIX}release", bool, "the name of a release"),
        page=reader.page(PREFIX),
        # Not ours, so what is wrong with them is for others to tell.
        prometheus=_without_mesh(_Reader(annotations, []).page(PROMETHEUS_PREFIX)),
        mistakes=tuple(mistakes),
    )


def _without_mesh(page: Page) -> Page:
    return Page() if page.path == MESH_PATH else page


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 16


def _is_path(text: str) -> bool:
    return text.startswith("/") and not text.startswith("//") and not set(text) & set(" #")
