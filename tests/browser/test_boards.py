"""Every dashboard in a browser, with the data of a fleet at which nothing is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page

from atlas_ops import settings as settings_module
from atlas_ops.catalog import build_catalog
from atlas_ops.render import dashboards, links

from .rehearsed import Rehearsed
from .shown import EVERYTHING, Shown

_DEFAULT = settings_module.parse("")
BOARDS = {
    path: json.loads(text) for path, text in dashboards.render(build_catalog(_DEFAULT.parameters), _DEFAULT).items()
}


LEFT_OUT = {"not shown in the preview: targets.exemplar"}
"""The page says it itself, in the panels concerned."""


@pytest.mark.parametrize("path", BOARDS)
def test_a_dashboard_is_drawn_without_an_error_and_all_of_it_is_shown(
    path: str, calm: Rehearsed, page: Page, screenshots: Path
) -> None:
    board = BOARDS[path]
    end = calm.play.fault_to
    shown = Shown.opened(page, f"{calm.url}/d/{board['uid']}", {"from": end - 3600, "to": end})
    name = f"{Path(path).stem}.png"
    if board["uid"] != links.uid(links.INCIDENT):  # there is a picture of it with an incident, see `test_faults`
        shown.screenshot(screenshots / name)
    shown.screenshot(EVERYTHING / "whole" / name, whole=True)
    assert shown.complaints == []
    assert set(shown.missing) <= LEFT_OUT
    assert {panel["title"] for panel in board["panels"] if panel["type"] != "row"} <= shown.panels.keys()


def test_the_panels_of_alerts_say_that_nothing_fires(calm: Rehearsed, page: Page) -> None:
    end = calm.play.fault_to
    shown = Shown.opened(page, f"{calm.url}/d/{links.uid('fleet')}", {"from": end - 3600, "to": end})
    for title in ("What fires, and since when", "Alerts that fire"):
        assert shown.panels[title].inner_text().endswith("Nothing fires")
