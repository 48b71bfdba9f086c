"""The browser, the built page, and where pictures go."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from atlas_ops import settings as settings_module
from atlas_ops.settings import Settings
from atlas_ops.stage.preview import PAGE, built_page

from .rehearsed import Rehearsed, rehearsed

WIDTH, HEIGHT = 1500, 1000
"""Of the window; a screenshot is as high as the page."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say where the pictures of the documents go; those of everything stay in build/."""
    parser.addoption("--screenshots", type=Path, default=Path("build/screenshots"), metavar="DIR")


@pytest.fixture(scope="session")
def screenshots(pytestconfig: pytest.Config) -> Path:
    folder: Path = pytestconfig.getoption("--screenshots")
    return folder


@pytest.fixture(scope="session")
def settings() -> Settings:
    return settings_module.parse("")


@pytest.fixture(scope="session")
def built() -> Path:
    """Return the folder of the built page."""
    page = built_page()
    if page is None:
        pytest.skip(f"the page is not built in {PAGE}; `make test-browser` builds it")
    return page


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium; `make test-browser` installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, timezone_id="UTC")
    yield context.new_page()
    context.close()


@pytest.fixture(scope="session")
def calm(settings: Settings, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsed]:
    with rehearsed("calm", settings, built, tmp_path_factory.mktemp("calm")) as found:
        yield found
