"""The settings change under a running exporter: never an error, never an empty page, all or nothing."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops.cli.exporter import POLL_SECONDS
from atlas_ops.file_stamp import FileWatch
from tests.exporter.collectors import await_that
from tests.exporter.command import Exporter, config, running, states
from tests.exporter.fake_server import FakeServer, answer, hang, serving
from tests.exporter.pages import parsed, text_of
from tests.exporter.web.rig import ask, web_config
from tests.exporter.web.test_basic_auth import HASH

GOOD = answer(text_of("vllm/kv-pressure-1"))


def await_servers(exporter: Exporter, *wanted: FakeServer) -> None:
    """Wait until these servers, and no others, are on the page."""
    addresses = {server.address for server in wanted}
    await_that(lambda: set(states(exporter.page())) == addresses)


def process_state(pid: int) -> str:
    """Return the letter that the kernel has for what a process does; T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.fixture
def good() -> Iterator[FakeServer]:
    with serving(GOOD) as server:
        yield server


@contextlib.contextmanager
def scraping(exporter: Exporter, always: FakeServer) -> Iterator[list[str]]:
    """Scrape without a pause, over one connection and over a new one each time; yield what went wrong."""
    stop = threading.Event()
    wrong: list[str] = []
    pages = 0

    def scrape(*, keep: bool) -> None:
        nonlocal pages
        client = exporter.client()
        while not stop.is_set():
            try:
                client.request("GET", "/metrics")
                response = client.getresponse()
                text = response.read().decode()
                if response.status != 200 or states(parsed(text)).get(always.address) != "ok":
                    wrong.append(f"{response.status} {text[:300]}")
            except OSError as error:
                wrong.append(repr(error))
            pages += 1
            if not keep:
                client.close()
        client.close()

    threads = [threading.Thread(target=scrape, kwargs={"keep": keep}) for keep in (True, False)]
    for thread in threads:
        thread.start()
    try:
        yield wrong
    finally:
        await_that(lambda: pages >= 20)
        stop.set()
        for thread in threads:
            thread.join()


def test_reloads_under_load_are_seen_by_no_scrape(good: FakeServer, tmp_path: Path) -> None:
    file = config(tmp_path, [good], interval_seconds=0.5, timeout_seconds=1)
    with serving(GOOD) as other, serving(hang) as hanging, running("--config", file) as exporter:
        with scraping(exporter, good) as wrong:
            for wanted in ([good, other], [other, good, hanging], [good], [good, other]):
                config(tmp_path, wanted, interval_seconds=0.5, timeout_seconds=1)
                exporter.reload()
                await_servers(exporter, *wanted)
        assert wrong == []
        assert exporter.value("atlas_exporter_reload_success") == 1


def test_a_server_that_stays_keeps_what_was_counted(tmp_path: Path) -> None:
    """Garbage counts as dropped; the count goes on over a reload, as it would not with a new collector."""
    text = text_of("vllm/kv-pressure-1") + "this is no line of a metrics page\n"
    with serving(answer(text)) as counted, serving(GOOD) as other:
        file = config(tmp_path, [counted], interval_seconds=0.05)
        with running("--config", file) as exporter:

            def dropped() -> float:
                samples = exporter.page().of("atlas_exporter_dropped_samples_total")
                return max(
                    sample.value
                    for sample in samples
                    if dict(sample.labels)["server"] == counted.address and dict(sample.labels)["reason"] == "bad_line"
                )

            await_that(lambda: dropped() >= 20)
            config(tmp_path, [counted, other], interval_seconds=0.05)
            exporter.reload()
            await_servers(exporter, counted, other)
            assert dropped() >= 20


def test_a_file_with_mistakes_changes_nothing_and_all_of_them_are_logged(good: FakeServer, tmp_path: Path) -> None:
    file = Path(config(tmp_path, [good], interval_seconds=0.5))
    with running("--config", str(file)) as exporter:
        since = exporter.value("atlas_exporter_reload_last_success_timestamp_seconds")
        file.write_text("exporter: {interval: 3}\nservers: [{url: nowhere}]\n")
        exporter.reload()
        await_that(lambda: exporter.value("atlas_exporter_reload_success") == 0)
        assert states(exporter.page()) == {good.address: "ok"}
        assert exporter.value("atlas_exporter_reload_last_success_timestamp_seconds") == since
        config(tmp_path, [good], interval_seconds=0.5)
        exporter.reload()
        await_that(lambda: exporter.value("atlas_exporter_reload_success") == 1)
        assert exporter.value("atlas_exporter_reload_last_success_timestamp_seconds") > since
        said = exporter.stop()
    assert "line 1: exporter.interval: unknown key" in said
    assert "line 2: servers[0].url: expected an address" in said


def test_a_changed_file_is_read_without_a_signal_and_other_flags_still_count(good: FakeServer, tmp_path: Path) -> None:
    file = config(tmp_path, [good], interval_seconds=0.5)
    with serving(GOOD) as other, running("--config", file, "--node", "told-by-flag") as exporter:
        config(tmp_path, [other], interval_seconds=0.5, listen="127.0.0.1:1", gpus="false")
        await_servers(exporter, other)
        (sample,) = exporter.page().of("atlas_server_up")
        assert dict(sample.labels)["host_name"] == "told-by-flag"
        collectors = {dict(x.labels)["collector"] for x in exporter.page().of("atlas_exporter_collector_success")}
        assert collectors == {f"server/{other.address}", "page", "oom"}, "the GPUs went with their setting"


def test_a_half_written_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "atlas-ops.yaml"
    path.write_text("old")
    file = FileWatch(path)
    file.noted()
    assert not file.changed()
    path.write_text("new, first half")
    assert not file.changed(), "seen, and perhaps not at rest"
    path.write_text("new, first half and second half")
    assert not file.changed()
    assert file.changed()
    file.noted()
    assert not file.changed()


def test_passwords_begin_to_count_with_a_reload_and_a_wrong_web_config_file_changes_nothing(
    good: FakeServer, tmp_path: Path
) -> None:
    file = config(tmp_path, [good], gpus="false")
    web_config(tmp_path, "basic_auth_users: {a: plain}")
    with running("--config", file) as exporter:
        config(tmp_path, [good], gpus="false", web_config_file=tmp_path / "web-config.yml")
        exporter.reload()
        await_that(lambda: exporter.value("atlas_exporter_reload_success") == 0)
        web_config(tmp_path, f"basic_auth_users: {{a: {HASH.decode()}}}")
        exporter.reload()

        def status() -> int:
            with contextlib.closing(exporter.client()) as client:
                return ask(client).status

        await_that(lambda: status() == 401)


def test_a_new_address_to_listen_on_is_said_to_need_a_restart(good: FakeServer, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    # Without --listen, unlike the other tests: a flag would win over the file.
    file.write_text("exporter: {listen: '127.0.0.1:0', gpus: false}\n")
    with running("--config", str(file), listen=None) as exporter:
        file.write_text(f"exporter: {{listen: '127.0.0.1:1', gpus: false}}\nservers: [{{url: '{good.url}'}}]\n")
        exporter.reload()
        await_servers(exporter, good)
        assert "still serving 127.0.0.1:0: a new `listen` needs a restart" in exporter.stop()


def test_without_a_settings_file_a_reload_is_harmless(good: FakeServer) -> None:
    with running("--server", good.url) as exporter:
        since = exporter.value("atlas_exporter_reload_last_success_timestamp_seconds")
        exporter.reload()
        await_that(lambda: exporter.value("atlas_exporter_reload_last_success_timestamp_seconds") > since)
        assert states(exporter.page()) == {good.address: "ok"}


def test_a_process_that_was_stopped_for_a_while_goes_on(good: FakeServer) -> None:
    with running("--server", good.url) as exporter:
        await_servers(exporter, good)
        exporter.process.send_signal(signal.SIGSTOP)
        await_that(lambda: process_state(exporter.process.pid) == "T")
        # That time passes is what is tested: more than it waits for signals, so that Python tells of one that never came.
        time.sleep(POLL_SECONDS + 0.2)
        exporter.process.send_signal(signal.SIGCONT)
        await_servers(exporter, good)
        assert exporter.process.poll() is None
