"""The contract, on every page of a real server that is in tests/samples, whatever its runtime."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

import pytest

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Dialect
from atlas_ops.catalog.dialects import recognise, shipped_dialects
from atlas_ops.catalog.model import SignalType
from atlas_ops.catalog.reading import Decoding, Match, Reading
from atlas_ops.exporter.decode import present, readable
from atlas_ops.exporter.left_out import LeftOut
from atlas_ops.exporter.parse import Page
from atlas_ops.exporter.prepare import prepare
from atlas_ops.exporter.resolve import expected
from tests.exporter.pages import CAPTURES, RUNS, parsed, runtime_of, text_of, told, told_of, translator, version_of

every_capture = pytest.mark.parametrize("capture", CAPTURES)


def dialect_of(capture: str) -> Dialect:
    return next(dialect for dialect in shipped_dialects() if dialect.runtime == runtime_of(capture))


def counted(capture: str) -> Page:
    """The page without what must not be counted."""
    dialect = dialect_of(capture)
    page = prepare(dialect, parsed(text_of(capture)), LeftOut(dialect))
    assert page is not None
    return page


def has_series(page: Page, name: str, where: Sequence[Match]) -> bool:
    samples = (sample for sample in page.of(name) if math.isfinite(sample.value))
    return any(all(match.accepts(sample.labels) for match in where) for sample in samples)


def selects(reading: Reading, page: Page) -> bool:
    """Whether the page has a series that the reading reads, and for two metrics one of each."""
    name = f"{reading.metric}_count" if reading.decoding is Decoding.HISTOGRAM else reading.metric
    by = None if reading.decoding is Decoding.OUTCOME else reading.by
    both = by is None or has_series(page, by.metric, by.where)
    return readable(reading, page) and both and has_series(page, name, reading.where)


@every_capture
def test_a_page_is_recognised_by_its_names(capture: str) -> None:
    assert recognise(shipped_dialects(), parsed(text_of(capture)).tells) is dialect_of(capture)


@every_capture
def test_every_sample_has_the_type_the_labels_and_the_parts_of_its_signal(capture: str) -> None:
    page = told_of(capture)
    assert page.has(s.SERVER_INFO)
    for sample in page.samples:
        names = [name for name, _ in sample.labels]
        own = [name for name in names if name != "le"]
        assert own == [name for name in sample.signal.labels if name in own], "in the contract's order"
        assert ("le" in names) == (sample.part == "_bucket")
        assert (sample.part != "") == (sample.signal.type is SignalType.HISTOGRAM)
        assert math.isfinite(sample.value)
        assert sample.value >= 0
        needed = {c.RUNTIME, c.SERVER} | ({c.MODEL} if c.MODEL in sample.signal.labels else set())
        assert needed <= set(names)


@every_capture
def test_no_sample_is_there_twice(capture: str) -> None:
    keys = [(sample.signal.name, sample.part, sample.labels) for sample in told_of(capture).samples]
    assert len(keys) == len(set(keys))


@every_capture
def test_every_native_name_that_the_dialect_knows_becomes_its_signal_and_nothing_else_does(capture: str) -> None:
    page, speaks = counted(capture), told_of(capture)
    resolved = speaks.values(s.SIGNAL_RESOLVED, "signal")
    for entry in dialect_of(capture).entries:
        there = [reading for reading in entry.readings if present(reading, page)]
        if any(selects(reading, page) for reading in there):
            assert speaks.has(entry.signal), entry.signal
        if speaks.has(entry.signal):
            assert there, entry.signal
        usable = [reading for reading in there if readable(reading, page)]
        assert resolved.get(entry.signal.name) == (1.0 if usable else None), entry.signal


# The folder of llama.cpp is named after a commit.
@pytest.mark.parametrize("capture", [capture for capture in CAPTURES if version_of(capture)])
def test_every_native_name_that_its_version_must_have_is_on_the_page(capture: str) -> None:
    version, page = version_of(capture), counted(capture)
    for entry in dialect_of(capture).entries:
        for reading in entry.readings:
            assert present(reading, page) or not expected(reading, version), reading.metric


@every_capture
def test_what_the_dialect_does_not_name_changes_nothing(capture: str) -> None:
    text, dialect = text_of(capture), dialect_of(capture)
    read = "|".join(re.escape(name) for name in sorted(dialect.read_names | {"process_start_time_seconds"}))
    known = re.compile(rf"# TYPE (?:{read}|\S*_created)\b.*|(?:{read})[{{ ].*|# TYPE .*")
    alone = "\n".join(line for line in text.splitlines() if known.fullmatch(line)) + "\n"
    assert told(alone, runtime=dialect.runtime).samples == told_of(capture).samples


@every_capture
def test_histograms_are_cumulative_and_their_bounds_are_floats(capture: str) -> None:
    page = told_of(capture)
    for count in [sample for sample in page.samples if sample.part == "_count"]:
        labels = {name: value for name, value in count.labels if name not in ("server", "host_name", "runtime")}
        buckets = page.values(count.signal, "le", "_bucket", **labels)
        assert all(re.fullmatch(r"\d+\.\d+(?:e-?\d+)?|\d+e-?\d+|\+Inf", bound) for bound in buckets), buckets
        values = list(buckets.values())
        assert values == sorted(values)
        assert [float(bound) for bound in buckets] == sorted(float(bound) for bound in buckets)
        assert buckets["+Inf"] == count.value
        assert all(total.value >= 0 for total in page.matching(count.signal, "_sum", **labels))


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run[0])
def test_counters_never_fall_while_a_process_lives(run: tuple[str, ...]) -> None:
    def counters(capture: str) -> dict[tuple[str, str, object], float]:
        return {
            (sample.signal.name, sample.part, sample.labels): sample.value
            for sample in told_of(capture).samples
            if sample.signal.type is SignalType.COUNTER or sample.part
        }

    for before, after in pairwise(counters(capture) for capture in run):
        assert before.keys() <= after.keys(), "a series that is there once stays"
        assert not [key for key, value in before.items() if after[key] < value]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run[0])
def test_pages_of_one_process_are_no_restart(run: tuple[str, ...]) -> None:
    speaker = translator(parsed(text_of(run[0])), runtime=runtime_of(run[0]))
    for capture in run:
        speaker.translate(parsed(text_of(capture)))
    assert speaker.continuity.restarts == 0
