from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from atlas_ops.catalog import build_catalog
from atlas_ops.check import runbook_checks
from atlas_ops.check.finding import Finding
from atlas_ops.check.tree import Tree
from atlas_ops.settings import Settings

BOOK = "runbooks/capacity/KvCachePressure.md"
GOOD = """\
---
checks:
  - cause: Prompts have become longer
    query: sum by (server) (rate(atlas_prompt_tokens_total{model="{{model}}"}[5m]))
    when: "> 1"
    evidence: "{{server}} of {{model}} computes {{value}}"
    next: Add a replica
---
"""


@pytest.fixture(scope="module")
def whole() -> Tree:
    settings = Settings()
    return Tree(
        root=Path(__file__).parents[2],
        catalog=build_catalog(settings.parameters),
        settings=settings,
        config="",
        generated={},
        facts={},
        which=shutil.which,
    )


def found(whole: Tree, folder: Path, front: str) -> list[Finding]:
    shutil.copytree(whole.root / "alerts", folder / "alerts")
    (folder / BOOK).parent.mkdir(parents=True)
    page = "## Mitigation\n\n1. **Add a replica.** (read)\n"
    (folder / BOOK).write_text(front + page, encoding="utf-8")
    tree = Tree(
        root=folder,
        catalog=whole.catalog,
        settings=whole.settings,
        config="",
        generated={},
        facts={},
        which=shutil.which,
    )
    return list(runbook_checks.check(tree))


def test_every_check_of_every_runbook_can_be_asked(whole: Tree) -> None:
    assert list(runbook_checks.check(whole)) == []


def test_a_good_check_is_not_complained_about(whole: Tree, tmp_path: Path) -> None:
    assert found(whole, tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("atlas_prompt_tokens_total", "atlas_promt_tokens_total", "atlas_promt_tokens_total is neither a signal"),
        ("sum by (server) (rate", "sum by (server) (rate(", "the query does not parse"),
        ("rate(", "mad_over_time(", "not every Prometheus from 2.42 to 3 has mad_over_time()"),
        ('"{{model}}"', '"{{gpu}}"', "alerts of KvCachePressure carry no 'gpu'"),
        ('"{{model}}"', "{{model}}", "{{model}} does not stand between double quotes"),
        ("{{server}} of", "{{reason}} of", "{{reason}} is no label of the query's result"),
        ("next: Add a replica", "next: Add a repplica", "there is no step 'Add a repplica'"),
        ('when: "> 1"', 'when: "1"', "when: expected a comparison and a number"),
    ],
)  # fmt: skip
def test_a_check_that_cannot_be_asked_is_found(whole: Tree, tmp_path: Path, old: str, new: str, told: str) -> None:
    findings = found(whole, tmp_path, GOOD.replace(old, new, 1))
    assert told in "\n".join(finding.message for finding in findings)
    assert all(finding.file == BOOK and finding.next_step for finding in findings)
