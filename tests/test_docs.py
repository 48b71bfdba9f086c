"""The pages that people read first, and `--help`: what they show is what the commands and the settings understand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from atlas_ops import settings
from atlas_ops.cli import COMMANDS, main, parser
from atlas_ops.document import Section

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "exporters").rglob("README.md")))
FENCE = re.compile(r"^ *```\w*\n(?P<text>.*?)^ *```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^\s*(?:[A-Z_]+=\S+ )*(?:.*\| )?(?:\.venv/bin/)?atlas-ops (?P<words>[a-z].*)")
ACTIONS = {
    "gpu": ("record",),
    "dashboards": ("push",),
    "runbooks": ("build",),
    "drift": ("fit", "show", "check", "accept", "labels"),
}
HELPS = [(name, *filter(None, [action])) for name, _ in COMMANDS for action in ACTIONS.get(name, ("",))]


def shown_in(text: str) -> Iterator[str]:
    """Yield every command line of atlas-ops in a text, without the remark behind it."""
    for line in re.sub(r"\\\n\s*|\n {20,}", " ", text).splitlines():
        command = COMMAND.match(line)
        if command is not None:
            yield re.split(r"\s{3,}|\s+#| && ", command["words"])[0]


def shown_on_pages() -> Iterator[str]:
    for page in PAGES:
        for fence in FENCE.finditer(page.read_text(encoding="utf-8")):
            yield from shown_in(fence["text"])


def understood(line: str) -> None:
    words = [word for word in shlex.split(line) if word != "..."]
    parser(words[0]).parse_args(words)


@pytest.mark.parametrize("line", sorted(set(shown_on_pages())))
def test_a_command_on_a_page_is_understood(line: str) -> None:
    understood(line)


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_help_has_exit_codes_and_examples_that_are_understood(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    text = capsys.readouterr().out
    assert "\nexit codes:\n  0  " in text
    examples = list(shown_in(text.partition("\nexample")[2]))
    assert examples
    for line in examples:
        understood(line)


def test_the_table_of_commands_names_each() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Commands")[2]
    named = {word for cell in re.findall(r"^\| (.*?) \|", table, re.MULTILINE) for word in re.findall(r"[\w-]+", cell)}
    assert {name for name, _ in COMMANDS} <= named


def test_the_page_of_settings_shows_every_key_and_its_example_loads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    example = next(fence["text"] for fence in FENCE.finditer(page) if fence["text"].startswith("profile:"))
    asked: set[str] = set()
    ask = Section._ask

    def heard(section: Section, key: str) -> yaml.Node | None:
        if section.document.file == "atlas-ops.yaml" and section.path != "limits":
            asked.add(key)
        return ask(section, key)

    monkeypatch.setattr(Section, "_ask", heard)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dialects").mkdir()
    (tmp_path / "own-routes.yml").write_text("{}")
    settings.parse(example)
    assert len(asked) > 100
    assert [key for key in sorted(asked) if not re.search(rf"\b{key}\b", example)] == []
