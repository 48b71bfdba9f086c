"""What a page of `instrument` says, easy to ask. Shared by the tests of it."""

from __future__ import annotations

from atlas_ops.instrument import Instrument
from tests.servers.page import samples

MODEL = "gen_ai_request_model"


def value(page: Instrument | str, name: str, **labels: str) -> float | None:
    """The one value of that name and those labels; None where there is none."""
    text = page if isinstance(page, str) else page.text()
    found = [sample.value for sample in samples(text, name) if labels.items() <= sample.labels.items()]
    assert len(found) <= 1, found
    return found[0] if found else None


def outcomes(page: Instrument | str, model: str = "m") -> dict[str, float]:
    """Requests of a model by how they ended, zeros included."""
    text = page if isinstance(page, str) else page.text()
    found = samples(text, "atlas_ops_requests_total")
    return {one.labels["outcome"]: one.value for one in found if one.labels[MODEL] == model}


def ended(page: Instrument | str, model: str = "m") -> dict[str, float]:
    """The same without the zeros."""
    return {outcome: count for outcome, count in outcomes(page, model).items() if count}


def failures(page: Instrument | str) -> float | None:
    return value(page, "atlas_ops_instrument_failures_total")
