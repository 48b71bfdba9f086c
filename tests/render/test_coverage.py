"""The page of alerts says for whom each can fire, and every runbook how grave its fault may be."""

from __future__ import annotations

import re
from dataclasses import fields

from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.limits import Limits
from atlas_ops.catalog.parameters import Parameters
from atlas_ops.render import coverage, runbooks
from atlas_ops.settings import Settings

CATALOG = build_catalog(Parameters())


def row(fault: str) -> list[str]:
    page = coverage.render(CATALOG, Settings())[coverage.PATH]
    line = next(line for line in page.splitlines() if line.startswith(f"| [{fault}]"))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_an_alert_that_only_detectors_can_raise_says_so() -> None:
    assert [row(fault)[3] for fault in ("InputDrift", "DriftMonitorStale")] == ["all, when a watcher publishes it"] * 2
    assert row("GpuLost")[3] == "all (reads nothing that servers tell)"


def test_a_fault_with_a_page_and_a_ticket_says_both_the_graver_first() -> None:
    fault = CATALOG.fault("RequestLatencySloBurn")
    assert fault is not None
    assert row(fault.name)[1] == "page, ticket"
    assert "severity `page`, `ticket`\n" in runbooks.facts(fault)


def test_every_limit_that_can_be_set_is_told_with_the_value_that_it_has() -> None:
    mine = Settings(parameters=Parameters(limits=Limits(stall_seconds=1800)))
    page = coverage.render(CATALOG, mine)[coverage.PATH]
    told = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", page.partition("## Limits")[2], re.MULTILINE))
    assert set(told) == {entry.name for entry in fields(Limits)}
    assert (told["stall_seconds"], told["kv_cache_usage_ratio"]) == ("1,800", "0.9")
