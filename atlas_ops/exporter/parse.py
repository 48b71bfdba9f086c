"""Reads the Prometheus text format as real servers write it: fast, and without giving up at the first bad line.

Called by `server_collector`, one `Parser` for each server. prometheus_client's parser renames counters, stops at the
first line that it dislikes, and is slower; the tests compare the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, KeysView, Mapping, Sequence
from typing import NamedTuple

from atlas_ops.exporter.samples import Labels
from atlas_ops.exporter.scrape_state import ScrapeFailure, ScrapeState

MAX_LINES = 100_000
"""The largest real page (Ray Serve after replacements) has some 3,000; one beyond this would cost seconds to read."""
CACHE_BYTES = 16_000_000
"""Room for the remembered series of one server: about ten times the largest real page."""
_ENTRY_BYTES = 500  # what the objects of one remembered series cost besides its text

# Possessive quantifiers (*+) keep the time linear in the length of a line, whatever it holds.
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*+"
_VALUE = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_LABEL = rf"[a-zA-Z_][a-zA-Z0-9_]*+\s*+=\s*+{_VALUE}\s*+"
# A comma after the last label is common (TorchServe); a comma between labels is not optional.
_SERIES = re.compile(rf"\s*+({_NAME})\s*+(?:\{{\s*+((?:{_LABEL}(?:,\s*+{_LABEL})*+(?:,\s*+)?)?)\}})?", re.ASCII)
_LABELS = re.compile(rf"\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*({_VALUE})", re.ASCII)
_ESCAPE = re.compile(r'\\([\\"n])')


class Native(NamedTuple):
    """One sample as the server printed it."""

    labels: Labels
    value: float


class Page:
    """A page that has been read: native samples by their name."""

    def __init__(self, samples: Mapping[str, Sequence[Native]], types: Mapping[str, str], bad_lines: int) -> None:
        self._samples = samples
        self._types = types
        self.bad_lines = bad_lines

    @property
    def names(self) -> KeysView[str]:
        """The sample names; histograms show as `_bucket`, `_sum` and `_count`."""
        return self._samples.keys()

    def of(self, name: str) -> Sequence[Native]:
        """Return the samples of a name in the order of the page."""
        return self._samples.get(name, ())

    def filtered(self, keep: Callable[[Native], bool]) -> Page:
        """Return a page with only the samples that `keep` accepts; a name stays even when none of its samples does."""
        kept = {name: [sample for sample in samples if keep(sample)] for name, samples in self._samples.items()}
        return Page(kept, self._types, self.bad_lines)

    def has(self, name: str) -> bool:
        """Say whether the page has the name, be it only declared: prometheus_client prints a family before its series."""
        return name in self._samples or name in self._types

    def type_of(self, name: str) -> str:
        """Return what the page's TYPE line calls a family, or `untyped`."""
        return self._types.get(name, "untyped")


class Parser:
    """Reads the pages of one server; remembers the text of its series, which hardly changes between scrapes."""

    def __init__(self) -> None:
        self._cache: dict[str, tuple[str, Labels]] = {}
        self._room = CACHE_BYTES

    def parse(self, body: bytes) -> Page:
        """Return the page; ScrapeFailure when this is no metrics page at all."""
        if body.count(b"\n") > MAX_LINES:
            raise ScrapeFailure(ScrapeState.UNPARSABLE, f"the page has more than {MAX_LINES} lines")
        text = body.decode("utf-8", errors="replace")
        samples: dict[str, list[Native]] = {}
        types: dict[str, str] = {}
        bad = count = 0
        for line in text.split("\n"):
            if not line or line.isspace():
                continue
            if line[0] == "#":
                _note_type(line, types)
                continue
            found = self._sample(line)
            if found is None:
                bad += 1
                if bad == 1 and not count:
                    _refuse_documents(text)
                continue
            count += 1
            (name, labels), value = found
            samples.setdefault(name, []).append(Native(labels, value))
        if bad and not count:
            raise ScrapeFailure(ScrapeState.UNPARSABLE, f"no line of the page is a sample ({bad} lines of other text)")
        return Page(samples, types, bad)

    def _sample(self, line: str) -> tuple[tuple[str, Labels], float] | None:
        """Return (series, value), or None for a line that is no sample."""
        # The fast way: everything up to the last "} " (or the first space) is a series that was seen before, or is a
        # whole series by itself, and the rest is a number. Time stamps, exemplars and odd spacing take the slow way.
        end = line.rfind("} ")
        text, rest = (line[: end + 1], line[end + 2 :]) if end >= 0 else _split(line)
        series = self._cache.get(text) or self._learn(text)
        if series is not None:
            try:
                return series, float(rest)
            except ValueError:
                pass
        return self._slowly(line)

    def _slowly(self, line: str) -> tuple[tuple[str, Labels], float] | None:
        match = _SERIES.match(line)
        if match is None:
            return None
        text = match.group()
        series = self._cache.get(text) or self._learn(text)
        rest = line[match.end() :].partition("#")[0].split()
        if series is None or not 1 <= len(rest) <= 2 or not (text[-1] == "}" or text[-1].isspace()):
            return None
        try:
            float(rest[-1])  # the time stamp, when there is one
            return series, float(rest[0])
        except ValueError:
            return None

    def _learn(self, text: str) -> tuple[str, Labels] | None:
        match = _SERIES.fullmatch(text)
        if match is None:
            return None
        pairs = tuple((name, _unescape(value)) for name, value in _LABELS.findall(match.group(2) or ""))
        if len(dict(pairs)) != len(pairs):
            return None
        series = (match.group(1), pairs)
        self._room -= len(text) + _ENTRY_BYTES
        if self._room < 0:
            self._cache.clear()
            self._room = CACHE_BYTES - len(text)
        self._cache[text] = series
        return series


def _split(line: str) -> tuple[str, str]:
    text, _, rest = line.partition(" ")
    return text, rest


def _unescape(quoted: str) -> str:
    value = quoted[1:-1]
    return _ESCAPE.sub(lambda match: {"n": "\n"}.get(match[1], match[1]), value) if "\\" in value else value


def _note_type(line: str, types: dict[str, str]) -> None:
    words = line.split(None, 3)
    if len(words) == 4 and words[0] == "#" and words[1] == "TYPE":
        types.setdefault(words[2], words[3].strip())


def _refuse_documents(text: str) -> None:
    start = text.lstrip("\ufeff \t\r\n")
    kind = "HTML or XML" if start.startswith("<") else "JSON" if start.startswith(("{", "[")) else ""
    if kind:
        raise ScrapeFailure(ScrapeState.UNPARSABLE, f"the page is {kind}, not the Prometheus text format")
