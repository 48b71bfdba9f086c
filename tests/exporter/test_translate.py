"""Pages that are hostile or odd: repeated series, thousands of models, values and words that make no sense."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import conventions as c
from atlas_ops.catalog import signals as s
from atlas_ops.exporter.samples import Sample
from tests.exporter.pages import Told, histogram, parsed, series, text_of, told, translator


def test_series_that_a_router_repeats_are_not_counted_again() -> None:
    text = text_of("vllm/load-stream-1")
    repeated = text.replace('engine="0"', 'engine="0",server="http://10.0.0.9:8000"')
    both = told(text + repeated)
    assert both.value(s.REQUESTS_RUNNING) == told(text).value(s.REQUESTS_RUNNING)
    assert both.left_out["router_reexport"] > 100


def test_a_page_of_nothing_but_repeated_series_is_not_known() -> None:
    assert not told('vllm:num_requests_running{model_name="m",server="http://10.0.0.9:8000"} 3\n').samples


def named(prefix: str, number: int) -> str:
    return "".join(series("vllm:generation_tokens_total", n + 1, model_name=f"{prefix}{n}") for n in range(number))


def test_ten_thousand_models_become_a_few_and_the_rest() -> None:
    page = told(named("m", 10_000), max_models=64)
    found = page.values(s.GENERATION_TOKENS, "model")
    assert len(found) == 65
    assert found["m63"] == 64
    assert found[c.OVERFLOW] == sum(range(65, 10_001)), "nothing is lost"
    assert page.left_out["too_many_models"] == 10_000 - 64


def test_a_model_keeps_its_name_while_others_come_and_go() -> None:
    page = parsed(named("m", 2))
    speaker = translator(page, max_models=2)

    def models(samples: tuple[Sample, ...]) -> set[str]:
        return set(Told(samples, {}).values(s.GENERATION_TOKENS, "model"))

    assert models(speaker.translate(page)) == {"m0", "m1"}
    assert models(speaker.translate(parsed(named("a", 3) + named("m", 2)))) == {"m0", "m1", "other"}
    assert models(speaker.translate(parsed(named("a", 1) + named("m", 1)))) == {"m0", "a0"}, "a free place is taken"


def test_a_long_name_is_cut() -> None:
    page = told(series("vllm:num_requests_running", 1, model_name="x" * 10_000))
    (model,) = page.values(s.REQUESTS_RUNNING, "model")
    assert model == "x" * 256


@pytest.mark.parametrize("value", ["NaN", "-1", "+Inf", "-Inf"])
def test_values_that_make_no_sense_are_left_out(value: str) -> None:
    labels = '{model_name="m",engine="0"}'
    page = told(f"vllm:num_requests_running{labels} {value}\nvllm:num_requests_waiting{labels} 2\n")
    assert not page.has(s.REQUESTS_RUNNING), "absent, which is not 0"
    assert page.value(s.REQUESTS_WAITING) == 2
    assert page.left_out == {"nonsense_value": 1}


def test_a_word_for_an_outcome_that_nobody_knows_is_counted_as_left_out() -> None:
    page = told(series("vllm:request_success_total", 4, model_name="m", finished_reason="moonlight"))
    assert page.outcomes("m") == {}
    assert page.left_out == {"unknown_outcome": 1}


def test_without_a_model_name_a_page_of_several_models_is_not_guessed() -> None:
    two = named("m", 2) + series("vllm:cache_config_info", 1, block_size="16", num_gpu_blocks="100")
    page = told(two)
    assert not page.has(s.KV_CACHE_CAPACITY)
    assert page.left_out == {"no_model": 1}


def test_engines_with_other_bounds_are_added_up_over_the_bounds_that_they_share() -> None:
    page = told(
        histogram("vllm:time_to_first_token_seconds", (0.5, 1), model_name="m", engine="0")
        + histogram("vllm:time_to_first_token_seconds", (0.5, 2), model_name="m", engine="1")
    )
    assert page.values(s.TIME_TO_FIRST_TOKEN, "le", "_bucket") == {"0.5": 4, "+Inf": 8}


def test_a_series_that_is_on_the_page_twice_counts_once() -> None:
    line = series("vllm:num_requests_running", 3, model_name="m", engine="0")
    page = told(line + line.replace(" 3", " 4"))
    assert page.value(s.REQUESTS_RUNNING) == 3
    assert page.left_out == {"duplicate": 1}
