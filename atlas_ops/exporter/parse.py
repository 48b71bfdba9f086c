"""Reads the Prometheus text format as real servers write it: fast, and without giving up at the first bad line.

Called by `server_collector`, one `Parser` for each server. prometheus_client's parser renames counters, stops at the
first line that it dislikes, and is slower; the tests compare the two, `benchmarks/translate.py` measures them.
The grammar of a line is in `exposition`; here is what is remembered from one page to the next.
"""

from __future__ import annotations

from collections.abc import KeysView, Mapping, Sequence
from itertools import chain, repeat
from typing import NamedTuple

from atlas_ops.exporter import exposition
from atlas_ops.exporter.exposition import Pairs
from atlas_ops.exporter.samples import Labels
from atlas_ops.exporter.scrape_state import ScrapeFailure, ScrapeState

MAX_LINES = 50_000
"""The largest real page (Ray Serve after replacements) has some 3,000. Each costs about 400 bytes while it is read."""
MAX_LABELS = 250_000
"""On a whole page; the largest real one has 26,000. Each may cost 100 bytes."""
MAX_LINE_BYTES = 65_536
"""Bounds the labels of a series and the length of their values. The longest real line has 1,063 bytes (vLLM's cache
configuration, 37 labels); vLLM lists the names of its LoRA adapters in one label. A longer line is a bad line."""
MOST_VALUE = 1e100
"""Beyond anything that is counted, and so far below the largest float that sums of many values have one, too."""
REMEMBERED_BYTES = 2 << 20
"""Twice the largest real page. Of a larger one nothing is remembered: it is read as if for the first time."""

_PARTS = ("", "_total", "_bucket", "_sum", "_count", "_created", "_info")
"""Of the samples of a family."""
_DISTRIBUTIONS = ("histogram", "summary")
_TYPES_WITH = {"total": ("counter",), "sum": _DISTRIBUTIONS, "count": _DISTRIBUTIONS, "bucket": ("histogram",)}
"""The types of the families that have such samples."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Native(NamedTuple):
    """One sample as the server printed it."""

    labels: Labels
    value: float

    @property
    def makes_sense(self) -> bool:
        """Whether a signal of a server can have this value: not NaN, not below 0, and within MOST_VALUE."""
        return 0 <= self.value <= MOST_VALUE


_Line = tuple[str, Native | None, str]
"""What a line says: a sample under its name, a TYPE (family, nothing, type), or _BAD."""
_BAD: _Line = ("", None, "")


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

    @property
    def bare(self) -> list[str]:
        """The families that are declared and have no series yet: prometheus_client prints them before anything happened."""
        return [name for name in self._types if not any(name + part in self._samples for part in _PARTS)]

    @property
    def tells(self) -> set[str]:
        """All names that tell whose page it is."""
        return self._samples.keys() | set(self.bare)

    def of(self, name: str) -> Sequence[Native]:
        """Return the samples of a name in the order of the page."""
        return self._samples.get(name, ())

    def with_samples(self, samples: Mapping[str, Sequence[Native]]) -> Page:
        """Return the page with other samples; what it declares stays declared."""
        return Page(samples, self._types, self.bad_lines)

    def has(self, name: str) -> bool:
        """Say whether the page has the name, be it only declared: prometheus_client prints a family before its series."""
        if name in self._samples or name in self._types:
            return True
        stem, _, part = name.rpartition("_")
        return self._types.get(stem) in _TYPES_WITH.get(part, ())

    def type_of(self, name: str) -> str:
        """Return what the page's TYPE line calls a family, or `untyped`."""
        return self._types.get(name, "untyped")


class Parser:
    """Reads the pages of one server, and remembers the one before, for most lines of a page are as they were.

    What a line said is remembered by its place, what its series is by its text.
    """

    def __init__(self) -> None:
        self._lines: Sequence[bytes] = ()
        self._said: Sequence[_Line | None] = ()
        self._series: dict[bytes, tuple[str, Labels]] = {}
        self._pairs = Pairs()

    def parse(self, body: bytes) -> Page:
        """Return the page; ScrapeFailure when this is no metrics page at all, or one beyond all bounds."""
        _refuse_too_much(body)
        lines = body.removeprefix(_BYTE_ORDER_MARK).split(b"\n")
        before = zip(lines, chain(self._lines, repeat(b"")), chain(self._said, repeat(None)), strict=False)
        said = [known if line == old else self._read(line) for line, old, known in before]
        page, count = _page(said)
        self._remember(len(body), lines, said, count)
        if page.bad_lines:
            _refuse_documents(body, page.bad_lines, count, first=next(filter(None, said)))
        return page

    def _read(self, line: bytes) -> _Line | None:
        """Return what a line says that is new here; None when it says nothing."""
        # The quick way: everything up to the last "} ", or the first space, is a series that was seen before, and the
        # rest is a number. Time stamps, exemplars and odd spacing take the other way.
        end = line.rfind(b"} ") + 1 or line.find(b" ")
        series = self._series.get(line[:end])
        value = exposition.number(line[end:]) if series and end > 0 else None
        if series is None or value is None:
            return self._learn(line)
        return series[0], Native(series[1], value), ""

    def _learn(self, line: bytes) -> _Line | None:
        line = line.strip()
        if not line:
            return None
        if line.startswith(b"#"):
            declared = exposition.declaration(line)
            return (declared[0], None, declared[1]) if declared else None
        parts = exposition.sample(line) if len(line) <= MAX_LINE_BYTES else None
        if parts is None:
            return _BAD
        text, name, labels, value = parts
        series = self._series.get(text)
        if series is None:
            pairs = exposition.labels(labels, self._pairs)
            if pairs is None:
                return _BAD
            # In Prometheus an empty label is none, and OpenTelemetry's exporter adds such to series that are there already.
            series = self._series[text] = exposition.plain(name), tuple(pair for pair in pairs if pair[1])
        return series[0], Native(series[1], value), ""

    def _remember(self, size: int, lines: Sequence[bytes], said: Sequence[_Line | None], count: int) -> None:
        large = size > REMEMBERED_BYTES
        self._lines, self._said = ((), ()) if large else (lines, said)
        # Series that left the page are forgotten together, once they are most of what is remembered.
        if large or len(self._series) > 2 * count:
            self._series.clear()
            self._pairs.clear()


def _page(said: Sequence[_Line | None]) -> tuple[Page, int]:
    """Return the page that these lines make, and how many samples are on it."""
    samples: dict[str, list[Native]] = {}
    types: dict[str, str] = {}
    bad = 0
    for name, native, kind in filter(None, said):
        if native is not None:
            if name in samples:
                samples[name].append(native)
            else:
                samples[name] = [native]
        elif name:
            types.setdefault(name, kind)
        else:
            bad += 1
    return Page(samples, types, bad), sum(map(len, samples.values()))


def _refuse_too_much(body: bytes) -> None:
    """Raise ScrapeFailure before the work and the memory of a hostile page are spent."""
    for what, found, most in (
        ("lines", body.count(b"\n"), MAX_LINES),
        ("labels", body.count(b'"') // 2, MAX_LABELS),
    ):
        if found > most:
            raise ScrapeFailure(ScrapeState.UNPARSABLE, f"the page has more than {most} {what}")


def _refuse_documents(body: bytes, bad: int, count: int, *, first: _Line) -> None:
    """Raise ScrapeFailure when the lines that are no samples make the page a document of another kind."""
    kind = exposition.other_kind(body) if first is _BAD else ""
    if kind:
        raise ScrapeFailure(ScrapeState.UNPARSABLE, f"the page is {kind}, not the Prometheus text format")
    if not count:
        raise ScrapeFailure(ScrapeState.UNPARSABLE, f"no line of the page is a sample ({bad} lines of other text)")
