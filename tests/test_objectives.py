"""What users were promised: what can be said in the settings, and what no rule could hold a server to."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops import settings
from atlas_ops.catalog.bounds import OwnBounds
from atlas_ops.catalog.faults.burn import PAGE_BURNS
from atlas_ops.catalog.parameters import Objective
from atlas_ops.errors import ConfigError
from atlas_ops.settings.objectives import MINIMUM_TARGET

PATTERNS = st.text(st.sampled_from("ab*?[!]"), min_size=1, max_size=5)


def mistakes(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as raised:
        settings.parse(text)
    return raised.value.mistakes


def objectives(text: str) -> tuple[Objective, ...]:
    return settings.parse(text).parameters.objectives


def test_every_promise_can_be_set_for_each_pattern_and_the_others_have_the_defaults() -> None:
    found = objectives(
        """
        objectives:
          - {model: "llama*", time_to_first_token_seconds: 1, time_to_first_token_target: 0.95}
          - {model: chat, request_duration_seconds: 30, request_duration_target: 0.98, availability_target: 0.9999}
          - {model: code, inter_token_latency_seconds: 0.1, inter_token_latency_target: 0.999, queue_wait_seconds: 4}
        """
    )
    assert found == (
        Objective(model="llama*", time_to_first_token_seconds=1, time_to_first_token_target=0.95),
        Objective(model="chat", request_duration_seconds=30, request_duration_target=0.98, availability_target=0.9999),
        Objective(
            model="code", inter_token_latency_seconds=0.1, inter_token_latency_target=0.999, queue_wait_seconds=4
        ),
        Objective(),
    )


def test_all_mistakes_of_objectives_are_told_together_each_with_its_line() -> None:
    found = mistakes(
        "servers: [{url: 'http://a:1', runtime: vllm, model: chat}]\n"
        "objectives:\n"
        "  - model: chat\n"
        "    availability_target: 1.2\n"
        "    request_duration_target: 0.5\n"
        "    time_to_first_token_seconds: 0.0001\n"
        "    request_duration_seconds: 0.05\n"
        "  - model: chat\n"
        "  - model: chta\n"
        "  - model: '*'\n"
        "  - model: late\n"
    )
    assert [text.partition(":")[0] for text in found] == [f"line {line}" for line in (4, 5, 6, 7, 8, 9, 11)]
    told = dict(zip((4, 5, 6, 7, 8, 9, 11), found, strict=True))
    assert "availability_target: expected a number above 0.931 and below 1, found 1.2" in told[4]
    assert "request_duration_target: expected a number above 0.931" in told[5]
    assert "no runtime has buckets around 0.0001 s" in told[6]
    assert "vllm: 0.001 to 2560 s" in told[6]
    assert "vllm, which serves chat, has no buckets around 0.05 s (0.3 to 7680 s)" in told[7]
    assert "two objectives for the pattern 'chat'; the second never counts" in told[8]
    assert "'chta' fits none of the models that this file names (chat)" in told[9]
    assert "'late' never counts, for the earlier pattern '*' takes all of it" in told[11]


def test_a_target_that_no_burn_rate_can_miss_is_refused() -> None:
    (found,) = mistakes("objectives: [{model: '*', time_to_first_token_target: 0.93}]")
    assert "above 0.931" in found
    assert PAGE_BURNS[0].factor * (1 - MINIMUM_TARGET) < 1


# --- thresholds and buckets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["time_to_first_token_seconds", "request_duration_seconds", "inter_token_latency_seconds"]
)
@pytest.mark.parametrize("seconds", [1e-6, 1e6])
def test_a_threshold_outside_the_buckets_of_every_runtime_is_refused_with_their_range(key: str, seconds: float) -> None:
    (found,) = mistakes(f"objectives: [{{model: chat, {key}: {seconds:f}}}]")
    assert f"{key}: no runtime has buckets around {seconds:g} s" in found
    assert "vllm: " in found


def test_a_threshold_between_two_bounds_is_accepted_for_the_next_bound_is_judged() -> None:
    assert (
        objectives("objectives: [{model: chat, time_to_first_token_seconds: 2.2}]")[0].time_to_first_token_seconds
        == 2.2
    )


def test_a_threshold_outside_the_buckets_of_a_runtime_counts_only_for_models_that_it_is_said_to_serve() -> None:
    servers = "servers: [{url: 'http://a:1', runtime: vllm, model: chat}, {url: 'http://b:1', runtime: fastapi, model: rank}]\n"
    mine = "objectives: [{model: rank, request_duration_seconds: 0.05}, {model: '*', request_duration_seconds: 0.05}]"
    (found,) = mistakes(servers + mine)
    assert "objectives[1].request_duration_seconds: vllm, which serves chat" in found
    assert objectives("objectives: [{model: chat, request_duration_seconds: 0.05}]"), "nobody said what chat runs on"
    assert objectives(servers + "objectives: [{model: rank, request_duration_seconds: 0.05}]"), "chat keeps the default"


def test_bounds_of_ones_own_widen_what_can_be_promised() -> None:
    text = "bounds: [{runtime: nim_llm, signal: atlas_request_duration_seconds, seconds: [0.0000001, 1]}]\n"
    found = settings.parse(text + "objectives: [{model: chat, request_duration_seconds: 0.000001}]").parameters
    assert found.bounds == (OwnBounds(runtime="nim_llm", signal="atlas_request_duration_seconds", seconds=(1e-7, 1)),)


def test_bounds_that_are_none_are_refused() -> None:
    found = mistakes(
        "bounds:\n"
        "  - {runtime: nim, signal: atlas_request_duration_seconds, seconds: [1, 2]}\n"
        "  - {runtime: vllm, signal: atlas_prompt_tokens_total, seconds: [1, 2]}\n"
        "  - {runtime: vllm, signal: atlas_request_duration_seconds, seconds: [2, 1]}\n"
        "  - {runtime: sglang, signal: atlas_request_duration_seconds, seconds: [much]}\n"
        "  - {runtime: sglang, signal: atlas_request_duration_seconds}\n"
    )
    assert [text.partition(":")[0] for text in found] == ["line 2", "line 3", "line 4", "line 5", "line 6", "line 6"]
    for text, expected in zip(
        found,
        ("expected one of", "expected one of", "numbers that rise", "expected numbers", "is missing", "given twice"),
        strict=True,
    ):
        assert expected in text


# --- patterns ---------------------------------------------------------------------------------------------------------


def test_models_without_an_objective_of_their_own_have_the_default_one() -> None:
    assert objectives("objectives: [{model: a}]")[-1] == Objective()


def test_the_first_objective_that_matches_a_model_counts() -> None:
    matchers = [m for _, m in settings.parse("objectives: [{model: ab}, {model: 'a*'}]").parameters.by_model()]
    assert matchers == ['model=~"ab"', 'model=~"a.*", model!~"ab"', 'model!~"ab", model!~"a.*"']


@pytest.mark.parametrize(
    ("earlier", "later"), [("*", "a"), ("a*", "ab*"), ("a?c", "abc"), ("*a*", "?a"), ("a[bc]", "ab")]
)
def test_a_pattern_that_an_earlier_one_takes_all_of_is_refused(earlier: str, later: str) -> None:
    (found,) = mistakes(f"objectives: [{{model: '{earlier}'}}, {{model: '{later}'}}]")
    assert f"objectives[1].model: '{later}' never counts" in found
    assert "put this one first" in found


@given(earlier=PATTERNS, later=PATTERNS, name=st.text(st.sampled_from("ab"), max_size=5))
def test_a_pattern_that_still_has_a_name_to_itself_is_never_refused(earlier: str, later: str, name: str) -> None:
    if fnmatch.fnmatchcase(name, earlier) or not fnmatch.fnmatchcase(name, later):
        return
    assert len(objectives(f"objectives: [{{model: '{earlier}'}}, {{model: '{later}'}}]")) >= 2


@pytest.mark.parametrize(
    "others",
    [
        "{url: 'http://b:1'}]",
        "{url: 'http://b:1', probes: [{model: rank}]}]",
        "{url: 'http://b:1', model: x}]\ndiscovery: {files: [more.json]}",
        "{url: 'http://b:1', model: x}]\ndiscovery: {kubernetes: {namespaces: [chat]}}",
        "{url: 'http://b:1', model: x}]\nnative: [{runtime: vllm, elsewhere: true}]",
    ],
)
def test_a_pattern_is_not_held_against_the_models_of_the_file_when_there_may_be_others(others: str) -> None:
    assert objectives(f"servers: [{{url: 'http://a:1', model: chat}}, {others}\nobjectives: [{{model: lora-7}}]")


def test_a_pattern_may_fit_what_only_a_probe_names() -> None:
    servers = "servers: [{url: 'http://a:1', model: chat, probes: [{model: chat-v2}]}]\n"
    assert objectives(servers + "objectives: [{model: 'chat-v*'}]")
