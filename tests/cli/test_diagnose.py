"""`atlas-ops diagnose`: what a person at the terminal, or a script, is told of the causes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops.cli import main
from atlas_ops.pager.diagnosis.ask import prometheus as asking
from atlas_ops.stage.processes import free_port
from tests.pager.console_rig import measuring
from tests.pager.rig import eventually

BOOK = """\
---
checks:
  - cause: Prompts have become longer
    query: prompts{model="{{model}}"}
    when: "> 1"
    unit: times
    evidence: Prompts are {{value}} as long
    next: Send them away
  - cause: The pod is alone
    query: pods{model="{{model}}"}
    when: "< 2"
    evidence: It has {{value}} pods
    against: It has {{value}} pods
  - cause: Nobody measures this
    query: nothing
    when: "> 0"
    evidence: It is so
---
# QueueBacklog
"""
SERIES = {"prompts": (3.0, {"model": "llama"}), "pods": (4.0, {"model": "llama"})}


@pytest.fixture
def books(tmp_path: Path) -> Path:
    folder = tmp_path / "books"
    (folder / "capacity").mkdir(parents=True)
    (folder / "capacity" / "QueueBacklog.md").write_text(BOOK)
    (folder / "capacity" / "Unchecked.md").write_text("# Unchecked\n")
    (folder / "capacity" / "Broken.md").write_text("---\nchecks: [{cause: x}]\n---\n# Broken\n")
    return folder


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with measuring(tmp_path_factory.mktemp("prometheus"), SERIES) as url:
        query = asking(url)
        assert eventually(lambda: all(query(name) for name in SERIES))
        yield url


def diagnose(books: Path, *arguments: str, prometheus: str) -> int:
    return main(["diagnose", *arguments, "--runbooks", str(books), "--prometheus", prometheus])


def test_the_causes_stand_with_their_evidence_the_likely_ones_first(
    books: Path, prometheus: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diagnose(books, "QueueBacklog", "--label", "model=llama", prometheus=prometheus) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line]
    assert lines == [
        "QueueBacklog model=llama",
        "LIKELY Prompts have become longer",
        "Prompts are 3 times as long",
        "-> Send them away",
        "unknown Nobody measures this",
        "There is no data",
        "unlikely The pod is alone",
        "It has 4 pods",
    ]


def test_a_script_gets_the_same_as_json(books: Path, prometheus: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert diagnose(books, "QueueBacklog", "--label", "model=llama", "--json", prometheus=prometheus) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["labels"] == {"model": "llama"}
    assert [one["standing"] for one in found["findings"]] == ["likely", "unknown", "unlikely"]
    assert found["findings"][0]["query"] == 'prompts{model="llama"}'


def test_where_no_cause_is_found_the_person_is_led_to_the_runbook(
    books: Path, prometheus: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diagnose(books, "QueueBacklog", "--label", "model=other", prometheus=prometheus) == 0
    assert "No check has found the cause" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("QueueBacklog",), 2, "no QueueBacklog fires"),
        (("QueueBaklog", "--label", "model=llama"), 2, "did you mean QueueBacklog?"),
        (("Unchecked", "--label", "model=llama"), 2, "has no checks"),
        (("QueueBacklog", "--label", "llama"), 2, "expected NAME=VALUE"),
        (("Broken", "--label", "model=llama"), 3, "query"),
    ],
)
def test_what_cannot_be_asked_is_said(
    books: Path, prometheus: str, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, told: str
) -> None:
    assert diagnose(books, *arguments, prometheus=prometheus) == code
    assert told in capsys.readouterr().err


def test_a_prometheus_that_is_not_there_is_no_unknown_cause(books: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    assert diagnose(books, "QueueBacklog", "--label", "model=llama", prometheus=url) == 4
    said = capsys.readouterr()
    assert url in said.err
    assert said.out == ""
