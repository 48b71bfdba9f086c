"""How a request ended is told from the exception that ended it."""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue

import pytest
from fastapi import HTTPException
from starlette.requests import ClientDisconnect

from atlas_ops.catalog import conventions
from atlas_ops.instrument.outcome import OUTCOMES, outcome_of


def test_the_outcomes_are_those_of_the_contract() -> None:
    assert OUTCOMES == conventions.OUTCOMES


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "ok"),
        (ZeroDivisionError(), "error"),
        (TimeoutError(), "timeout"),
        (concurrent.futures.TimeoutError(), "timeout"),
        (queue.Full(), "rejected"),
        (asyncio.QueueFull(), "rejected"),
        (asyncio.CancelledError(), "cancelled"),
        (GeneratorExit(), "cancelled"),
        (SystemExit(), "cancelled"),
        (ClientDisconnect(), "cancelled"),
    ],
)
def test_an_exception_says_how_a_request_ended(error: BaseException | None, outcome: str) -> None:
    assert outcome_of(error) == outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (304, "ok"),
        (400, "ignored"),
        (404, "ignored"),
        (408, "timeout"),
        (422, "ignored"),
        (429, "rejected"),
        (499, "cancelled"),
        (500, "error"),
        (503, "error"),
        (504, "timeout"),
    ],
)
def test_an_exception_with_an_http_status_means_what_the_status_means(status: int, outcome: str) -> None:
    assert outcome_of(HTTPException(status)) == outcome
