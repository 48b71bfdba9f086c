"""The pager's console in a real browser: dark and light, on a phone and on a desk, by keyboard alone, with hostile labels."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from atlas_ops.pager.access.gate import SESSION_COOKIE
from tests.pager.console_rig import SECRET, scene
from tests.pager.notes import alert

from .console_night import Night, night

PAGES = {
    "open": "/", "some": "/?severity=page&text=llama", "history": "/history", "noise": "/noise?days=30",
    "incident": "/incidents/{backlog}", "hostile": "/incidents/{hostile}", "runbooks": "/runbooks",
    "found": "/runbooks?text=kv+cache", "runbook": "/runbooks/QueueBacklog", "missing": "/nowhere",
}  # fmt: skip
Scheme = Literal["light", "dark"]
PHONE: ViewportSize = {"width": 360, "height": 740}
DESK: ViewportSize = {"width": 1200, "height": 900}
_CONTRAST = """
() => {
  // Every text that is seen, with the contrast of its colour and what lies behind it (WCAG 2, relative luminance).
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = channels(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || !element.checkVisibility() || element.closest(".unseen, .skip, script, option")) continue;
    const [one, other] = [light(channels(getComputedStyle(element).color).slice(0, 3)), light(behind(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) poor.push(`${contrast.toFixed(2)}: ${text.slice(0, 40)}`);
  }
  return poor;
}
"""
_NAMELESS = """
() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, img")].filter((one) => {
  const named = one.textContent.trim() || one.getAttribute("aria-label") || one.alt || one.labels?.length;
  return !named;
}).map((one) => one.outerHTML)
"""


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    with night(tmp_path_factory.mktemp("night")) as found:
        yield found


@contextmanager
def window(browser: Browser, size: ViewportSize, scheme: Scheme = "light", *, scripts: bool = True) -> Iterator[Page]:
    context = browser.new_context(viewport=size, color_scheme=scheme, java_script_enabled=scripts, timezone_id="UTC")
    try:
        yield context.new_page()
    finally:
        context.close()


def complaints(page: Page) -> list[str]:
    """Return a list that grows with whatever goes wrong on a page."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: found.append(dialog.message))
    return found


def address(shift: Night, name: str) -> str:
    return shift.url + PAGES[name].format(backlog=shift.backlog, hostile=shift.hostile)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_is_readable_and_complains_of_nothing(
    name: str, size: ViewportSize, scheme: Scheme, shift: Night, browser: Browser, screenshots: Path
) -> None:
    with window(browser, size, scheme) as page:
        found = complaints(page)
        page.goto(address(shift, name), wait_until="networkidle")
        page.screenshot(path=screenshots / "pager" / f"{name}-{scheme}-{size['width']}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        assert page.evaluate(_CONTRAST) == []
        assert page.evaluate(_NAMELESS) == []
        assert page.locator("h1").count() == 1
        assert page.locator("main").count() == 1
        assert [text for text in found if name != "missing" or "404" not in text] == []
        assert page.evaluate("window.broken") is None


def test_the_pictures_of_the_documents(shift: Night, browser: Browser, screenshots: Path) -> None:
    pictures: tuple[tuple[str, str, ViewportSize, Scheme], ...] = (
        ("pager-incident.png", "incident", {"width": 900, "height": 1740}, "light"),
        ("pager-phone.png", "incident", {"width": 360, "height": 1100}, "dark"),
        ("pager-noise.png", "noise", {"width": 900, "height": 484}, "light"),
    )
    for file, name, size, scheme in pictures:
        with window(browser, size, scheme) as page:
            page.goto(address(shift, name), wait_until="networkidle")
            page.screenshot(path=screenshots / file)
            assert (screenshots / file).stat().st_size < 300_000


def _focused(page: Page) -> str:
    found: str = page.evaluate("document.activeElement.textContent.trim()")
    return found


def _tab_to(page: Page, words: str) -> None:
    for _ in range(60):
        page.keyboard.press("Tab")
        if _focused(page) == words:
            return
    raise AssertionError(f"no Tab leads to {words!r}")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
def test_by_keyboard_alone_an_incident_is_opened_silenced_and_the_silence_ended(
    scripts: bool, shift: Night, browser: Browser
) -> None:
    with window(browser, PHONE, scripts=scripts) as page:
        page.goto(f"{shift.url}/?fault=KvCachePressure")
        page.keyboard.press("Tab")
        if scripts:
            assert _focused(page) == "Skip to the content"
        page.keyboard.press("Enter")
        link = page.locator("main .list a").first
        link.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/incidents/*")
        for words, said in (("Silence for 30 min", "silenced it until"), ("End the silence", "ended the silence")):
            if scripts:
                _tab_to(page, words)
            else:
                page.get_by_role("button", name=words).focus()
            with page.expect_navigation(url="**?told=*"):  # the address before it has the same form
                page.keyboard.press("Enter")
            assert said in page.get_by_role("status").first.inner_text()


def test_where_the_focus_is_can_be_seen(shift: Night, browser: Browser) -> None:
    with window(browser, DESK) as page:
        page.goto(address(shift, "incident"))
        for _ in range(25):
            page.keyboard.press("Tab")
            seen = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert seen == "solid", page.evaluate("document.activeElement.outerHTML")


def test_a_command_is_copied_whole_with_its_labels_filled_in(shift: Night, browser: Browser) -> None:
    with window(browser, DESK) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(address(shift, "incident"))
        button = page.get_by_role("button", name="Copy: kubectl -n chat").first
        command = button.evaluate("one => one.previousElementSibling.textContent.trim()")
        button.focus()
        page.keyboard.press("Enter")
        # No function of ours: the policy of the page runs no strings.
        expect(page.locator("p.unseen")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == command
        assert "llama-70b-7d9f" in page.locator("main").inner_text()


def test_without_scripts_there_are_no_buttons_that_do_nothing(shift: Night, browser: Browser) -> None:
    with window(browser, DESK, scripts=False) as page:
        page.goto(address(shift, "incident"))
        assert page.locator("button.copy").count() == 0
        assert page.locator(".runbook pre code").count() > 3


def test_the_chart_is_shown_in_the_colours_of_the_page(shift: Night, browser: Browser) -> None:
    schemes: tuple[Scheme, ...] = ("light", "dark")
    for scheme in schemes:
        with window(browser, DESK, scheme) as page:
            page.goto(address(shift, "incident"), wait_until="networkidle")
            chart = page.locator("img.chart")
            assert chart.evaluate("one => one.complete && one.naturalWidth > 0")
            assert ("dark=1" in chart.evaluate("one => one.currentSrc")) == (scheme == "dark")


@contextmanager
def another_site(link: str) -> Iterator[str]:
    """Serve a page of another site that has a link, as Slack has one to an incident."""
    page = f'<!doctype html><a href="{link}">the incident</a><form method="post" action="{link}/deeds"><button>lure</button></form>'

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_who_is_logged_in_comes_from_a_link_of_another_site_straight_to_the_incident(
    browser: Browser, tmp_path: Path
) -> None:
    with scene(tmp_path, token=True) as pager, window(browser, DESK) as page:
        found = pager.hear(alert())
        link = f"{str(pager.client.base_url).rstrip('/')}/incidents/{found}"
        page.goto(link)
        page.get_by_label("Your name").fill("Jane")
        page.get_by_label("Token").fill(SECRET)
        page.keyboard.press("Enter")
        page.wait_for_url(link)
        (cookie,) = (one for one in page.context.cookies() if one["name"] == SESSION_COOKIE)
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        with another_site(link) as elsewhere:
            page.goto(elsewhere)
            page.get_by_text("the incident").click()
            page.wait_for_selector("text=Acknowledge")
            assert page.url == link
            page.goto(elsewhere)
            page.get_by_role("button", name="lure").click()
            page.wait_for_load_state()
            assert "Nothing was changed" in page.locator("main").inner_text()
        page.goto(link)
        page.get_by_role("button", name="Acknowledge").click()
        page.wait_for_selector("text=Jane is on it")
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")
        page.goto(link)
        page.wait_for_url("**/login?next=*")
