from __future__ import annotations

from dataclasses import replace

import pytest

from atlas_ops.simulator.arrivals import Arrivals
from atlas_ops.simulator.traffic import RATE_VARIANCE, Lengths, Traffic

TRAFFIC = Traffic(
    requests_per_second=20.0,
    prompt_tokens=Lengths(median=500, sigma=1.0, maximum=2000),
    output_tokens=Lengths(median=100, sigma=1.0, maximum=4000),
    max_tokens=300,
    patience_seconds=10.0,
    shared_prefix_tokens=64,
)


def test_the_same_seed_gives_the_same_requests_and_another_seed_others() -> None:
    first, again, other = (Arrivals(seed).between(0, 60, TRAFFIC) for seed in ("1/0", "1/0", "1/1"))
    assert first == again
    assert first != other


def test_requests_come_in_order_inside_the_span_and_at_the_rate_that_was_asked_for() -> None:
    requests = Arrivals("rate").between(100, 1100, TRAFFIC)
    times = [request.arrived for request in requests]
    assert times == sorted(times)
    assert times[0] >= 100
    assert times[-1] < 1100
    assert len(requests) == pytest.approx(20_000, rel=0.03)


def test_cutting_a_span_into_pieces_changes_nothing() -> None:
    whole = Arrivals("cut").between(0, 10, TRAFFIC)
    arrivals = Arrivals("cut")
    pieces = [request for piece in range(100) for request in arrivals.between(piece / 10, (piece + 1) / 10, TRAFFIC)]
    assert [request.arrived for request in pieces] == pytest.approx([request.arrived for request in whole])


def test_a_new_rate_counts_from_the_moment_it_is_set() -> None:
    rare = replace(TRAFFIC, requests_per_second=0.001)
    arrivals = Arrivals("change")
    assert len(arrivals.between(0, 10, rare)) == 0
    assert len(arrivals.between(10, 11, replace(TRAFFIC, requests_per_second=1000))) > 800


def test_no_rate_means_no_requests() -> None:
    assert Arrivals("none").between(0, 1000, replace(TRAFFIC, requests_per_second=0)) == []


def test_lengths_keep_to_their_median_and_their_limits() -> None:
    requests = Arrivals("lengths").between(0, 200, TRAFFIC)
    prompts = sorted(request.prompt_tokens for request in requests)
    assert prompts[len(prompts) // 2] == pytest.approx(500, rel=0.1)
    assert prompts[-1] == 2000
    assert max(request.output_tokens for request in requests) == TRAFFIC.max_tokens


def test_an_answer_that_reaches_the_clients_limit_ends_for_its_length() -> None:
    reasons = {
        (request.output_tokens == request.max_tokens, request.finished_reason)
        for request in Arrivals("reasons").between(0, 100, TRAFFIC)
    }
    assert reasons == {(True, "length"), (False, "stop")}


def test_only_a_prompt_longer_than_the_shared_prefix_finds_it_in_the_cache() -> None:
    for request in Arrivals("prefix").between(0, 200, TRAFFIC):
        assert request.cached_tokens == (64 if request.prompt_tokens > 64 else 0)


def test_calm_traffic_wanders_as_that_of_a_public_trace_does() -> None:
    """What counts vary by beyond a Poisson process, relative to the squared mean, in spans that begin anywhere."""
    wandering = replace(TRAFFIC, requests_per_second=1.5, rate_variance=RATE_VARIANCE)
    arrivals, times = Arrivals("wander"), []
    for hour in range(30):
        times += [request.arrived for request in arrivals.between(hour * 3600, hour * 3600 + 3600, wandering)]
    for span, of_trace in ((60, 0.045), (120, 0.043), (300, 0.033), (600, 0.023)):
        counts = [0] * (30 * 3600 // span)
        for moment in times:
            counts[int((moment - 137) // span)] += 1  # not in step with the rate
        mean = sum(counts) / len(counts)
        variance = sum((count - mean) ** 2 for count in counts) / len(counts)
        assert (variance - mean) / mean**2 == pytest.approx(of_trace, abs=0.01), span


def test_a_rate_does_not_depend_on_what_came_before() -> None:
    wandering = replace(TRAFFIC, rate_variance=RATE_VARIANCE)
    arrivals = Arrivals("jump")
    arrivals.between(0, 10, replace(wandering, requests_per_second=500.0))
    late = len(arrivals.between(3000, 3300, wandering))
    assert late == pytest.approx(len(Arrivals("jump").between(3000, 3300, wandering)), rel=0.05)
