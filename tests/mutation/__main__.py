"""Runs every mutant of every rule against the promtool cases of the faults that depend on it, and prints who survived.

    python -m tests.mutation [FAULT ...]

Exit code 1 when less than nine in ten are killed, or when the cases fail on the rules as they are.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser as parser
import yaml

from atlas_ops.catalog.faults.blindness.unseen import PAGES_UNSEEN
from atlas_ops.expressions.firing import nodes
from tests.mutation.mutants import Mutant, Rule, mutants

ROOT = Path(__file__).parents[2]
KILLED_SHARE = 0.9
Cases = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One mutant of a rule, and the faults that depend on the rule: one whose cases fail kills it."""

    place: int
    """Of the rule among all rules."""
    name: str
    mutant: Mutant
    faults: tuple[str, ...]


def _all_rules() -> list[Rule]:
    files = sorted((ROOT / "alerts").glob("*.yaml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    return [_without_hold(rule) for group in groups for rule in group["rules"]]


def _without_hold(rule: Rule) -> Rule:
    """Return a rule without what holds every page while nobody sees: tests/render/test_unseen.py asks each one of it."""
    own, _, branch = rule["expr"].rpartition("\nor\n")
    return {**rule, "expr": own} if branch.startswith("max by") and PAGES_UNSEEN in branch else rule


def _reads(rule: Rule) -> set[str]:
    return _words(rule["expr"])


def _words(expr: str) -> set[str]:
    return {str(node.name) for node in nodes(parser.parse(expr)) if isinstance(node, parser.VectorSelector)}


def _needed(fault: str, rules: Sequence[Rule]) -> list[Rule]:
    """Return the rules of a fault and the recordings that they read, in the order of the files."""
    asked = {
        word for case in _cases(fault)["tests"] for test in case["promql_expr_test"] for word in _words(test["expr"])
    }
    wanted, reach = {fault}, [rule for rule in rules if rule.get("alert") == fault or rule.get("record") in asked]
    wanted |= asked
    while reach:
        names = set[str]().union(*(_reads(rule) for rule in reach)) - wanted
        reach = [rule for rule in rules if rule.get("record") in names]
        wanted |= {rule["record"] for rule in reach}
    return [rule for rule in rules if (rule.get("alert") or rule.get("record")) in wanted]


def _trials(faults: Sequence[str], rules: Sequence[Rule]) -> Iterator[Trial]:
    needed = {fault: _needed(fault, rules) for fault in faults}
    for place, rule in enumerate(rules):
        # The fault with the fewest rules is the quickest to ask.
        dependent = sorted((fault for fault in faults if rule in needed[fault]), key=lambda fault: len(needed[fault]))
        for mutant in mutants(rule) if dependent else ():
            name = str(rule.get("alert") or rule["record"])
            yield Trial(place=place, name=name, mutant=mutant, faults=tuple(dependent))


def _cases(fault: str) -> Cases:
    (path,) = (ROOT / "tests/alerts").glob(f"*/{fault}_test.yaml")
    cases: Cases = yaml.safe_load(path.read_text())
    for test in cases["tests"]:
        test["alert_rule_test"] = [case for case in test.get("alert_rule_test", ()) if case["alertname"] == fault]
        test.setdefault("promql_expr_test", [])
    cases["tests"] = [test for test in cases["tests"] if test["alert_rule_test"] or test["promql_expr_test"]]
    return cases


def _passes(rules: Sequence[Rule], cases: Cases) -> bool:
    """Say whether the cases pass on these rules."""
    with tempfile.TemporaryDirectory() as folder:
        group = {"name": "mutant", "interval": cases.get("evaluation_interval", "15s"), "rules": list(rules)}
        Path(folder, "rules.yaml").write_text(yaml.safe_dump({"groups": [group]}))
        alone = {key: value for key, value in cases.items() if key != "group_eval_order"}
        Path(folder, "cases.yaml").write_text(yaml.safe_dump({**alone, "rule_files": ["rules.yaml"]}))
        done = subprocess.run(["promtool", "test", "rules", "cases.yaml"], cwd=folder, capture_output=True, check=False)
    return done.returncode == 0


def main(faults: Sequence[str]) -> int:
    """Try them all; print every survivor and the share of the killed."""
    rules = _all_rules()
    names = list(faults) or sorted({rule["alert"] for rule in rules if "alert" in rule})
    cases = {fault: _cases(fault) for fault in names}
    broken = [fault for fault in names if not _passes(_needed(fault, rules), cases[fault])]
    trials = list(_trials([fault for fault in names if fault not in broken], rules))

    def survives(trial: Trial) -> bool:
        changed = [*rules[: trial.place], trial.mutant.rule, *rules[trial.place + 1 :]]
        return all(_passes(_needed(fault, changed), cases[fault]) for fault in trial.faults)

    killed, survived = Counter[str](), Counter[str]()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, (trial, lives) in enumerate(zip(trials, pool.map(survives, trials), strict=True), start=1):
            (survived if lives else killed)[trial.mutant.kind] += 1
            if lives:
                print(f"survived  {trial.name}: {trial.mutant.kind}: {trial.mutant.change}", flush=True)
            if number % 100 == 0:
                print(f"{number} of {len(trials)} tried", file=sys.stderr, flush=True)
    return _told(killed, survived, broken)


def _told(killed: Counter[str], survived: Counter[str], broken: Sequence[str]) -> int:
    for fault in broken:
        print(f"broken    {fault}: its cases fail on the rules as they are")
    print(f"{'kind':<16} {'mutants':>8} {'killed':>8}")
    for kind in sorted(killed | survived):
        print(f"{kind:<16} {killed[kind] + survived[kind]:>8} {killed[kind]:>8}")
    every = killed.total() + survived.total()
    share = killed.total() / every if every else 0.0
    print(f"{'all':<16} {every:>8} {killed.total():>8}  {share:.1%} killed (at least {KILLED_SHARE:.0%} have to be)")
    return 0 if share >= KILLED_SHARE and not broken else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
