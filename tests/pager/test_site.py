"""The runbooks as a static site: every link and anchor in it leads somewhere, and nothing in it needs a server."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from atlas_ops import settings, shipped
from atlas_ops.catalog import build_catalog
from atlas_ops.cli import main
from atlas_ops.pager.runbooks import runbook, site
from atlas_ops.pager.runbooks.runbook import Runbook
from atlas_ops.render import links


class Page(HTMLParser):
    """The links, anchors and headings of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.links += [str(given[name]) for name in ("href", "src") if given.get(name)]
        self.anchors |= {str(given["id"])} if given.get("id") else set()


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    folder = shipped.folder("runbooks")
    books = [book for _, fault in runbook.names(folder) if (book := runbook.load(folder, fault)) is not None]
    return site.render(books)


@pytest.fixture(scope="module")
def pages(files: dict[str, str]) -> dict[str, Page]:
    return {name: Page(text) for name, text in files.items() if name.endswith(".html")}


def inner(pages: dict[str, Page]) -> Iterator[tuple[str, str, str]]:
    """Every link of the site to itself: where it stands, the file, the anchor."""
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme not in ("http", "https"):
                yield name, unquote(parts.path) or name, unquote(parts.fragment)


def test_every_link_and_anchor_leads_somewhere(files: dict[str, str], pages: dict[str, Page]) -> None:
    found = list(inner(pages))
    assert [(name, file) for name, file, _ in found if file not in files] == []
    assert [one for one in found if one[2] and one[2] not in pages[one[1]].anchors] == []
    assert any(anchor and file != name for name, file, anchor in found), "links from one runbook into another"


def test_every_fault_has_a_page_where_the_links_of_its_alerts_lead(pages: dict[str, Page]) -> None:
    config = settings.parse("links: {runbooks: 'https://example.org/runbooks/'}")
    for fault in build_catalog().faults:
        file, _, anchor = links.runbook(fault, config).removeprefix("https://example.org/runbooks/").partition("#")
        assert anchor in pages[file].anchors
        assert f"{fault.name}.html" in pages["index.html"].links


def test_what_the_pager_asks_stands_in_a_table_and_the_yaml_does_not(files: dict[str, str]) -> None:
    page = files["QueueBacklog.html"]
    assert "What the pager asks Prometheus" in page
    assert "checks:" not in page
    assert "&lt;namespace&gt;" in page


def test_nothing_comes_from_elsewhere_and_no_page_holds_a_script(files: dict[str, str], pages: dict[str, Page]) -> None:
    assert all("<script>" not in text and "style=" not in text for text in files.values())
    for page in pages.values():
        assert page.tags.count("h1") == 1
        assert page.tags.count("main") == 1
        assert "img" not in page.tags


def test_markup_in_a_runbook_is_shown_and_not_run() -> None:
    checks = "checks:\n  - {cause: '<script>1', query: 'up{a=\"<b>\"}', when: '> 1', evidence: x}\n"
    text = f"---\n{checks}---\n# X\n\n<script>alert(1)</script> [x](javascript:alert(1)) ![y](http://evil/y.png)\n"
    page = site.render([Runbook(fault="X", family="capacity", text=text)])["X.html"]
    assert "<script>" not in page
    assert "<b>" not in page
    assert "javascript:" not in Page(page).links
    assert "img" not in Page(page).tags


def test_the_command_writes_the_site_and_writes_it_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "a" / "site"
    assert main(["runbooks", "build", str(target)]) == 0
    (target / "Gone.html").write_text((target / "index.html").read_text())
    assert main(["runbooks", "build", str(target)]) == 0
    assert not (target / "Gone.html").exists()
    assert {"index.html", "style.css", "copy.js", "QueueBacklog.html"} <= {path.name for path in target.iterdir()}
    assert "50 runbooks" in capsys.readouterr().out


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "index.html").write_text("mine")
    assert main(["runbooks", "build", str(tmp_path)]) == 2
    assert (tmp_path / "index.html").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    (tmp_path / "file").write_text("")
    assert main(["runbooks", "build", str(tmp_path / "file")]) == 4
    assert main(["runbooks", "build", str(tmp_path / "x"), "--runbooks", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "none of this site" in said
    assert "cannot be written" in said
    assert "holds no runbooks" in said


def test_mistakes_in_the_front_matter_of_all_runbooks_are_told_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("One", "Two"):
        path = tmp_path / "books" / "capacity" / f"{name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("---\nchecks:\n  - {cause: x}\n---\n# x\n")
    assert main(["runbooks", "build", str(tmp_path / "site"), "--runbooks", str(tmp_path / "books")]) == 3
    said = capsys.readouterr().err
    assert "capacity/One.md" in said
    assert "capacity/Two.md" in said
    assert not (tmp_path / "site").exists()
