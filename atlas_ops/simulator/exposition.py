"""Writes Prometheus text as the Python client does, `_created` gauges included.

Used by the pages of the runtimes, and by `simulator.steering` for samples without any description.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from atlas_ops.simulator.histogram import Histogram

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"
"""What vLLM 0.32 answers, also to a client that asks for OpenMetrics."""
PLAIN_TEXT = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


class Page:
    """A page under construction. `created` is the Unix time that all its counters and histograms start at.

    Values are a number, or numbers by the value of the label `by`.
    """

    def __init__(self, created: float) -> None:
        self._created = created
        self._lines: list[str] = []

    def gauge(self, name: str, text: str, labels: Labels, value: float | Mapping[str, float], by: str = "") -> None:
        """Add a gauge."""
        self._family(name, "gauge", text)
        self._samples(name, labels, value, by)

    def sample_of_gauge(self, name: str, text: str, labels: Labels, value: float, *, first: bool) -> None:
        """Add one of a gauge's series; they have to follow each other, from the `first` on."""
        if first:
            self._family(name, "gauge", text)
        self._samples(name, labels, value, "")

    def counter(self, name: str, text: str, labels: Labels, value: float | Mapping[str, float], by: str = "") -> None:
        """Add a counter; `name` without `_total`. A counter without any series is left out."""
        if isinstance(value, Mapping) and not value:
            return
        self._family(f"{name}_total", "counter", text)
        self._samples(f"{name}_total", labels, value, by)
        created = dict.fromkeys(value, self._created) if isinstance(value, Mapping) else self._created
        self.gauge(f"{name}_created", text, labels, created, by)

    def histogram(self, name: str, text: str, labels: Labels, histogram: Histogram) -> None:
        """Add a histogram of one series."""
        self._family(name, "histogram", text)
        bounds = (*(str(bound) for bound in histogram.bounds), "+Inf")
        self._samples(f"{name}_bucket", labels, dict(zip(bounds, histogram.cumulative(), strict=True)), "le")
        self._samples(f"{name}_count", labels, histogram.count, "")
        self._samples(f"{name}_sum", labels, histogram.total, "")
        self.gauge(f"{name}_created", text, labels, self._created)

    def text(self) -> str:
        """Return the page."""
        return "\n".join([*self._lines, ""])

    def _family(self, name: str, kind: str, text: str) -> None:
        self._lines += (f"# HELP {name} {text}", f"# TYPE {name} {kind}")

    def _samples(self, name: str, labels: Labels, value: float | Mapping[str, float], by: str) -> None:
        if not isinstance(value, Mapping):
            self._lines.append(f"{name}{braces(labels)} {float(value)!r}")
            return
        for key, number in value.items():
            self._lines.append(f"{name}{braces({**labels, by: key})} {float(number)!r}")


def plain_page(samples: Iterable[tuple[str, Labels, float]]) -> str:
    """Return a page of samples (name, labels, value) that says nothing of their types."""
    return "".join(f"{name}{braces(labels)} {float(value)!r}\n" for name, labels, value in samples)


def without(page: str, beginnings: tuple[str, ...]) -> str:
    """Return a page without the metrics whose names begin like one of these."""
    if not beginnings:
        return page
    return "".join(line for line in page.splitlines(keepends=True) if not _name(line).startswith(beginnings))


def braces(labels: Labels) -> str:
    """Return labels as they stand behind a name."""
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(labels.items()))
    return f"{{{pairs}}}" if pairs else ""


def _name(line: str) -> str:
    """Return what a line begins with once the words of a comment are taken off."""
    return line.split(" ", 3)[2] if line.startswith("#") else line


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
