"""Pages of real servers, and what the exporter makes of them. Shared by the tests of the exporter's server side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import recognise, shipped_dialects
from atlas_ops.catalog.model import Signal
from atlas_ops.catalog.reading import Version
from atlas_ops.exporter.identity import Identity
from atlas_ops.exporter.parse import Page, Parser
from atlas_ops.exporter.samples import Sample
from atlas_ops.exporter.translate import Translator

SAMPLES = Path(__file__).parent.parent / "samples"
FOLDERS = tuple(sorted({path.parent for path in SAMPLES.glob("*/*/*.prom")}))
"""`<runtime>/<version>`, each with its pages, their NOTES.md, and a runs.txt where pages follow each other."""


def _capture(folder: Path, state: str) -> str:
    several = sum(other.parent == folder.parent for other in FOLDERS) > 1
    return f"{folder.parent.name}/{folder.name}/{state}" if several else f"{folder.parent.name}/{state}"


_PATHS = {_capture(path.parent, path.stem): path for folder in FOLDERS for path in sorted(folder.glob("*.prom"))}
CAPTURES = tuple(_PATHS)
"""Every page of a real server, as `vllm/kv-pressure-1`, with the version between them where a runtime has several."""
RUNS = tuple(
    tuple(_capture(path.parent, state) for state in line.split())
    for path in sorted(SAMPLES.glob("*/*/runs.txt"))
    for line in path.read_text(encoding="utf-8").splitlines()
)
"""Captures of the same process, in time: each line of a runs.txt."""


def text_of(capture: str) -> str:
    return _PATHS[capture].read_text(encoding="utf-8")


def runtime_of(capture: str) -> str:
    return capture.partition("/")[0]


def version_of(capture: str) -> Version | None:
    """The version that the name of the folder begins with; None where it is a commit."""
    name = _PATHS[capture].parent.name
    return Version.parse(name) if "." in name else None


def parsed(text: str) -> Page:
    return Parser().parse(text.encode())


@dataclass(frozen=True)
class Told:
    """The samples of one page, easy to ask."""

    samples: tuple[Sample, ...]
    left_out: dict[str, int]

    def matching(self, signal: Signal, part: str = "", /, **labels: str) -> Iterator[Sample]:
        for sample in self.samples:
            if sample.signal is signal and sample.part == part and labels.items() <= dict(sample.labels).items():
                yield sample

    def has(self, signal: Signal, /, **labels: str) -> bool:
        return any(sample.signal is signal and labels.items() <= dict(sample.labels).items() for sample in self.samples)

    def value(self, signal: Signal, part: str = "", /, **labels: str) -> float:
        """The one value that these labels select."""
        (sample,) = self.matching(signal, part, **labels)
        return sample.value

    def values(self, signal: Signal, label: str, part: str = "", /, **labels: str) -> dict[str, float]:
        return {dict(sample.labels)[label]: sample.value for sample in self.matching(signal, part, **labels)}

    def outcomes(self, model: str) -> dict[str, float]:
        """Requests of a model by outcome, without the zeros."""
        return {
            outcome: number for outcome, number in self.values(s.REQUESTS, "outcome", model=model).items() if number
        }

    def resolved(self) -> dict[str, float]:
        return self.values(s.SIGNAL_RESOLVED, "signal")


def translator(page: Page, *, runtime: str = "", max_models: int = 64) -> Translator:
    dialects = shipped_dialects()
    dialect = next((d for d in dialects if d.runtime == runtime), None) or recognise(dialects, page.tells)
    assert dialect is not None, "no dialect knows this page"
    return Translator(dialect, Identity(server="10.0.0.1:8000", host_name="node-1"), max_models)


def told(text: str, *, runtime: str = "", max_models: int = 64) -> Told:
    page = parsed(text)
    speaker = translator(page, runtime=runtime, max_models=max_models)
    samples = speaker.translate(page)
    return Told(samples, {reason: number for reason, number in speaker.left_out.items() if number})


def told_of(capture: str) -> Told:
    return told(text_of(capture), runtime=runtime_of(capture))


def series(name: str, value: float = 1, /, **labels: str) -> str:
    """A line of a native page."""
    body = ",".join(f'{label}="{text}"' for label, text in labels.items())
    return f"{name}{{{body}}} {value:g}\n"


def histogram(name: str, bounds: tuple[float, ...], /, **labels: str) -> str:
    """A native histogram of four observations, two of them within the bounds."""
    buckets = "".join(series(f"{name}_bucket", 2, **labels, le=f"{bound:.12g}") for bound in bounds)
    last = series(f"{name}_bucket", 4, **labels, le="+Inf")
    return buckets + last + series(f"{name}_sum", 9, **labels) + series(f"{name}_count", 4, **labels)
