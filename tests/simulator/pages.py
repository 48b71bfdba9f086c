"""Reads the simulator's pages the way a monitoring system does."""

from __future__ import annotations

from atlas_ops.simulator.fleet import Fleet


def value(page: str, name: str, **labels: str) -> float:
    """Return the sum of the samples of this name that carry these labels."""
    wanted = [f'{label}="{text}"' for label, text in labels.items()]
    lines = (line for line in page.splitlines() if line.startswith((f"{name}{{", f"{name} ")))
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(pair in line for pair in wanted))


def running(page: str) -> float:
    return value(page, "vllm:num_requests_running")


def waiting(page: str) -> float:
    return value(page, "vllm:num_requests_waiting")


def finished(page: str) -> float:
    return value(page, "vllm:request_success_total")


def tokens(page: str) -> float:
    return value(page, "vllm:generation_tokens_total")


def preemptions(page: str) -> float:
    return value(page, "vllm:num_preemptions_total")


def kv_usage(page: str) -> float:
    return value(page, "vllm:kv_cache_usage_perc")


def slow_starts(page: str, bound: str) -> float:
    """Return how many requests had their first token later than a bucket bound."""
    name = "vllm:time_to_first_token_seconds"
    return value(page, f"{name}_count") - value(page, f"{name}_bucket", le=bound)


def seconds(fleet: Fleet, count: int, server: int = 0) -> list[str]:
    """Let `count` seconds pass and return the page of a server after each."""
    pages = []
    for _ in range(count):
        fleet.advance(1)
        pages.append(fleet.page(server))
    return pages
