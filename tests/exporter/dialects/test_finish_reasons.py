"""Why answers end, as each runtime that counts it says it: in words that are the same for all, and there before the first of them."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.catalog.dialects import shipped_dialects
from tests.exporter.dialects.native import page
from tests.exporter.pages import Told, series, text_of, told, told_of


def reasons(told: Told) -> dict[str, float]:
    return told.values(s.REQUESTS_FINISHED, "reason")


def test_a_page_of_a_real_vllm_has_every_reason_from_the_start() -> None:
    nothing = dict.fromkeys(("stop", "length", "repetition", "cancelled", "error", "unknown"), 0.0)
    assert reasons(told_of("vllm/idle-fresh")) == nothing
    assert reasons(told_of("vllm/load-stream-1")) == nothing | {"length": 17.0}


def test_engines_of_one_server_are_added_up() -> None:
    assert reasons(told_of("vllm/dp2-api2-after"))["length"] == 67 + 68


@pytest.mark.parametrize("runtime", ["vllm", "lmdeploy", "trtllm_serve", "nim_llm"])
def test_what_can_be_told_is_the_same_whatever_has_happened(runtime: str) -> None:
    """Servers of one runtime can be added up, and a reason that is met for the first time is no new series."""
    (dialect,) = (dialect for dialect in shipped_dialects() if dialect.runtime == runtime)
    entry = dialect.entry(s.REQUESTS_FINISHED)
    assert entry is not None
    assert set(entry.ends) <= set(c.FINISH_REASONS)
    assert set(reasons(told(page(runtime)))) == set(entry.ends)


def test_lmdeploy_tells_no_stop_from_a_cut_and_what_it_refused_is_refused() -> None:
    assert reasons(told_of("lmdeploy/load")) == {
        "done": 20.0, "cancelled": 0.0, "rejected": 0.0, "error": 0.0, "unknown": 0.0,
    }  # fmt: skip
    before = 'finished_reason="ResponseType.INPUT_LENGTH_ERROR",model_name="tiny-llama"} 0.0'
    refused = told(text_of("lmdeploy/load").replace(before, before.replace(" 0.0", " 7.0")))
    assert reasons(refused)["rejected"] == 7


def test_tensorrt_llm_has_several_words_for_a_stop_in_either_release() -> None:
    ends = {"stop": 5, "end_id": 3, "stop_words": 2, "length": 4, "timeout": 1}
    for name, who in (("trtllm_request_success_total", "m"), ("request_success_total", "undefined")):
        text = "".join(
            series(name, n, model_name=who, engine_type="trtllm", finished_reason=reason) for reason, n in ends.items()
        )
        found = reasons(
            told(text + page("trtllm_serve", without=["trtllm_request_success_total", "request_success_total"]))
        )
        assert {reason: number for reason, number in found.items() if number} == {"stop": 10, "length": 4, "timeout": 1}


def test_a_reason_that_the_dialect_does_not_know_is_unknown_and_a_label_of_its_own_is_not() -> None:
    page = told(
        "".join(
            series("vllm:request_success_total", n, model_name="m", finished_reason=reason)
            for reason, n in (("stop", 9), ("moonlight", 3), ("starlight", 1), ("", 1))
        )
    )
    assert {reason: number for reason, number in reasons(page).items() if number} == {"stop": 9, "unknown": 5}


def test_vllm_under_ray_tells_them_too() -> None:
    who = {"model_name": "m", "ReplicaId": "a"}
    page = told(series("ray_vllm_request_success_total", 4, **who, finished_reason="length"))
    assert reasons(page)["length"] == 4
    assert reasons(page)["stop"] == 0


def test_a_runtime_that_counts_none_has_none() -> None:
    assert not told_of("triton/load_after").has(s.REQUESTS_FINISHED)
