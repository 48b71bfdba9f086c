"""What is fuzzed: one function for each reader of text that somebody else wrote.

Called by `tests.fuzz.__main__` with inputs of atheris, and by `test_targets` with inputs of hypothesis. A target fails when
anything but the error that the reader promises comes out of it, or when its own checks fail.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from atlas_ops.catalog import dialects
from atlas_ops.errors import ConfigError
from atlas_ops.exporter.parse import Parser
from atlas_ops.exporter.scrape_state import ScrapeFailure

ROOT = Path(__file__).parents[2]
BETWEEN_PAGES = b"\x00next page\x00"


@dataclass(frozen=True)
class Target:
    """A reader, the files from which inputs are made, and the longest input worth trying."""

    read: Callable[[bytes], None]
    seeds: tuple[Path, ...]
    most_bytes: int


def read_pages(data: bytes) -> None:
    """Read pages of one server, one after the other; each line that is no comment is a sample or a bad line, once."""
    parser = Parser()
    for body in data.split(BETWEEN_PAGES):
        with contextlib.suppress(ScrapeFailure):
            page = parser.parse(body)
            samples = [sample for name in page.names for sample in page.of(name)]
            lines = [line.strip() for line in body.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
            assert len(samples) + page.bad_lines == sum(1 for line in lines if line and not line.startswith(b"#"))
            assert all(isinstance(sample.value, float) for sample in samples)
            assert all(len({name for name, _ in sample.labels}) == len(sample.labels) for sample in samples)
            assert all(set(page.names))


def read_dialect(data: bytes) -> None:
    """Read a file that a user put into the folder of their own dialects."""
    with contextlib.suppress(ConfigError):
        dialects.parse(data.decode("utf-8", errors="replace"), "vllm")


TARGETS = {
    "parser": Target(read_pages, tuple(sorted((ROOT / "tests/samples").rglob("*.prom"))), 1 << 16),
    "dialect": Target(read_dialect, tuple(sorted((ROOT / "exporters").glob("*.yaml"))), 1 << 14),
}
