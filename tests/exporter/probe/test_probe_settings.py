"""What a user can set for a probe, and which mistakes are told."""

from __future__ import annotations

import pytest

from atlas_ops import settings
from atlas_ops.errors import ConfigError
from atlas_ops.settings import Probe

START = "servers:\n  - url: http://10.0.0.5:8000\n    probes:\n"


def read(*probes: str) -> tuple[Probe, ...]:
    (server,) = settings.parse(START + "".join(f"      - {{{probe}}}\n" for probe in probes)).servers
    return server.probes


def test_a_model_is_all_that_a_probe_needs() -> None:
    assert read("model: llama") == (Probe(model="llama"),)


def test_one_model_may_be_asked_by_several_apis() -> None:
    assert len(read("model: llama", "model: llama, api: openai-chat", "model: mistral")) == 3


@pytest.mark.parametrize(
    ("probes", "mistake"),
    [
        (["api: v2"], "probes[0].model: is missing"),
        (["model: llama", "model: llama, path: /elsewhere"], "two probes of 'llama' by openai"),
        (["model: m, api: bentoml"], "probes[0].path: is missing; BentoML's endpoints are named after"),
        (["model: m, path: v1/x"], "probes[0].path: expected a path from the root of the server, such as /v1/x"),
        (["model: m, api: grpc"], "probes[0].api: expected one of openai, openai-chat, v2"),
        (["model: m, interval_seconds: 0.5"], "probes[0].interval_seconds: expected"),
    ],
)
def test_a_mistake_is_told_with_what_was_expected(probes: list[str], mistake: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(*probes)
    assert mistake in str(raised.value)
