"""Links and anchors are read from Markdown as GitHub renders it."""

from __future__ import annotations

import pytest

from atlas_ops.check import markdown
from atlas_ops.check.markdown import Link


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Mitigation", "mitigation"),
        ("What to do, and when?", "what-to-do-and-when"),
        ("A & B", "a--b"),
        ("snake_case and kebab-case", "snake_case-and-kebab-case"),
        ("Version 1.2.3", "version-123"),
        ("Größe über alles", "größe-über-alles"),
        ("数 字", "数-字"),
        ("x² + 1", "x--1"),
        ("🚀 start", "-start"),
        ("(brackets) [and] {more}", "brackets-and-more"),
    ],
)
def test_a_heading_has_the_anchor_that_github_gives_it(heading: str, anchor: str) -> None:
    assert markdown.slug(heading) == anchor


def test_the_anchor_is_made_of_what_the_reader_sees() -> None:
    page = markdown.parse("# The `code` of *the* [guide](x.md)\n\nUnder\n=====\n")
    assert page.headings == ("The code of the guide", "Under")
    assert page.anchors == {"the-code-of-the-guide", "under"}


def test_repeated_headings_are_numbered() -> None:
    assert markdown.parse("# A\n# A\n# A-1\n# A\n").anchors == {"a", "a-1", "a-1-1", "a-2"}


def test_links_are_found_in_every_form_and_with_their_line() -> None:
    page = markdown.parse(
        "[a](one.md)\nand ![b](two.png)\n\n| x |\n|---|\n| [c](three.md) |\n\n- [d][r]\n\n"
        '<p>\n<img src="four.png">\n</p>\n\n[r]: five.md\n'
    )
    assert page.links == (
        Link(target="one.md", line=1),
        Link(target="two.png", line=2),
        Link(target="three.md", line=6),
        Link(target="five.md", line=8),
        Link(target="four.png", line=11),
    )


def test_what_stands_in_code_is_no_link() -> None:
    assert markdown.parse("`[a](b.md)`\n\n```\n[c](d.md)\n# no heading\n```\n").links == ()
