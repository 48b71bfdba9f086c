"""GPUs as a page of JSON and back."""

from __future__ import annotations

import dataclasses
import json
from typing import get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_ops.simulator import Fleet
from atlas_ops.simulator.drivers import DRIVERS
from atlas_ops.simulator.profiles import PROFILES
from atlas_ops.simulator.remote import GpusUnreachable, gpus_as_json, gpus_from_json
from atlas_ops.simulator.state import CONDITIONS, GpuState

FINITE = st.floats(allow_nan=False, allow_infinity=False)
FLOATS: dict[object, st.SearchStrategy[float | None]] = {float: FINITE, float | None: st.none() | FINITE}
STATES = st.builds(
    GpuState,
    profile=st.sampled_from([profile.name for profile in PROFILES]),
    driver=st.sampled_from([driver.name for driver in DRIVERS]),
    condition=st.sampled_from(CONDITIONS),
    **{
        name: FLOATS[kind] if kind in FLOATS else st.from_type(kind)
        for name, kind in get_type_hints(GpuState).items()
        if name not in ("profile", "driver", "condition")
    },
)


@settings(max_examples=40, deadline=None)
@given(st.lists(STATES, max_size=2))
def test_whatever_can_be_known_of_gpus_survives_the_way(gpus: list[GpuState]) -> None:
    assert gpus_from_json(gpus_as_json(tuple(gpus))) == tuple(gpus)


def test_gpus_at_work_survive_the_way() -> None:
    fleet = Fleet()
    fleet.advance(5)
    assert gpus_from_json(gpus_as_json(fleet.gpus())) == fleet.gpus()


@pytest.mark.parametrize("text", ["", "null", "5", "[1]", '{"index": 0}', '[{"index": 0}]', '[{"sky": "blue"}]'])
def test_a_page_that_is_no_list_of_gpus_is_no_answer(text: str) -> None:
    with pytest.raises(GpusUnreachable, match="no page of simulated GPUs"):
        gpus_from_json(text)


@pytest.mark.parametrize("field", ["profile", "driver"])
def test_gpus_of_a_newer_simulator_are_no_answer(field: str) -> None:
    (gpu,) = Fleet(replicas=1).gpus()
    page = json.dumps([{**dataclasses.asdict(gpu), field: "of tomorrow"}])
    with pytest.raises(GpusUnreachable, match="of tomorrow"):
        gpus_from_json(page)
