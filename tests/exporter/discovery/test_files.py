"""Files that name servers are followed while the exporter runs: changed, new, removed and broken ones."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops.catalog import signals as s
from atlas_ops.exporter.discovery.files import FileFinder
from tests.exporter.collectors import await_that


@contextlib.contextmanager
def finding(pattern: Path) -> Iterator[FileFinder]:
    finder = FileFinder(str(pattern), ("vllm",), look_seconds=0.005)
    finder.start()
    try:
        await_that(lambda: finder.ready)
        yield finder
    finally:
        finder.stop()


def urls(finder: FileFinder) -> list[str]:
    return [server.url for server in finder.found()]


def works(finder: FileFinder) -> bool:
    (value,) = [sample.value for sample in finder.collect() if sample.signal is s.EXPORTER_DISCOVERY_SUCCESS]
    return value == 1


def write(path: Path, *targets: str) -> None:
    path.write_text(f"[{{targets: {list(targets)}}}]")


def await_urls(finder: FileFinder, *wanted: str) -> None:
    await_that(lambda: urls(finder) == [f"http://{target}" for target in wanted])


def test_a_file_is_read_at_once_and_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "servers.yaml"
    write(path, "a:1")
    with finding(path) as finder:
        assert urls(finder) == ["http://a:1"]
        write(path, "b:1", "c:1")
        await_urls(finder, "b:1", "c:1")
        assert works(finder)


def test_files_that_fit_the_pattern_come_and_go(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    write(first, "a:1")
    write(tmp_path / "c.txt", "c:1")
    with finding(tmp_path / "*.yaml") as finder:
        await_urls(finder, "a:1")
        write(second, "b:1")
        await_urls(finder, "a:1", "b:1")
        first.unlink()
        await_urls(finder, "b:1")
        assert works(finder)
        write(first, "a:2")
        await_urls(finder, "a:2", "b:1")


def test_a_file_that_is_swapped_by_a_link_is_noticed(tmp_path: Path) -> None:
    """As Kubernetes swaps the contents of a mounted ConfigMap."""
    for name, target in (("old", "a:1"), ("new", "b:1")):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "servers.yaml", target)
    link = tmp_path / "data"
    link.symlink_to("old")
    with finding(link / "servers.yaml") as finder:
        await_urls(finder, "a:1")
        (tmp_path / "data_tmp").symlink_to("new")
        (tmp_path / "data_tmp").rename(link)
        await_urls(finder, "b:1")


def test_a_broken_file_keeps_what_it_said_and_all_its_mistakes_are_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good, broken = tmp_path / "good.yaml", tmp_path / "broken.yaml"
    write(good, "a:1")
    write(broken, "b:1")
    with finding(tmp_path / "*.yaml") as finder:
        await_urls(finder, "b:1", "a:1")
        broken.write_text("- targets: [ftp://x]\n- target: []\n")
        await_that(lambda: not works(finder))
        write(good, "a:2")
        await_urls(finder, "b:1", "a:2")
        assert not works(finder)
        write(broken, "b:2")
        await_urls(finder, "b:2", "a:2")
        assert works(finder)
    told = [record.getMessage() for record in caplog.records if "mistakes" in record.getMessage()]
    assert len(told) == 1
    assert "line 1: [0].targets: expected an address" in told[0]
    assert "line 2: [1].target: unknown key" in told[0]


def test_a_file_that_is_not_there_is_a_problem_and_a_pattern_that_fits_nothing_is_none(tmp_path: Path) -> None:
    with finding(tmp_path / "servers.yaml") as finder:
        assert not works(finder)
        write(tmp_path / "servers.yaml", "a:1")
        await_urls(finder, "a:1")
        assert works(finder)
    with finding(tmp_path / "*.json") as finder:
        assert works(finder)
    with finding(tmp_path / "nowhere" / "*.json") as finder:
        assert not works(finder)


def test_a_file_that_cannot_be_read_costs_no_other_and_a_pipe_does_not_hang_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").mkdir()
    (tmp_path / "c.yaml").write_bytes(b"\xff\xff")
    write(tmp_path / "d.yaml", "d:1")
    with finding(tmp_path / "*.yaml") as finder:
        await_urls(finder, "d:1")
        assert not works(finder)
