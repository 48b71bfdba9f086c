"""Snapshots: whole, fresh, made without any scrape, and honest when they cannot be made."""

from __future__ import annotations

import contextlib
import gzip
import logging
from collections.abc import Iterator, Sequence

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter import snapshot
from atlas_ops.exporter.collector import Collector
from atlas_ops.exporter.deadline import Deadline
from atlas_ops.exporter.page import Compat
from atlas_ops.exporter.samples import Sample
from atlas_ops.exporter.snapshot import SnapshotMaker
from tests.exporter.collectors import SECONDS, AtItsOwnPace, Broken, Hanging, Seldom, Steady, await_that


def own() -> list[Sample]:
    return [Sample(s.EXPORTER_SCRAPES, (), 7.0)]


@contextlib.contextmanager
def making(*collectors: Collector, compat: Sequence[Compat] = (), interval: float = 0.01) -> Iterator[SnapshotMaker]:
    maker = SnapshotMaker(own, interval_seconds=interval)
    maker.start()
    try:
        maker.use(collectors, compat, SECONDS)
        yield maker
    finally:
        maker.stop()


def text(maker: SnapshotMaker, *, openmetrics: bool = False) -> str:
    return maker.body(Deadline(SECONDS), openmetrics=openmetrics, compressed=False).decode()


def line(collector: Steady) -> str:
    return f'atlas_gpu_up{{gpu="{collector.name}"}} {collector.value:g}\n'


def test_the_page_follows_its_collectors_without_a_scrape() -> None:
    collector = Steady()
    with making(collector) as maker:
        assert line(collector) in text(maker)
        collector.value = 5.0
        await_that(lambda: line(collector) in text(maker))


def test_between_two_snapshots_every_scrape_gets_the_same_bytes() -> None:
    with making(Steady(), interval=SECONDS) as maker:
        forms = [
            maker.body(Deadline(SECONDS), openmetrics=openmetrics, compressed=compressed)
            for openmetrics in (False, True)
            for compressed in (False, True)
            for _ in range(2)
        ]
    assert all(one is other for one, other in zip(forms[::2], forms[1::2], strict=True))
    assert gzip.decompress(forms[2]) == forms[0]
    assert gzip.decompress(forms[6]) == forms[4]
    assert forms[4].endswith(b"# EOF\n")
    assert b"# EOF" not in forms[0]


def test_a_large_page_is_compressed_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "_COMPRESSED_AHEAD_BYTES", 10)
    with making(Steady(), interval=SECONDS) as maker:
        page = maker.body(Deadline(SECONDS), openmetrics=False, compressed=True)
        assert gzip.decompress(page).decode() == text(maker)


def test_a_collector_that_says_when_it_has_something_new_is_not_asked_in_between() -> None:
    seldom, steady = Seldom(), Steady()
    with making(seldom, steady) as maker:
        steady.value = 2.0
        await_that(lambda: line(steady) in text(maker))
        assert seldom.collected == 1
        seldom.value, seldom.round = 3.0, 1
        await_that(lambda: line(seldom) in text(maker))
        assert seldom.collected == 2


def test_a_collector_that_fails_costs_its_own_samples_and_one_word(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    broken, steady = Broken("broken"), Steady()
    with making(broken, steady) as maker:
        steady.value = 2.0
        await_that(lambda: line(steady) in text(maker))
        page = text(maker)
        assert 'atlas_exporter_collector_success{collector="broken"} 0\n' in page
        assert 'atlas_exporter_collector_success{collector="steady"} 1\n' in page
        broken.mended = True
        await_that(lambda: line(broken) in text(maker))
    told = [record.message for record in caplog.records if "collector broken" in record.message]
    assert told == ["collector broken failed; it is asked again for every page", "collector broken works again"]


def test_age_and_duration_are_those_of_the_last_round() -> None:
    with making(AtItsOwnPace(age=7)) as maker:
        page = text(maker)
    assert 'atlas_exporter_snapshot_age_seconds{collector="paced"} 7\n' in page
    assert 'atlas_exporter_collector_duration_seconds{collector="paced"} 0.25\n' in page


def test_before_the_first_snapshot_a_scrape_waits_as_long_as_it_may() -> None:
    maker = SnapshotMaker(own)
    maker.start()
    try:
        with pytest.raises(TimeoutError):
            maker.body(Deadline(0.01), openmetrics=False, compressed=False)
        assert maker.trouble() == "page: the first one is not made yet"
        maker.use([Steady()], (), 0.0)
        assert text(maker)
        assert maker.trouble() == ""
    finally:
        maker.stop()


def test_when_a_collector_hangs_the_old_page_is_no_longer_served_as_if_it_were_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hanging, steady = Hanging(), Steady()
    with making(steady, hanging) as maker:
        assert line(steady) in text(maker)
        hanging.free.clear()
        assert hanging.asked.wait(SECONDS)
        monkeypatch.setattr(snapshot, "STALE_SECONDS", 0.05)
        await_that(lambda: "atlas_gpu_up" not in text(maker))
        page = text(maker)
        assert 'atlas_exporter_collector_success{collector="page"} 0\n' in page
        assert "atlas_exporter_scrapes_total 7\n" in page
        (age,) = (
            row for row in page.splitlines() if row.startswith('atlas_exporter_snapshot_age_seconds{collector="page"}')
        )
        assert float(age.split()[1]) > 0.05
        assert text(maker, openmetrics=True).endswith("# EOF\n")
        assert maker.trouble().endswith("the collector hanging was asked and does not answer")
        hanging.free.set()
        monkeypatch.undo()
        await_that(lambda: line(steady) in text(maker))
        assert maker.trouble() == ""


def test_a_page_that_cannot_be_made_is_tried_again_and_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    def fail(*_: object) -> None:
        nonlocal tries
        tries += 1
        raise MemoryError

    steady = Steady()
    with making(steady) as maker:
        with monkeypatch.context() as patch:
            patch.setattr("atlas_ops.exporter.page.text", fail)
            await_that(lambda: tries >= 3)
        steady.value = 2.0
        await_that(lambda: line(steady) in text(maker))
    assert sum("no page could be made" in record.message for record in caplog.records) == 1


def test_a_further_printer_sees_all_samples_and_the_format_and_costs_only_itself_when_it_fails() -> None:
    def names(samples: Sequence[Sample], openmetrics: bool) -> str:
        return f"OTHER_NAMES {len(samples)}\n" if not openmetrics else "OTHER_NAMES 0\n"

    def broken(_samples: Sequence[Sample], _openmetrics: bool) -> str:
        raise ZeroDivisionError

    with making(Steady("a"), Steady("b"), compat=(broken, names)) as maker:
        assert text(maker).endswith("OTHER_NAMES 2\n")
        assert text(maker, openmetrics=True).endswith("OTHER_NAMES 0\n# EOF\n")


def test_other_collectors_are_on_the_page_at_once_and_what_was_there_is_not_asked_anew() -> None:
    seldom, gone, new = Seldom(), Steady("gone"), Steady("new")
    with making(seldom, gone, interval=SECONDS) as maker:
        maker.use([new, seldom], (), SECONDS)
        page = text(maker)
        assert line(new) in page
        assert line(seldom) in page
        assert line(gone) not in page
        assert seldom.collected == 1
