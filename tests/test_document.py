"""A YAML file is read with its lines, and every mistake in it is told at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from atlas_ops.document import Document, Section
from atlas_ops.errors import ConfigError


def mistakes(text: str, ask: Callable[[Section], object]) -> tuple[str, ...]:
    document = Document(text, "file.yaml")
    ask(document.root)
    document.root.finish()
    try:
        document.close(next_step="mend it")
    except ConfigError as error:
        return error.mistakes
    return ()


def test_values_come_back_with_their_types() -> None:
    root = Document("a: text\nb: 3\nc: 1.5\nd: yes\ne: [x, y]\nf: z\ng: {h: 1}\ni: [{j: 2}]\n", "file.yaml").root
    assert root.string("a") == "text"
    assert root.integer("b", 0) == 3
    assert root.number("c", 0) == 1.5
    assert root.flag("d", False) is True
    assert (root.strings("e"), root.strings("f")) == (("x", "y"), ("z",))
    assert root.section("g").integer("h", 0) == 1
    assert [section.integer("j", 0) for section in root.sections("i")] == [2]
    assert root.string("b") == "3", "a number is text as well, where text is asked for"


def test_what_is_not_given_has_its_default_and_is_no_mistake() -> None:
    def ask(root: Section) -> None:
        assert root.string("a", "b") == "b"
        assert root.number("c", 2.5) == 2.5
        assert root.section("d").flag("e", True) is True
        assert root.strings("f") == ()
        assert list(root.sections("g")) == []

    assert mistakes("", ask) == ()


def test_all_mistakes_are_told_together_in_the_order_of_the_file() -> None:
    def ask(root: Section) -> None:
        section = root.section("second")
        section.flag("deep", False)
        section.finish()
        root.number("first", 1)

    assert mistakes("first: one\nsecond:\n  deep: maybe\n  depp: true\n", ask) == (
        "line 1: first: expected a number, found 'one'",
        "line 3: second.deep: expected true or false, found 'maybe'",
        "line 4: second.depp: unknown key; did you mean 'deep'?",
    )


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("a: -1", "expected a number above 0 and below 1, found -1"),
        ("a: 1", "expected a number above 0 and below 1, found 1"),
        ("a: .nan", "expected a number, found '.nan'"),
        ("a: '0.5'", "expected a number, found '0.5'"),
        ("a: true", "expected a number, found 'true'"),
        ("a:", "expected a number, found nothing"),
        ("a: [1]", "expected a number, found a list"),
        ("a: {b: 1}", "expected a number, found keys with values"),
    ],
)
def test_a_number_that_is_none_is_explained(text: str, mistake: str) -> None:
    assert mistakes(text, lambda root: root.number("a", 0.5, above=0, below=1)) == (f"line 1: a: {mistake}",)


def test_a_number_that_is_not_whole_is_explained() -> None:
    assert mistakes("a: 1.5", lambda root: root.integer("a", 0)) == ("line 1: a: expected a whole number, found 1.5",)


def test_a_word_that_is_none_of_the_choices_is_explained_with_the_nearest() -> None:
    found = mistakes("a: pgae", lambda root: root.string("a", choices=("page", "ticket")))
    assert found == ("line 1: a: expected one of page, ticket, found 'pgae' (did you mean 'page'?)",)


def test_a_missing_key_and_a_doubled_key_are_mistakes() -> None:
    def ask(root: Section) -> None:
        root.string("needed", required=True)
        root.string("twice")

    assert mistakes("twice: a\ntwice: b\n", ask) == (
        "line 1: needed: is missing; expected text",
        "line 2: twice: given twice",
    )


def test_a_mistake_about_several_lines_is_told_on_the_line_of_their_key() -> None:
    def ask(root: Section) -> None:
        section = root.section("a")
        section.flag("known", False)
        section.finish()

    assert mistakes("a:\n  strange:\n    c: 1\n", ask) == ("line 2: a.strange: unknown key; known keys: known",)


def test_lists_and_sections_of_another_shape_are_mistakes() -> None:
    def ask(root: Section) -> None:
        root.strings("texts")
        list(root.sections("list"))
        root.section("section")

    assert mistakes("texts: [[a]]\nlist: word\nsection: 3\n", ask) == (
        "line 1: texts: expected a list of texts, found a list",
        "line 2: list: expected a list, found 'word'",
        "line 3: section: expected keys with values, found '3'",
    )


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\ta: 1", "a: \x01"])
def test_a_file_that_is_not_yaml_is_a_mistake_of_the_user(text: str) -> None:
    with pytest.raises(ConfigError, match="not YAML"):
        Document(text, "file.yaml")


def test_a_file_that_cannot_be_read_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Document.read(tmp_path / "nowhere.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe4\n")
    with pytest.raises(ConfigError, match="cannot be read"):
        Document.read(tmp_path / "latin.yaml")


def test_a_file_may_be_a_list_and_each_of_its_mistakes_has_its_place() -> None:
    document = Document("- a: 1\n- aa: 2\n- word\n", "file.yaml")
    for section in document.items:
        section.string("a")
        section.finish()
    with pytest.raises(ConfigError) as caught:
        document.close(next_step="")
    assert caught.value.mistakes == (
        "line 2: [1].aa: unknown key; did you mean 'a'?",
        "line 3: [2]: expected keys with values, found 'word'",
    )


@pytest.mark.parametrize(("text", "found"), [("", "nothing"), ("a: 1", "keys with values"), ("word", "'word'")])
def test_a_file_that_should_be_a_list_and_is_none_is_a_mistake(text: str, found: str) -> None:
    document = Document(text, "file.yaml")
    assert list(document.items) == []
    with pytest.raises(ConfigError, match=f"expected a list .*, found {found}"):
        document.close(next_step="")
