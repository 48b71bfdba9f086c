"""The lines of a recording: a header, then one line for each answer that differs from the one before to the same question.

Written by `exporter.nvml.record`, read by `recording`. A line is a JSON object:

    {"atlas_gpu_recording": 1, "driver": "570.124.06", "nvml": "12.570.124.06", "binding": "13.615.71",
     "gpus": ["NVIDIA H100 80GB HBM3"], "interval_seconds": 1.0, "date": "2026-01-31"}
    {"at": 0.012, "call": "nvmlDeviceGetTemperature", "of": "gpu0", "in": [0], "code": 0, "out": [null, 61]}
    {"at": 0.013, "call": "nvmlDeviceGetAccountingPids", "not_recorded": "it tells of processes"}

`at` is seconds since the start, `of` the handle that is asked about (see `call`), `in` what selects the answer and `out`
what the call wrote, by the places of the other arguments and in the forms of `plain`; `code` is NVML's return code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from atlas_ops.exporter.nvml.raw.plain import Plain

FORMAT = 1
MARK = "atlas_gpu_recording"
LINE_BYTES = 1 << 20
"""The longest line that is read. The longest written one, a GPU's field values, has about a hundredth of it."""


class BadLine(Exception):
    """A line that is none of a recording, with every mistake in it."""

    def __init__(self, *mistakes: str) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """What was recorded: versions, names of the GPUs, seconds between two questions, and the day. No host, no ids."""

    driver: str
    nvml: str
    binding: str
    gpus: tuple[str, ...]
    interval_seconds: float
    date: str

    def line(self) -> str:
        """Return the line of the file."""
        return _line({
            MARK: FORMAT, "driver": self.driver, "nvml": self.nvml, "binding": self.binding, "gpus": list(self.gpus),
            "interval_seconds": self.interval_seconds, "date": self.date,
        })  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One answer of the driver. With `not_recorded` it is none, but the reason why the function has no answers here."""

    at: float
    function: str
    of: str = ""
    inputs: list[Plain] = field(default_factory=list)
    code: int = 0
    outputs: list[Plain] = field(default_factory=list)
    not_recorded: str = ""

    @property
    def key(self) -> str:
        """The question: two answers with the same key are answers to the same question."""
        return key(self.function, self.of, self.inputs)

    def line(self) -> str:
        """Return the line of the file."""
        if self.not_recorded:
            return _line({"at": self.at, "call": self.function, "not_recorded": self.not_recorded})
        data = {"at": self.at, "call": self.function, "of": self.of, "in": self.inputs, "code": self.code}
        data["out"] = self.outputs
        return _line({name: value for name, value in data.items() if value not in ("", [])})


def key(function: str, of: str, inputs: list[Plain]) -> str:
    """Return the question that a call asks, as a text to look up its answers by."""
    return json.dumps([function, of, inputs], sort_keys=True)


def header_of(text: bytes) -> Header:
    """Read the first line of a file. BadLine when it is none."""
    data = _parsed(text)
    if MARK not in data:
        raise BadLine(f"expected the header of a recording, {{{MARK!r}: {FORMAT}, ...}}, found {_short(data)}")
    if data.pop(MARK) != FORMAT:
        raise BadLine(f"a recording of another format than {FORMAT}, the one that this version of atlas-ops reads")
    _check(data, _HEADER, optional=())
    return Header(**data | {"gpus": tuple(data["gpus"])})


def answer_of(text: bytes) -> Answer:
    """Read any other line. BadLine when it is none."""
    data = _parsed(text)
    if "not_recorded" in data:
        _check(data, _NOT_RECORDED, optional=())
        return Answer(at=data["at"], function=data["call"], not_recorded=data["not_recorded"])
    _check(data, _ANSWER, optional=("of", "in", "out"))
    return Answer(
        at=data["at"],
        function=data["call"],
        of=data.get("of", ""),
        inputs=data.get("in", []),
        code=data["code"],
        outputs=data.get("out", []),
    )


def _line(data: Mapping[str, object]) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False) + "\n"


def _parsed(text: bytes) -> dict[str, Any]:
    if len(text) > LINE_BYTES:
        raise BadLine(f"expected at most {LINE_BYTES} bytes, found a longer line")
    try:
        data = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BadLine(f"expected a JSON object, found {_short(text)} ({error})") from None
    if not isinstance(data, dict):
        raise BadLine(f"expected a JSON object, found {_short(data)}")
    return data


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is no JSON")


def _is_seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_Rule = tuple[Callable[[object], bool], str]
_SECONDS: _Rule = (_is_seconds, "a number of seconds, 0 or more")
_TEXT: _Rule = (_is_text, "a text")
_LIST: _Rule = (lambda value: isinstance(value, list), "a list")
_FUNCTION: _Rule = (lambda value: isinstance(value, str) and value.startswith("nvml"), "the name of an NVML function")
_CODE: _Rule = (
    lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31,
    "a return code of NVML",
)
_HEADER: dict[str, _Rule] = {
    "driver": _TEXT,
    "nvml": _TEXT,
    "binding": _TEXT,
    "gpus": (_is_texts, "a list of names"),
    "interval_seconds": _SECONDS,
    "date": _TEXT,
}
_ANSWER: dict[str, _Rule] = {
    "at": _SECONDS,
    "call": _FUNCTION,
    "of": _TEXT,
    "in": _LIST,
    "code": _CODE,
    "out": _LIST,
}
_NOT_RECORDED: dict[str, _Rule] = {"at": _SECONDS, "call": _FUNCTION, "not_recorded": _TEXT}


def _check(data: Mapping[str, object], rules: Mapping[str, _Rule], *, optional: tuple[str, ...]) -> None:
    mistakes = [f"{name}: unknown key; known ones: {', '.join(rules)}" for name in data if name not in rules]
    for name, (fits, expected) in rules.items():
        if name not in data:
            if name not in optional:
                mistakes.append(f"{name}: is missing; expected {expected}")
        elif not fits(data[name]):
            mistakes.append(f"{name}: expected {expected}, found {_short(data[name])}")
    if mistakes:
        raise BadLine(*mistakes)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
