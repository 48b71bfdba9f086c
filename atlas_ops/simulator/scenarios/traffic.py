"""The kinds of traffic that scenarios send to each server."""

from __future__ import annotations

from dataclasses import replace

from atlas_ops.simulator.effects import Effect
from atlas_ops.simulator.traffic import RATE_VARIANCE, Lengths, Traffic

# The means of a public trace of a chat service (Azure LLM inference 2023): 1,155 prompt and 211 output tokens.
CHAT = Traffic(
    requests_per_second=4.0,
    prompt_tokens=Lengths(median=840, sigma=0.8, maximum=6144),
    output_tokens=Lengths(median=153, sigma=0.8, maximum=2048),
    max_tokens=1024,
    patience_seconds=8.0,
    shared_prefix_tokens=256,
)
# Long enough that the cache is full before the slots are, growing enough while they are answered that running ones are
# thrown out, and so impatient that the queue stays short: what is missing is cache.
DOCUMENTS = replace(
    CHAT,
    requests_per_second=7.0,
    prompt_tokens=Lengths(median=1800, sigma=0.3, maximum=6144),
    output_tokens=Lengths(median=700, sigma=0.6, maximum=2048),
    max_tokens=1536,
    patience_seconds=3.0,
)
# So short that 64 of them take a third of the cache: the slots are what runs out. The clients' patience bounds the queue,
# and lets it empty within that time once they stop coming, however long the crowd has lasted.
CROWD = replace(
    CHAT,
    requests_per_second=70.0,
    prompt_tokens=Lengths(median=300, sigma=0.5, maximum=2048),
    output_tokens=Lengths(median=180, sigma=0.4, maximum=1024),
    patience_seconds=20.0,
)
# Prompts that fill seven eighths of the cache and answers too short to grow out of it.
REPORTS = replace(
    CHAT,
    requests_per_second=4.0,
    prompt_tokens=Lengths(median=4500, sigma=0.05, maximum=6144),
    output_tokens=Lengths(median=250, sigma=0.05, maximum=512),
    patience_seconds=1.0,
)
# The rate of real users wanders; where a scenario is about its load, it does not.
CALM = Effect(traffic=replace(CHAT, rate_variance=RATE_VARIANCE))
NOBODY = Effect(traffic=replace(CHAT, requests_per_second=0.0))
# For hours in which only a GPU matters.
LIGHT = Effect(traffic=replace(CHAT, requests_per_second=0.5))
