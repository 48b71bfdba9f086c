from __future__ import annotations

from pathlib import Path

from atlas_ops.exporter.discovery.file_form import read
from atlas_ops.settings import Server
from atlas_ops.stage.conductor import FoundServers
from atlas_ops.stage.fleet import FleetState

SERVERS = [Server(url=f"http://127.0.0.1:{port}", namespace="demo", pod=f"llama-{port}") for port in (8000, 8001)]


def state(*, there: tuple[bool, bool], tracks: tuple[str, str]) -> FleetState:
    return FleetState(
        servers=tuple(server.url for server in SERVERS),
        there=there,
        tracks=tracks,
        memory_kills=(0, 0),
        foreign_memory_kills=0,
        exporter_restarts=0,
        scrape_lost=False,
        prometheus_away=False,
        pager_failing=False,
    )


def test_the_exporter_finds_the_servers_that_are_there_with_their_tracks(tmp_path: Path) -> None:
    file = tmp_path / "servers.json"
    found = FoundServers(file, SERVERS)
    found.write(state(there=(True, True), tracks=("stable", "canary")))
    assert [(one.url, one.pod, one.track) for one in read(file, ())] == [
        ("http://127.0.0.1:8000", "llama-8000", "stable"),
        ("http://127.0.0.1:8001", "llama-8001", "canary"),
    ]
    found.write(state(there=(False, True), tracks=("", "")))
    assert [one.pod for one in read(file, ())] == ["llama-8001"]
    found.write(state(there=(False, False), tracks=("", "")))
    assert read(file, ()) == ()
