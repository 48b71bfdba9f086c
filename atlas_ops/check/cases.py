"""Check: every fault is tested in a case in which it fires and in one in which it must stay silent, and no other is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from atlas_ops.catalog import conventions
from atlas_ops.check.finding import Finding, did_you_mean
from atlas_ops.check.tree import Tree


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One `alert_rule_test` of a promtool file."""

    file: str
    line: int
    test: str
    """The name of the test that it is part of."""
    alert: str
    eval_time: str
    fires: bool


def check(tree: Tree) -> Iterator[Finding]:
    """Find faults without a firing or a silent case, and cases of alerts that do not exist."""
    if not tree.has("tests"):
        return  # the shipped files come without tests
    found = [case for path in tree.files("tests/alerts/*/*_test.yaml") for case in cases(tree, path)]
    names = [fault.name for fault in tree.catalog.faults]
    for case in found:
        if case.alert not in names:
            yield Finding(
                file=case.file,
                line=case.line,
                message=f"tests the alert {case.alert}, which does not exist{did_you_mean(case.alert, names)}",
                next_step="mend the name: a silent case of a misspelled alert always passes",
            )
    for fault in tree.catalog.faults:
        path = f"tests/alerts/{fault.family.value}/{fault.name}_test.yaml"
        kinds = {case.fires for case in found if case.alert == fault.name and case.file == path}
        for fires in (True, False):
            # The heartbeat always fires: there is nothing in which it stays silent.
            if fires not in kinds and (fires or fault.name != conventions.HEARTBEAT):
                yield Finding(
                    file=path,
                    message=f"no case in which {fault.name} {'fires' if fires else 'must stay silent'}",
                    next_step=f"add one{'' if fires else f', with `exp_alerts: []`: {fault.look_alike}'}",
                )


def cases(tree: Tree, path: str) -> Iterator[Case]:
    """Return the cases of a file; one without expected alerts says that the alert must stay silent."""
    leaves = tree.leaves(path)
    firing = {leaf.path[:4] for leaf in leaves if "exp_alerts" in leaf.path}
    times = {leaf.path[:4]: leaf.value for leaf in leaves if leaf.key == "eval_time"}
    names = {leaf.path[:2]: leaf.value for leaf in leaves if leaf.path[2:] == ("name",)}
    for leaf in leaves:
        if leaf.key == "alertname" and leaf.path[2:3] == ("alert_rule_test",):
            case = leaf.path[:4]
            yield Case(
                file=path,
                line=leaf.line,
                test=names.get(leaf.path[:2], ""),
                alert=leaf.value,
                eval_time=times.get(case, ""),
                fires=case in firing,
            )
