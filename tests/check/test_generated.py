"""What is said of a generated file that differs can be read, however long its lines are."""

from __future__ import annotations

from atlas_ops.check.generated import first_difference


def test_the_first_line_that_differs_is_told_from_shortly_before_they_part() -> None:
    found, expected = ("a: 1\nkey: " + "x" * 50_000 + end + "z" * 50_000 for end in ("old", "new"))
    line, one, other = first_difference(found, expected)
    assert line == 2
    assert one.startswith("...'xxxx")
    assert "xold" in one
    assert one.endswith("zzz'...")
    assert "xnew" in other
    assert max(len(one), len(other)) < 200


def test_a_short_line_is_told_whole_and_so_is_the_end() -> None:
    assert first_difference("a\n  b\n", "a\n  c\n") == (2, "'b'", "'c'")
    assert first_difference("a\n", "a\nb\n") == (2, "the end of the file", "'b'")
