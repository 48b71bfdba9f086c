"""What pages of a live BentoML 1.4.39 must become."""

from __future__ import annotations

import pytest

from atlas_ops.catalog import signals as s
from tests.exporter.pages import told_of


def test_outcomes_are_those_that_clients_saw() -> None:
    page = told_of("bentoml/fail_after")
    assert page.outcomes("Doubler") == {"ok": 823, "rejected": 18, "timeout": 3, "error": 8}
    assert page.left_out["no_event"] == 3, "400 on two endpoints, and 404"
    assert page.value(s.REQUEST_DURATION, "_count") == 823, "answers that fail would flatter the percentiles"
    assert page.value(s.REQUEST_DURATION, "_sum") == pytest.approx(24.823381 + 36.563617)
    assert (page.value(s.BATCHES), page.value(s.BATCHED_REQUESTS)) == (135, 322)
    assert page.value(s.SERVER_INFO, version=">=1.4.18") == 1


def test_health_checks_are_no_requests() -> None:
    page = told_of("bentoml/idle")
    assert page.outcomes("Doubler") == {}
    assert page.value(s.REQUESTS_RUNNING) == 0
    assert not page.has(s.REQUEST_DURATION)
    assert page.left_out["health_check"] == 20
    labels = {label for sample in told_of("bentoml/fail_after").samples for _, label in sample.labels}
    assert not any("/" in label for label in labels), "paths are chosen by clients"
