"""Every fault in a browser: the panel that its alert links to looks otherwise than before it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page

from atlas_ops.catalog import build_catalog
from atlas_ops.catalog.model import Fault
from atlas_ops.render import links
from atlas_ops.render.dashboards import panels
from atlas_ops.settings import Settings
from atlas_ops.simulator import SCENARIOS, Scenario, scenario_by_name

from .rehearsed import Rehearsed, rehearsed
from .shown import EVERYTHING, Shown

FAULTS = [scenario for scenario in SCENARIOS if scenario.expected_fault]
LEAST = 0.5
"""Of a difference that an eye sees: a thin line that moves makes about 1.5."""


def chosen(fault: Fault, found: Rehearsed, settings: Settings) -> dict[str, str]:
    """What the link of the first alert chooses above the dashboard."""
    alert = min((one for one in found.firings if one.name == fault.name), key=lambda one: one.start)
    choices = re.findall(r"\$labels\.(\w+) }}&var-(\w+)=", links.chart(fault.rules[0], fault, settings))
    return {f"var-{name}": value for label, name in choices if (value := alert.labels.get(label))}


@pytest.mark.parametrize("scenario", FAULTS, ids=lambda scenario: scenario.name)
def test_the_panel_that_an_alert_links_to_shows_the_fault(
    scenario: Scenario, settings: Settings, built: Path, tmp_path: Path, page: Page
) -> None:
    fault = next(one for one in build_catalog(settings.parameters).faults if one.name == scenario.expected_fault)
    uid = links.uid(links.BOARD_OF_FAMILY[fault.family])
    panel = str(panels.panel_id(panels.of_fault(fault)))
    with rehearsed(scenario.name, settings, built, tmp_path) as found:
        play = found.play
        moments = {"from": play.began, "to": play.evaluations.end}
        query: dict[str, float | str] = {**moments, "viewPanel": panel, **chosen(fault, found, settings)}
        shown = Shown.opened(page, f"{found.url}/d/{uid}", query)
        shown.screenshot(EVERYTHING / "faults" / f"{scenario.name}.png")
        assert shown.complaints == []

        def share(time: float) -> float:
            return (time - play.began) / (play.evaluations.end - play.began)

        # The alert itself is drawn across the chart; here the measured values alone have to show it.
        calm, changed = shown.without_annotations().differences(
            fault_from=share(play.fault_from), fault_to=share(play.fault_to)
        )
    assert changed > max(2 * calm, LEAST), f"{calm=:.2f} {changed=:.2f}"


def test_the_dashboard_of_an_incident_shows_the_alert_that_leads_there(
    settings: Settings, built: Path, tmp_path: Path, page: Page, screenshots: Path
) -> None:
    scenario = scenario_by_name("kv_pressure")
    with rehearsed(scenario.name, settings, built, tmp_path) as found:
        query = {"from": found.play.fault_from - 1800, "to": found.play.fault_to}
        address = f"{found.url}/d/{links.uid(links.INCIDENT)}"
        chosen = Shown.opened(page, address, {**query, "var-alertname": str(scenario.expected_fault)})
        chosen.screenshot(screenshots / "incident.png")
        assert chosen.complaints == []
        for title in ("The chosen alerts", "Alerts on the same nodes and models"):
            assert str(scenario.expected_fault) in chosen.panels[title].inner_text()
