"""Both ways, for every version: what a dialect reads is in the runtime's own source, and what a version prints becomes its signal."""

from __future__ import annotations

import math

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialect import Dialect
from atlas_ops.catalog.dialects import recognise, shipped_dialects
from atlas_ops.catalog.model import SignalType
from atlas_ops.catalog.reading import Decoding, Version
from atlas_ops.exporter.decode import present
from atlas_ops.exporter.resolve import expected, lower_bound
from atlas_ops.exporter.translate import Facts
from tests.exporter.dialects.native import natives, page, versions
from tests.exporter.pages import Told, parsed, translator

RUNTIMES = (
    "vllm",
    "sglang",
    "tgi",
    "trtllm_serve",
    "triton_trtllm",
    "llamacpp",
    "lmdeploy",
    "dynamo",
    "nim_llm",
    "llm_d",
)
CLIENT_LIBRARY = {"process_start_time_seconds"}
every_runtime = pytest.mark.parametrize("runtime", RUNTIMES)
every_version = pytest.mark.parametrize(
    ("runtime", "version"), [(runtime, version) for runtime in RUNTIMES for version in versions(runtime)]
)


def dialect_of(runtime: str) -> Dialect:
    return next(dialect for dialect in shipped_dialects() if dialect.runtime == runtime)


@every_runtime
def test_every_name_that_a_dialect_reads_is_in_the_source_of_its_runtime(runtime: str) -> None:
    known = {name for native in natives(runtime) for name in native.names} | CLIENT_LIBRARY
    assert not dialect_of(runtime).read_names - known


@every_runtime
def test_bounds_are_those_of_the_source_in_the_unit_of_the_signal(runtime: str) -> None:
    known = {native.name: native.bounds for native in natives(runtime) if native.bounds}
    for reading in (reading for entry in dialect_of(runtime).entries for reading in entry.readings):
        if reading.decoding is Decoding.HISTOGRAM and reading.metric in known and reading.bounds:
            assert reading.bounds == pytest.approx([bound * reading.scale for bound in known[reading.metric]])


@every_version
def test_a_page_of_any_version_is_recognised(runtime: str, version: str) -> None:
    assert recognise(shipped_dialects(), parsed(page(runtime, version)).names) is dialect_of(runtime)


@every_version
def test_a_version_has_what_the_dialect_says_and_its_page_proves_no_newer_one(runtime: str, version: str) -> None:
    native, dialect = parsed(page(runtime, version)), dialect_of(runtime)
    number = Version.parse(version)
    proved = lower_bound(dialect, native)
    if number is not None:
        assert proved is None or proved <= number
    for reading in (reading for entry in dialect.entries for reading in entry.readings):
        if reading.metric not in CLIENT_LIBRARY:
            assert present(reading, native) or not expected(reading, number or proved), reading.metric


@every_version
def test_what_a_version_prints_becomes_its_signal(runtime: str, version: str) -> None:
    native, dialect = parsed(page(runtime, version)), dialect_of(runtime)
    speaker = translator(native, runtime=runtime)
    told = Told(speaker.translate(native, Facts(version=Version.parse(version))), dict(speaker.left_out.items()))
    assert set(told.resolved().values()) <= {1.0}
    for entry in dialect.entries:
        assert told.has(entry.signal) == any(present(reading, native) for reading in entry.readings), entry.signal
    for sample in told.samples:
        assert math.isfinite(sample.value)
        assert (sample.part != "") == (sample.signal.type is SignalType.HISTOGRAM)
    assert not told.left_out["unknown_outcome"]
    assert not told.left_out["bad_line"]
    assert told.has(s.SERVER_INFO, dialect=runtime)
