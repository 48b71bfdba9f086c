"""Real traffic instead of a made-up one: the gaps and the lengths of a recorded trace, played at a scenario's own rate.

Files are read once, by the command that simulates; `simulator.arrivals` plays them. Known are the CSV of Azure's LLM
inference traces (`TIMESTAMP,ContextTokens,GeneratedTokens`) and the JSON lines of Mooncake's (`timestamp` in milliseconds,
`input_length`, `output_length`).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from pathlib import Path
from typing import NamedTuple

from atlas_ops.errors import ConfigError, UsageError
from atlas_ops.simulator.traffic import Traffic

_MOST_MISTAKES = 10
"""Of one file that are told."""
_KNOWN = "known are Azure's CSV (TIMESTAMP,ContextTokens,GeneratedTokens) and Mooncake's JSON lines (timestamp, input_length, output_length)"
_LEAST_REQUESTS = 100


class Recorded(NamedTuple):
    """One request of a trace: when it came (seconds), and its tokens."""

    at: float
    prompt_tokens: int
    output_tokens: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """A recorded trace. `gaps` have a mean of 1: they are those of unit rate."""

    name: str
    gaps: tuple[float, ...]
    prompts: tuple[int, ...]
    outputs: tuple[int, ...]


class TracePlayer:
    """Plays a trace again and again from a place of its own on. `usual` is the traffic that the trace stands for.

    What a scenario makes longer or shorter than `usual` is so here by the same factor. The fleet is sized for the prompts of
    `usual`: a trace with longer ones is played as much more slowly.
    """

    def __init__(self, trace: Trace, *, start: int, usual: Traffic) -> None:
        self._trace, self._usual = trace, usual
        self._gap_at = self._length_at = start % len(trace.gaps)
        longest = usual.prompt_tokens.maximum
        mean = sum(min(tokens, longest) for tokens in trace.prompts) / len(trace.prompts)
        self._slowness = max(1.0, mean / usual.prompt_tokens.mean)

    def gap(self) -> float:
        """Return the next gap, of unit rate."""
        gap = self._trace.gaps[self._gap_at]
        self._gap_at = (self._gap_at + 1) % len(self._trace.gaps)
        return gap * self._slowness

    def lengths(self, traffic: Traffic) -> tuple[int, int]:
        """Return the tokens of the next prompt and of its answer, within the bounds of `traffic`."""
        place = self._length_at
        self._length_at = (place + 1) % len(self._trace.gaps)
        prompt = self._trace.prompts[place] * traffic.prompt_tokens.median / self._usual.prompt_tokens.median
        output = self._trace.outputs[place] * traffic.output_tokens.median / self._usual.output_tokens.median
        return (
            max(1, min(traffic.prompt_tokens.maximum, round(prompt))),
            max(1, min(traffic.output_tokens.maximum, round(output))),
        )


def read_traces(folder: Path) -> tuple[Trace, ...]:
    """Return the traces in a folder, by name; UsageError when there are none, ConfigError with the mistakes of a file."""
    readers = {".csv": _azure, ".jsonl": _mooncake}
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder", next_step="name the folder that holds the traces")
    files = sorted(path for path in folder.iterdir() if path.suffix in readers)
    if not files:
        raise UsageError(f"{folder} holds no traces: no *.csv and no *.jsonl", next_step=_KNOWN)
    return tuple(_trace(path, readers[path.suffix]) for path in files)


def _trace(path: Path, reader: Callable[[Iterable[str]], Iterator[Recorded | str]]) -> Trace:
    requests: list[Recorded] = []
    mistakes: list[str] = []
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            for found in reader(lines):
                if isinstance(found, str):
                    mistakes.append(found)
                else:
                    requests.append(found)
                if len(mistakes) >= _MOST_MISTAKES:
                    break
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [f"cannot be read: {error}"], next_step=_KNOWN) from error
    if not mistakes and len(requests) < _LEAST_REQUESTS:
        mistakes.append(f"holds {len(requests)} requests; expected {_LEAST_REQUESTS} or more")
    elif not mistakes and len({one.at for one in requests}) == 1:
        mistakes.append("its requests are all at one moment")
    if mistakes:
        raise ConfigError(str(path), mistakes, next_step=_KNOWN)
    return _at_unit_rate(path.name, requests)


def _azure(lines: Iterable[str]) -> Iterator[Recorded | str]:
    for number, row in enumerate(csv.DictReader(lines), start=2):
        try:
            at = datetime.fromisoformat(
                row["TIMESTAMP"][:26]
            ).timestamp()  # ten millionths of a second are cut to six digits
            yield _recorded(at, row["ContextTokens"], row["GeneratedTokens"])
        except (KeyError, TypeError, ValueError) as error:
            yield f"line {number}: {_why(error)}"


def _mooncake(lines: Iterable[str]) -> Iterator[Recorded | str]:
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            yield _recorded(row["timestamp"] / 1000, row["input_length"], row["output_length"])
        except (KeyError, TypeError, ValueError) as error:
            yield f"line {number}: {_why(error)}"


def _recorded(at: float, prompt: str | int, output: str | int) -> Recorded:
    tokens = (int(prompt), int(output))
    if min(tokens) < 0:
        raise ValueError(f"{min(tokens)} tokens; expected 0 or more")
    return Recorded(at, *tokens)


def _why(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _at_unit_rate(name: str, requests: list[Recorded]) -> Trace:
    """Return a trace with gaps of mean 1.

    Mooncake tells the times in steps of three seconds; requests of one moment are spread evenly until the next one.
    """
    requests.sort(key=lambda one: one.at)
    moments = [(at, len(list(same))) for at, same in groupby(requests, key=lambda one: one.at)]
    gaps = [(later - at) / count for (at, count), (later, _) in pairwise(moments) for _ in range(count)]
    gaps += [sum(gaps) / len(gaps)] * (len(requests) - len(gaps))
    mean = sum(gaps) / len(gaps)
    return Trace(
        name=name,
        gaps=tuple(gap / mean for gap in gaps),
        prompts=tuple(one.prompt_tokens for one in requests),
        outputs=tuple(one.output_tokens for one in requests),
    )
