"""Runs load against two releases in turns, A B B A A B B A, so that what changes on the machines hits both alike. Called by the command.

A verdict may be taken after each pair of runs from the fifth on, and then the rest is not run. Looking more often would let more
false verdicts through, so the rates of error are shared among all looks that there may be (Bonferroni).
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from atlas_ops.detect.gate import FEWEST_RUNS, Verdict
from atlas_ops.errors import DataError, EnvironmentProblem, UsageError
from atlas_ops.gate import reading
from atlas_ops.gate.judge import Judgement
from atlas_ops.gate.runs import Run

SIDES = ("baseline", "canary")
_URL, _OUTPUT = "{url}", "{output}"
_PATIENCE_SECONDS = 5.0
_TAIL = 1500
"""Bytes of what a failed command said."""
Runs = Sequence[Run]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is run. `command` is split as a shell would split it, but no shell runs it."""

    command: str
    urls: tuple[str, str]
    """Of the baseline and of the canary."""
    runs: int
    """On each side, at most."""
    warm_up: int
    """Runs on each side before, which do not count."""
    folder: Path
    """Where the results go."""
    timeout_seconds: float
    skip_seconds: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a command that cannot work."""
        missing = [name for name in (_URL, _OUTPUT) if name not in self.command]
        if missing:
            step = "such as --run 'k6 run --out json={output} -e URL={url} script.js'"
            raise UsageError(f"--run: the command lacks {' and '.join(missing)}", next_step=step)
        try:
            shlex.split(self.command)
        except ValueError as error:
            raise UsageError(f"--run: {error}", next_step="quote it as for a shell") from error

    @property
    def looks(self) -> int:
        """How often a verdict may be taken."""
        return max(1, self.runs - FEWEST_RUNS + 1)


def order(pairs: int) -> Iterator[int]:
    """Yield 0 for the baseline and 1 for the canary: in every other pair the canary is first."""
    for pair in range(pairs):
        yield from (0, 1) if pair % 2 == 0 else (1, 0)


def judged(plan: Plan, judge: Callable[[Runs, Runs], Judgement], tell: Callable[[str], None]) -> Judgement:
    """Run the load until there is a verdict, or until all has been run; `tell` hears of each run as it ends.

    EnvironmentProblem when the command cannot be started, DataError when it leaves no result that can be read.
    """
    for number, side in enumerate(order(plan.warm_up), start=1):
        _load(plan, side, f"warm-up-{number}-{SIDES[side]}")
        tell(f"warm-up {number} of {2 * plan.warm_up}: {SIDES[side]}")
    runs: tuple[list[Run], list[Run]] = ([], [])
    for number, side in enumerate(order(plan.runs), start=1):
        found = _load(plan, side, f"{number:03d}-{SIDES[side]}")
        runs[side].extend(found)
        tell(f"run {number} of at most {2 * plan.runs}: {SIDES[side]}, {found[0].requests} requests")
        even = len(runs[0]) == len(runs[1]) and len(runs[0]) >= FEWEST_RUNS
        if even and number < 2 * plan.runs and (found_early := judge(*runs)).verdict is not Verdict.CANNOT_TELL:
            tell(f"the verdict is certain enough after {len(runs[0])} of {plan.runs} runs on each side")
            return found_early
    return judge(*runs)


def _load(plan: Plan, side: int, name: str) -> tuple[Run, ...]:
    output = plan.folder / name
    command = [word.replace(_URL, plan.urls[side]).replace(_OUTPUT, str(output)) for word in shlex.split(plan.command)]
    log = output.with_name(f"{name}.log")
    code = _ended(command, log, plan.timeout_seconds)
    if killed := _signal(code):
        raise DataError(
            f"{command[0]} was ended by {killed}, so its result is not whole; it said:\n{_said(log)}",
            next_step="if nobody stopped it, memory may be short: see the kernel's log",
        )
    # Locust takes a prefix for its files, not a file.
    written = next((path for path in (output, output.with_name(f"{name}_stats.csv")) if path.is_file()), None)
    if written is None:
        raise DataError(
            f"{command[0]} ended with exit code {code} and wrote no {output}; it said:\n{_said(log)}",
            next_step="try the command by hand",
        )
    runs = reading.read([written], plan.skip_seconds)
    if len(runs) != 1:
        raise DataError(
            f"{written}: holds {len(runs)} runs, expected one", next_step="write each run to a file of its own"
        )
    return runs


def _ended(command: Sequence[str], log: Path, timeout_seconds: float) -> int:
    """Run a command to its end. Load generators exit with other codes than 0 when requests fail, so the code alone is no error."""
    with log.open("wb") as said:
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own command
                command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
            )
        except OSError as error:
            raise EnvironmentProblem(
                f"{command[0]} cannot be started: {error.strerror}", next_step="install it, or give its path"
            ) from error
        try:
            return process.wait(timeout_seconds)
        except subprocess.TimeoutExpired as error:
            raise DataError(
                f"{command[0]} did not end within {timeout_seconds:g} s",
                next_step="raise --timeout, or load for a shorter time",
            ) from error
        finally:
            _end(process)


def _signal(code: int) -> str:
    """Return the name of the signal that an exit code tells of, by itself or in the way of a shell; "" for any other."""
    number = -code if code < 0 else code - 128
    return signal.Signals(number).name if number in set(signal.Signals) else ""


def _said(log: Path) -> str:
    """Return the last of what a command said, without what would steer a terminal."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL))
        said = file.read().decode("utf-8", errors="replace")
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in said
    ).strip()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the command and all that it left behind, by force where asking does not help."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + _PATIENCE_SECONDS
        if not _sent(process, number):
            return
        while time.monotonic() < until:
            if not _sent(process, 0):
                return
            time.sleep(0.02)


def _sent(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to the command's group (0: none); say whether any process is left in it."""
    process.poll()
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # of a child that is another user's now
        return process.poll() is None
    return True
