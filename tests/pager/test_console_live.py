"""The console's pages over real HTTP: what they say, what their buttons do, and that nothing an alert says is ever run."""

from __future__ import annotations

import html
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from atlas_ops.pager.console import incident_page
from atlas_ops.pager.diagnosis.verdict import Finding, Standing, ranked
from tests.pager.console_rig import Scene, hidden, measuring, scene
from tests.pager.notes import alert, body
from tests.pager.rig import eventually

DAY = 86_400.0


@pytest.fixture
def pager(tmp_path: Path) -> Iterator[Scene]:
    with scene(tmp_path) as served:
        yield served


def test_values_of_now_stand_beside_their_limit_and_those_of_others_do_not(tmp_path: Path) -> None:
    wait = "server:atlas_queue_wait:predicted_seconds"
    series = {wait: (133.0, {"model": "llama-3-8b", "server": "10.0.0.1:8000"})}
    with measuring(tmp_path, series) as address, scene(tmp_path, prometheus=address) as pager:
        found = pager.hear(alert())
        assert eventually(lambda: "<dd>2 min</dd>" in pager.page(f"/incidents/{found}"))
        page = pager.page(f"/incidents/{found}")
        assert "<dt>llama-3-8b 10.0.0.1:8000</dt>" in page
        assert "<dt>Limit</dt><dd>10 s</dd>" in page
        other = pager.hear(alert(server="10.0.0.2:8000"), group="two")
        assert "Unknown (the limit is 10 s): Prometheus has no value for it" in pager.page(f"/incidents/{other}")


def test_values_that_cannot_be_asked_for_are_said_to_be_unknown(pager: Scene) -> None:
    found = pager.hear(alert())
    page = pager.page(f"/incidents/{found}")
    assert "Unknown (the limit is 10 s): Prometheus at" in page
    assert pager.client.get(f"/incidents/{found}/chart.svg").status_code == 404


def test_pages_that_wait_for_prometheus_do_not_make_alertmanager_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incident_page, "SECONDS", 60.0)
    silent = socket.create_server(("127.0.0.1", 0), backlog=100)
    address = f"http://127.0.0.1:{silent.getsockname()[1]}"
    with scene(tmp_path, prometheus=address) as pager, ThreadPoolExecutor(50) as readers:
        url = f"{pager.client.base_url}/incidents/{pager.hear(alert())}"
        pages = [readers.submit(httpx.get, url, timeout=120) for _ in range(50)]
        waiting = [silent.accept()[0] for _ in range(40)]  # as many pages as are made at a time
        assert pager.client.post("/webhook", content=body(alert(), group="two")).status_code == 200
        assert not any(page.done() for page in pages)
        for connection in (silent, *waiting):
            connection.close()
        assert all("Unknown (the limit is 10 s)" in page.result().text for page in pages)


def test_the_chart_is_a_drawing_that_may_run_nothing_in_light_and_dark(tmp_path: Path) -> None:
    wait = "server:atlas_queue_wait:predicted_seconds"
    series = {wait: (133.0, {"model": "llama-3-8b", "server": "<script>alert(1)</script>"})}
    with measuring(tmp_path, series) as address, scene(tmp_path, prometheus=address) as pager:
        now = datetime.now(UTC).isoformat()
        found = pager.hear(alert(server="<script>alert(1)</script>", starts=now))
        assert eventually(lambda: pager.client.get(f"/incidents/{found}/chart.svg").status_code == 200)
        light, dark = (pager.client.get(f"/incidents/{found}/chart.svg{query}") for query in ("", "?dark=1"))
        assert light.headers["Content-Type"] == "image/svg+xml"
        assert "default-src 'none'" in light.headers["Content-Security-Policy"]
        assert "script-src" not in light.headers["Content-Security-Policy"]
        assert "<script" not in light.text
        assert light.text != dark.text


def test_likely_causes_stand_with_their_evidence_and_prometheus_can_be_asked_again(tmp_path: Path) -> None:
    with scene(tmp_path) as pager:
        book = tmp_path / "runbooks" / "capacity" / "QueueBacklog.md"
        checks = "checks:\n  - {cause: Too little, query: up, when: '< 1', evidence: It is, next: Add a replica}\n"
        book.write_text(f"---\n{checks}---\n{book.read_text()}")
        found = pager.hear(alert())
        assert "Not asked yet" in pager.page(f"/incidents/{found}")
        finding = Finding(
            cause="Too little", standing=Standing.LIKELY, told="Prompts are 3 times as long", next_step="Add a replica",
            weight=2, query='up{pod="p"}',
        )  # fmt: skip
        pager.store.diagnoses.record(found, ranked([finding], time.time()), time.time())
        assert pager.store.diagnoses.wanted() == ()
        page = html.unescape(pager.page(f"/incidents/{found}"))
        assert "Prompts are 3 times as long. Next: Add a replica." in page
        assert 'up{pod="p"}' in page
        answer = pager.client.post(f"/incidents/{found}/diagnosis", data=hidden(page))
        assert "asked once more" in pager.page(answer.headers["Location"])
        assert [head.id for head in pager.store.diagnoses.wanted()] == [found]
        assert pager.asked == 1
        assert "What the pager asks Prometheus" in pager.page("/runbooks/QueueBacklog")


# --- runbooks and noise -----------------------------------------------------------------------------------------------
