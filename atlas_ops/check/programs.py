"""Check: Prometheus and Alertmanager themselves accept the files, and the promtool tests of the rules pass."""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from atlas_ops.check.cases import cases
from atlas_ops.check.finding import Finding
from atlas_ops.check.tree import Tree

_TIMEOUT_SECONDS = 300
_PROGRAMS = {
    "promtool": "it comes with the Debian package `prometheus`",
    "amtool": "it comes with the Debian package `prometheus-alertmanager`",
}
_PLACE = re.compile(r"(?P<file>[^\s:]+): (?P<line>\d+):\d+: (?P<message>.+)")
_YAML_LINE = re.compile(r"\bline (\d+): ")
_TEST = re.compile(r" +name: (?P<name>.*),\Z")
_CASE = re.compile(r" +(?:alertname|expr): (?P<what>.+), time: ?(?P<time>\w+), *\Z")
_HEADER = re.compile(r"(?:Checking '.*?'|\s*)\s*FAILED:")
_NOISE = re.compile(r"\s*(?:Checking .*|Unit Testing: .*|SUCCESS.*|amtool: error: failed to validate.*)?\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One call of a program on one file."""

    program: str
    arguments: tuple[str, ...]
    file: str


def check(tree: Tree) -> Iterator[Finding]:
    """Find what promtool and amtool refuse; also that one of them is not installed."""
    runs = tuple(_runs(tree))
    for program, package in _PROGRAMS.items():
        wanted = [run for run in runs if run.program == program]
        path = tree.which(program)
        if path is None:
            yield from (
                Finding(
                    file=run.file,
                    message=f"not checked: {program} is not installed",
                    next_step=f"install {program}; {package}",
                )
                for run in wanted[:1]
            )
        else:
            # Side by side: the tests of a family can take seconds, and none needs another's result.
            with ThreadPoolExecutor() as pool:
                for found in pool.map(partial(_call, tree, path), wanted):
                    yield from found


def _runs(tree: Tree) -> Iterator[Run]:
    for path in tree.files("alerts/*.yaml", "alerts/native/*.yaml"):
        yield Run(program="promtool", arguments=("check", "rules"), file=path)
    for path in tree.files("alerts/prometheus.yml"):
        yield Run(program="promtool", arguments=("check", "config", "--syntax-only"), file=path)
    for path in tree.files("tests/alerts/*/*_test.yaml"):
        yield Run(program="promtool", arguments=("test", "rules"), file=path)
    for path in tree.files("alerts/alertmanager.yml"):
        yield Run(program="amtool", arguments=("check-config",), file=path)


def _call(tree: Tree, path: str, run: Run) -> tuple[Finding, ...]:
    try:
        done = subprocess.run(  # noqa: S603 - promtool or amtool, with our own arguments
            [path, *run.arguments, run.file],
            cwd=tree.root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding="utf-8", errors="replace", timeout=_TIMEOUT_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return (_finding(run, 1, f"did not run: {error}"),)
    if done.returncode == 0:
        return ()
    lines = [_HEADER.sub("", line) for line in done.stdout.splitlines()]
    lines = [line for line in lines if not _NOISE.match(line)]
    if run.arguments[0] == "test":
        return tuple(_failed_cases(tree, run, lines)) or (_finding(run, 1, " ".join(lines[:1]).strip()),)
    return tuple(_refusals(run, lines))


def _refusals(run: Run, lines: Sequence[str]) -> Iterator[Finding]:
    places = [place for line in lines if (place := _PLACE.search(line))]
    for place in places:
        yield _finding(run, int(place["line"]), place["message"])
    if not places:
        text = " ".join(dict.fromkeys(line.strip() for line in lines)) or "refused without a word"
        line = _YAML_LINE.search(text)
        yield _finding(run, int(line[1]) if line else 1, text)


def _failed_cases(tree: Tree, run: Run, lines: Sequence[str]) -> Iterator[Finding]:
    known = {(case.test, case.alert, case.eval_time): case.line for case in cases(tree, run.file)}
    test = ""
    for number, line in enumerate(lines):
        if name := _TEST.match(line):
            test = name["name"]
        elif case := _CASE.match(line):
            where = known.get((test, case["what"], case["time"]), 1)
            message = f"{case['what']} at {case['time']} of {test!r}: {_difference(lines[number + 1 :])}"
            yield _finding(run, where, message)


def _difference(lines: Sequence[str]) -> str:
    counts = {"exp": 0, "got": 0}
    part = "exp"
    for line in itertools.takewhile(lambda line: not (_TEST.match(line) or _CASE.match(line)), lines):
        if (begin := line.strip()[:3]) in counts:
            part = begin
        counts[part] += "Labels:{" in line
    if counts["exp"] == counts["got"]:
        return "what fires has other labels or annotations than expected"
    return f"expected {counts['exp']} firing, got {counts['got']}"


def _finding(run: Run, line: int, message: str) -> Finding:
    command = " ".join((run.program, *run.arguments))
    return Finding(
        file=run.file,
        line=line,
        message=f"{command}: {message}",
        next_step=f"run `{command} {run.file}` to see it whole",
    )
