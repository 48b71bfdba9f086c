"""The repository is whole: what belongs together is there on both sides, and no part has grown too big to read."""

from __future__ import annotations

import ast
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from atlas_ops import check
from atlas_ops.catalog import build_catalog, conventions
from atlas_ops.catalog.model import Family
from atlas_ops.render import links
from atlas_ops.render.dashboards.panels import of_fault, panel_id
from atlas_ops.settings import Settings

ROOT = Path(__file__).parents[1]
CATALOG = build_catalog()
FAULTS = {fault.name for fault in CATALOG.faults}
MODULES = sorted(path.relative_to(ROOT) for folder in ("atlas_ops", "tests") for path in (ROOT / folder).rglob("*.py"))
MOST_LINES_OF_A_MODULE, MOST_LINES_OF_A_FUNCTION = 400, 60


def alerts_of(family: Family) -> set[str]:
    path = ROOT / "alerts" / f"{family.value}.yaml"
    groups = yaml.safe_load(path.read_text())["groups"] if path.exists() else []
    return {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}


@pytest.mark.parametrize("family", Family)
def test_every_fault_has_its_rules_in_the_file_of_its_family_and_every_rule_its_fault(family: Family) -> None:
    assert alerts_of(family) == {fault.name for fault in CATALOG.of_family(family)}


def test_every_fault_has_its_runbook_and_every_runbook_its_fault() -> None:
    pages = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("runbooks/*/*.md")}
    assert pages == {fault.runbook for fault in CATALOG.faults}


@pytest.mark.parametrize("family", Family)
def test_every_fault_has_its_panel_in_a_row_on_the_dashboard_of_its_family_and_every_panel_there_its_fault(
    family: Family,
) -> None:
    dashboard = json.loads((ROOT / f"dashboards/{links.BOARD_OF_FAMILY[family]}.json").read_text())
    heading = f"What the faults of {family.value} are judged by"
    below = itertools.dropwhile(lambda panel: panel["title"] != heading, dashboard["panels"])
    row = itertools.takewhile(lambda panel: panel["type"] != "row", itertools.islice(below, 1, None))
    found = {panel["id"]: panel["title"] for panel in row}
    assert found == {panel_id(of_fault(fault)): fault.panel.title for fault in CATALOG.of_family(family)}


def test_every_fault_is_tested_to_fire_and_to_stay_silent_and_every_test_has_its_fault() -> None:
    paths = {f"tests/alerts/{fault.family.value}/{fault.name}_test.yaml": fault.name for fault in CATALOG.faults}
    assert {path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/alerts/**/*.yaml")} == set(paths)
    for path, name in paths.items():
        tests = yaml.safe_load((ROOT / path).read_text())["tests"]
        cases = [case for test in tests for case in test.get("alert_rule_test", ())]
        assert [case for case in cases if case["alertname"] == name and case.get("exp_alerts")], path
        silent = [case for case in cases if case["alertname"] == name and not case.get("exp_alerts")]
        assert silent or name == conventions.HEARTBEAT, path
        assert {case["alertname"] for case in cases} <= FAULTS, path


def test_the_checks_find_nothing_in_this_repository() -> None:
    assert check.run(ROOT, CATALOG, Settings()) == ()


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_no_module_and_no_function_is_too_long_to_be_read_at_once(path: Path) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES_OF_A_MODULE
    lengths = {
        function.name: (function.end_lineno or 0) - function.lineno + 1 for function in functions(ast.parse(text))
    }
    assert not {name: lines for name, lines in lengths.items() if lines > MOST_LINES_OF_A_FUNCTION}


@pytest.mark.parametrize("path", [path for path in MODULES if path.parts[0] == "atlas_ops"], ids=str)
def test_every_module_says_why_it_exists(path: Path) -> None:
    assert ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8")))
