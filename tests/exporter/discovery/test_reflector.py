"""How soon it is tried again, after which trouble."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops.catalog.dialects import shipped_dialects
from atlas_ops.exporter.discovery.detect import Detector
from atlas_ops.exporter.discovery.pod_api import ApiProblem, ApiServer, PodApi, Selection
from atlas_ops.exporter.discovery.pod_store import PodStore
from atlas_ops.exporter.discovery.reflector import Pace, Reflector
from tests.exporter.discovery.api_standin import ApiStandIn, api_server
from tests.exporter.discovery.finders import token_file
from tests.exporter.discovery.pods import NAMESPACE, NODE, pod

PACE = Pace()


@pytest.fixture
def api() -> Iterator[ApiStandIn]:
    with api_server([pod("llama-0")]) as server:
        server.faults.never_listens = True
        yield server


class Rig:
    """A reflector without a thread, and what it told."""

    def __init__(self, api: ApiStandIn, folder: Path) -> None:
        self.told: list[ApiProblem | None] = []
        source = PodApi(
            ApiServer(url=api.url, token_file=token_file(folder)), Selection(namespace=NAMESPACE, node=NODE)
        )
        self.store = PodStore(NAMESPACE, NODE, Detector(shipped_dialects()))
        self.reflector = Reflector(source, self.store, self.told.append, PACE)


def test_watches_that_end_at_once_are_begun_ever_more_seldom_and_never_given_up(
    api: ApiStandIn, tmp_path: Path
) -> None:
    rig = Rig(api, tmp_path)
    pauses = [rig.reflector.attempt() for _ in range(12)]
    assert pauses[0] <= 2 * PACE.first
    assert PACE.most / 2 <= pauses[-1] <= PACE.most
    assert len(set(pauses)) == len(pauses), "all nodes at the same moment would be a flood"
    api.faults.never_listens = False
    with api.changed:
        api.put(pod("llama-1"))
    api.faults.cut_in_line = 1
    assert rig.reflector.attempt() > PACE.most / 4, "what broke off in the middle of its first event was no progress"


@pytest.mark.parametrize("status", [429, 503])
def test_it_waits_as_long_as_the_api_server_asks_for_and_no_longer_than_five_minutes(
    api: ApiStandIn, tmp_path: Path, status: int
) -> None:
    rig = Rig(api, tmp_path)
    api.faults.refusals = [(status, "17"), (status, "86400"), (status, "soon")]
    assert rig.reflector.attempt() == 17
    assert rig.reflector.attempt() == PACE.longest_wish
    assert rig.reflector.attempt() <= PACE.most
    rig.reflector.attempt()
    assert [server.pod for server in rig.store.servers] == ["llama-0"]


@pytest.mark.parametrize("status", [401, 403])
def test_what_somebody_has_to_mend_is_asked_for_seldom(api: ApiStandIn, tmp_path: Path, status: int) -> None:
    rig = Rig(api, tmp_path)
    api.faults.refusals = [(status, "")]
    assert PACE.refused / 2 <= rig.reflector.attempt() <= PACE.refused
    (problem,) = rig.told
    assert problem is not None
    assert problem.next_step


def test_one_gone_is_how_the_protocol_goes_and_many_are_a_problem(api: ApiStandIn, tmp_path: Path) -> None:
    rig = Rig(api, tmp_path)
    api.faults.refusals = [(410, "")]
    rig.reflector.attempt()
    assert rig.told == []
    api.faults.refusals = [(410, "")]
    rig.reflector.attempt()
    assert [problem.status for problem in rig.told if problem] == [410]
