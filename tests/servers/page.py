"""What a server's own metrics page says, read with Prometheus's parser and none of ours."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeVar

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

PATIENCE = 20.0
"""Servers count an answer a moment after its client has it, and some of them once in a while."""

Told = TypeVar("Told")


def fetch(url: str) -> str:
    """Return the page at `url`."""
    with client(url) as asking:
        return asking.get(url).raise_for_status().text


def client(url: str, **headers: str) -> httpx.Client:
    """Return a client for a server on loopback; without the certificates of the world, which take 50 ms to load."""
    return httpx.Client(base_url=url, headers=headers, timeout=PATIENCE, trust_env=False, verify=False)


def samples(text: str, name: str) -> Iterator[Sample]:
    """Return the samples of that name, the suffix included."""
    for family in text_string_to_metric_families(text):
        yield from (sample for sample in family.samples if sample.name == name)


def counts(text: str, name: str, label: str) -> Counter[str]:
    """Return how much of `name` there is for each value of `label`, without the zeros."""
    found: Counter[str] = Counter()
    for sample in samples(text, name):
        found[sample.labels.get(label, "")] += int(sample.value)
    return +found


def settled(read: Callable[[], Told], expected: object) -> Told:
    """Read until there is what is expected, or nobody would wait any longer; return what was read last."""
    deadline = time.monotonic() + PATIENCE
    while (told := read()) != expected and time.monotonic() < deadline:
        time.sleep(0.05)
    return told
