"""The checks of the shipped runbooks, asked of a real Prometheus: each is understood, and none finds a cause in nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.model import Fault
from atlas_ops.pager.diagnosis import checks
from atlas_ops.pager.diagnosis.ask import diagnose
from atlas_ops.pager.diagnosis.verdict import Finding, Standing
from atlas_ops.rehearsal.replay import Replay

ROOT = Path(__file__).parents[3]
FAULTS = [fault for fault in build_catalog().faults if checks.read((ROOT / fault.runbook).read_text(), fault.runbook)]
OF_ABSENCE = ("absent(",)
"""What a check asks that is about something which is gone: for it, nothing is the evidence."""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    with Replay.started(tmp_path_factory.mktemp("prometheus")) as started:
        yield started


def findings(replay: Replay, fault: Fault, values: Mapping[str, str]) -> tuple[Finding, ...]:
    read = checks.read((ROOT / fault.runbook).read_text(encoding="utf-8"), fault.runbook)
    return diagnose(read, values, replay.prometheus.query, seconds=60).findings


@pytest.mark.parametrize("labelled", [True, False], ids=["with every label", "with none"])
def test_where_there_is_no_data_no_cause_is_likely_but_that_something_is_gone(empty: Replay, *, labelled: bool) -> None:
    for fault in FAULTS:
        for one in findings(empty, fault, dict.fromkeys(fault.alert_labels, "it") if labelled else {}):
            assert one.told != "Prometheus did not answer in time"
            assert "could not be" not in one.told, f"{fault.name}: {one.cause}: {one.told}"
            of_absence = one.query.startswith(OF_ABSENCE)
            assert (one.standing is Standing.LIKELY) is of_absence, f"{fault.name}: {one.cause}: {one.told}"
