"""A dashboard as it stands in the browser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page

SETTLE_MS = 120_000
EVERYTHING = Path("build/screenshots")
"""Where pictures go that are only looked at."""
_STEADY = """
() => {
  // All is answered, and has been for long enough to be painted: the choices in the address are looked up once more at first.
  const done = document.documentElement.dataset.settled === 'true' && !document.querySelector('[aria-label="Panel loading bar"]');
  window.doneSince = done ? window.doneSince ?? performance.now() : undefined;
  return done && performance.now() - window.doneSince > 700;
}
"""
_PICTURES = """
(panel, [from, to]) => {
  // The picture of a stretch of time (shares of the width): the mean colour of each of its lines, from left to right.
  const canvas = panel.querySelector('canvas');
  const outer = canvas.getBoundingClientRect();
  const area = panel.querySelector('.u-over')?.getBoundingClientRect() ?? outer;
  const scale = canvas.width / outer.width;
  const [left, width] = [(area.left - outer.left) * scale, area.width * scale];
  const [top, height] = [(area.top - outer.top) * scale, area.height * scale].map(Math.round);
  const picture = (start, end) => {
    const x = Math.round(left + start * width), wide = Math.max(1, Math.round((end - start) * width));
    const { data } = canvas.getContext('2d').getImageData(x, top, wide, height);
    const sums = new Float64Array(height * 3);
    for (let place = 0; place < data.length; place += 4) {
      const line = Math.floor(place / 4 / wide);
      const share = data[place + 3] / 255 / wide;
      for (let channel = 0; channel < 3; channel++) sums[line * 3 + channel] += data[place + channel] * share;
    }
    return sums;
  };
  const half = (to - from) / 2, before = Math.min(half, 0.4 * from);
  const calm = [picture(from - 2 * before, from - before), picture(from - before, from)];
  const fault = [picture(from, from + half), picture(from + half, to)];
  const apart = (one, other) => one.reduce((sum, value, place) => sum + Math.abs(value - other[place]), 0) / height;
  return [apart(...calm), Math.max(...fault.map((one) => Math.min(...calm.map((other) => apart(one, other)))))];
}
"""


class Shown:
    """An opened dashboard, with all of its data."""

    def __init__(self, page: Page, errors: list[str]) -> None:
        self._page = page
        self._errors = errors

    @classmethod
    def opened(cls, page: Page, url: str, query: Mapping[str, float | str]) -> Shown:
        """Open a dashboard and wait until every panel has its answer. Times in Unix seconds."""
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        moments = {name: str(round(float(query[name]) * 1000)) for name in ("from", "to")}
        page.goto(f"{url}?{urlencode({**query, **moments})}", timeout=SETTLE_MS)
        cls._settle(page)
        return cls(page, errors)

    @staticmethod
    def _settle(page: Page) -> None:
        page.wait_for_function(_STEADY, timeout=SETTLE_MS)

    @property
    def panels(self) -> dict[str, Locator]:
        """Every panel by its title."""
        found = self._page.locator("[data-panel]").all()
        return {panel.locator("h2").first.inner_text() if panel.locator("h2").count() else "": panel for panel in found}

    @property
    def headings(self) -> list[str]:
        """The titles of the rows."""
        found: list[str] = self._page.locator("[data-row]").all_inner_texts()
        return [text.strip() for text in found if text.strip()]

    @property
    def complaints(self) -> list[str]:
        """What is wrong: errors of queries and of panels, exceptions of the page."""
        marks = self._page.locator('[data-testid*="Panel status error"], [data-testid*="Alert error"]')
        return [*self._errors, *(mark.locator("xpath=ancestor::*[@data-panel]").inner_text() for mark in marks.all())]

    @property
    def missing(self) -> list[str]:
        """What the preview itself says that it does not show."""
        found: list[str] = self._page.locator("[data-missing]").all_inner_texts()
        return found

    def without_annotations(self) -> Shown:
        """Switch the annotations off, and return this dashboard."""
        switches = self._page.locator("main input[type=checkbox]:checked")
        switches.evaluate_all("switches => switches.forEach((one) => one.click())")
        self._settle(self._page)
        return self

    def screenshot(self, path: Path, *, whole: bool = False) -> None:
        """Take a picture of what the window shows, or of the whole page."""
        self._page.screenshot(path=path, full_page=whole)

    @property
    def text(self) -> str:
        """Everything that can be read on it."""
        return str(self._page.locator("main").inner_text())

    def differences(self, *, fault_from: float, fault_to: float) -> tuple[float, float]:
        """Return how far the halves of the calm look apart, and how far a half of the fault looks from all that is calm.

        For a page of one panel. Times are shares of its width. The calm is what lies just before the fault: as long
        as that, or most of what there is; the scale of values is the same.
        """
        panel = self._page.locator("[data-panel]").first
        calm, fault = panel.evaluate(_PICTURES, [fault_from, fault_to])
        return float(calm), float(fault)
