"""A recording read from its file: checked as a whole first, then followed line by line as the replayed time goes on.

Used by `exporter.nvml.replay`. Only the newest answer to each question is in memory, so an hour of eight GPUs costs no
more than a minute of them.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from atlas_ops.errors import ConfigError
from atlas_ops.exporter.nvml.raw.lines import LINE_BYTES, Answer, BadLine, Header, answer_of, header_of

EVENT_WAITS = frozenset({"nvmlEventSetWait", "nvmlEventSetWait_v2"})
"""Functions whose answers are events: each is told once, none is the state of anything."""
MISTAKES = 20
"""After so many lines with mistakes, the rest of a file is not read."""
_NEXT_STEP = "record again with `atlas-ops gpu record`, or mend the lines that are named"

_log = logging.getLogger(__name__)


class Recording:
    """The recording in a file; ConfigError with the mistakes in it. Not safe for threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._newest: dict[str, Answer] = {}
        self._places: dict[str, int] = {}
        self._functions: set[str] = set()
        self.events: list[Answer] = []
        self._file = _opened(path)
        self.header = self._check()
        self._ahead = self._answers(_opened(path))
        self._next = next(self._ahead, None)

    @property
    def functions(self) -> frozenset[str]:
        """Names of the functions that were called when it was made."""
        return frozenset(self._functions)

    def answer(self, key: str, now: float) -> Answer | None:
        """Return the newest answer to a question (`lines.key`) at `now`, seconds that never run backwards.

        Before its first answer it is that one, and behind the end of the recording the last. None: it was never asked.
        """
        while self._next is not None and self._next.at <= now:
            self._newest[self._next.key] = self._next
            self._next = next(self._ahead, None)
            if self._next is None:
                _log.info("%s: the recording has ended; its last answers are given from now on", self._path)
        if key not in self._newest and key in self._places:
            self._newest[key] = self._first(key)
        return self._newest.get(key)

    def _first(self, key: str) -> Answer:
        self._file.seek(self._places[key])
        return answer_of(self._file.readline(LINE_BYTES))

    def _answers(self, file: BinaryIO) -> Iterator[Answer]:
        """Yield the answers from the start. What has become of the file since it was checked ends them, at worst."""
        with file:
            for number, _, text in _lines(file):
                if number == 1:
                    continue
                try:
                    yield answer_of(text)
                except BadLine:
                    return

    def _check(self) -> Header:
        """Read the whole file, and note where each question is first answered."""
        lines = _lines(self._file)
        try:
            header = header_of(next(lines)[2])
        except StopIteration:
            raise _wrong(self._path, ["line 1: expected the header of a recording, found an empty file"]) from None
        except BadLine as bad:
            raise _wrong(self._path, [f"line 1: {mistake}" for mistake in bad.mistakes]) from None
        mistakes = list(itertools.islice(self._mistakes(lines), MISTAKES + 1))
        if len(mistakes) > MISTAKES:
            mistakes[MISTAKES:] = ["and more: what follows was not read"]
        if not (mistakes or self._functions):
            mistakes = ["line 2: expected an answer of the driver, found the end of the file"]
        if mistakes:
            raise _wrong(self._path, mistakes)
        return header

    def _mistakes(self, lines: Iterator[tuple[int, int, bytes]]) -> Iterator[str]:
        latest = 0.0
        for number, place, text in lines:
            try:
                answer = answer_of(text)
            except BadLine as bad:
                if not text.endswith(b"\n") and len(text) <= LINE_BYTES:
                    _log.warning("%s: line %d is cut off; the recording is replayed without it", self._path, number)
                    return
                yield f"line {number}: {bad}"
                continue
            if answer.at < latest:
                yield f"line {number}: at: expected {latest:g} or more, as before it, found {answer.at:g}"
            latest = max(latest, answer.at)
            self._note(answer, place)

    def _note(self, answer: Answer, place: int) -> None:
        self._functions.add(answer.function)
        if answer.function not in EVENT_WAITS:
            if not answer.not_recorded:
                self._places.setdefault(answer.key, place)
        elif not answer.code:
            self.events.append(answer)


def _opened(path: Path) -> BinaryIO:
    try:
        if not path.is_file():
            raise OSError("there is no such file" if not path.exists() else "it is no file of the usual kind")
        return path.open("rb")
    except OSError as error:
        raise _wrong(path, [f"cannot be read: {error}"]) from error


def _lines(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Yield (number, place in the file, text); of a line that is too long, the beginning, without its end."""
    for number in itertools.count(1):
        place = file.tell()
        text = file.readline(LINE_BYTES + 1)
        if not text:
            return
        rest = text
        while len(rest) > LINE_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(LINE_BYTES + 1)
        yield number, place, text


def _wrong(path: Path, mistakes: list[str]) -> ConfigError:
    return ConfigError(str(path), mistakes, next_step=_NEXT_STEP)
