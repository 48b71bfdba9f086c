"""Files that are recordings, files that are none, and everything in between."""

from __future__ import annotations

import contextlib
import json
import logging
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.errors import ConfigError
from atlas_ops.exporter.nvml.raw.lines import LINE_BYTES, Answer, BadLine, Header, answer_of, header_of, key
from atlas_ops.exporter.nvml.raw.recording import MISTAKES, Recording

HEADER = Header(driver="580.65.06", nvml="13.580.65.06", binding="13.615.71", gpus=("NVIDIA H100 80GB HBM3",),
                interval_seconds=1.0, date="2026-01-31")  # fmt: skip
POWER = Answer(at=0.5, function="nvmlDeviceGetPowerUsage", of="gpu0", outputs=[425000])
PLAIN = st.recursive(
    st.none() | st.integers(-(2**63), 2**64) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def write(folder: Path, *lines: str | bytes, header: Header | None = HEADER) -> Path:
    path = folder / "node.jsonl"
    head = header.line().encode() if header else b""
    path.write_bytes(head + b"".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    return path


def mistakes(path: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        Recording(path)
    assert caught.value.exit_code == 3
    assert caught.value.next_step
    return caught.value.mistakes


@given(
    st.builds(
        Answer, at=st.floats(0, 1e6), function=st.just("nvmlX"), of=st.text(max_size=9),
        inputs=st.lists(PLAIN, max_size=3), code=st.integers(0, 999), outputs=st.lists(PLAIN, max_size=3),
    )
)  # fmt: skip
def test_an_answer_is_read_as_it_was_written(answer: Answer) -> None:
    assert answer_of(answer.line().encode()) == answer


def test_header_and_reasons_are_read_as_they_were_written() -> None:
    assert header_of(HEADER.line().encode()) == HEADER
    left_out = Answer(at=1.0, function="nvmlX", not_recorded="it has a pointer")
    assert answer_of(left_out.line().encode()) == left_out


@given(st.binary(max_size=60) | PLAIN.map(lambda data: json.dumps(data).encode()))
def test_a_line_of_whatever_is_read_or_refused_and_nothing_else(text: bytes) -> None:
    for parse in (header_of, answer_of):
        with contextlib.suppress(BadLine):
            parse(text)


def test_the_newest_answer_counts_the_first_before_it_and_the_last_behind_the_end(tmp_path: Path) -> None:
    lines = [Answer(at=at, function="nvmlX", outputs=[at]).line() for at in (1.0, 2.0, 3.0)]
    question = key("nvmlX", "", [])
    recording = Recording(write(tmp_path, *lines))
    told = [recording.answer(question, now) for now in (0.0, 0.9, 1.0, 1.9, 2.5, 3.0, 1e9)]
    assert [answer.outputs for answer in told if answer] == [[1.0], [1.0], [1.0], [1.0], [2.0], [3.0], [3.0]]
    assert recording.answer(key("nvmlX", "gpu0", []), 3.0) is None


def test_the_end_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recording = Recording(write(tmp_path, POWER.line()))
    with caplog.at_level(logging.INFO):
        for now in (0.0, 1.0, 2.0):
            recording.answer(POWER.key, now)
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "the recording has ended; its last answers are given from now on"
    ]


def test_a_recording_that_was_cut_off_is_replayed_as_far_as_it_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording = Recording(write(tmp_path, POWER.line(), POWER.line()[:-10]))
    assert recording.answer(POWER.key, 9.0) == POWER
    assert "line 3 is cut off" in caplog.text


def test_a_last_line_without_its_end_counts_when_it_is_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert Recording(write(tmp_path, POWER.line().rstrip())).answer(POWER.key, 9.0) == POWER
    assert not caplog.records


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        POWER.line(),
        "not json\n",
        b"\xff\xfe\n",
        "\n",
        "[1, 2]\n",
        '{"at": NaN, "call": "nvmlX", "code": 0}\n',
        '{"at": -1, "call": "system", "code": true, "in": {}, "out": 7, "of": 1}\n',
        '{"at": 1, "cal": "nvmlX", "code": 0}\n',
        '{"at": 0.25, "call": "nvmlX", "code": 0}\n',
        '{"at": 1, "call": "nvmlX", "not_recorded": 7}\n',
        "[" * 100_000 + "\n",
        POWER.line(),
    )
    found = mistakes(path)
    assert [text.partition(":")[0] for text in found] == [f"line {number}" for number in range(3, 13)]
    assert found[0].startswith("line 3: expected a JSON object, found b'not json")
    assert "line 7: expected a JSON object" in found[4]
    assert "NaN is no JSON" in found[4]
    assert found[5] == (
        "line 8: at: expected a number of seconds, 0 or more, found -1; "
        "call: expected the name of an NVML function, found 'system'; of: expected a text, found 1; "
        "in: expected a list, found {}; code: expected a return code of NVML, found True; out: expected a list, found 7"
    )
    assert found[6] == (
        "line 9: cal: unknown key; known ones: at, call, of, in, code, out; "
        "call: is missing; expected the name of an NVML function"
    )
    assert found[7] == "line 10: at: expected 0.5 or more, as before it, found 0.25"
    assert found[8] == "line 11: not_recorded: expected a text, found 7"


def test_a_file_of_nothing_but_mistakes_is_not_read_to_its_end(tmp_path: Path) -> None:
    found = mistakes(write(tmp_path, *["no\n"] * 1000))
    assert len(found) == MISTAKES + 1
    assert found[-1] == "and more: what follows was not read"


HEADERS = {
    "": "line 1: expected the header of a recording, found an empty file",
    "\n": "line 1: expected a JSON object, found b'\\n'",
    POWER.line(): "line 1: expected the header of a recording, {'atlas_gpu_recording': 1, ...}, found {'at': 0.5",
    HEADER.line()[:40]: "line 1: expected a JSON object",
    HEADER.line().replace(':1,"driver"', ':2,"driver"'): "line 1: a recording of another format than 1",
    HEADER.line().replace(
        '"gpus":["NVIDIA H100 80GB HBM3"]', '"gpus":7'
    ): "line 1: gpus: expected a list of names, found 7",
    HEADER.line().replace('"date"', '"host"'): "line 1: host: unknown key",
}


@pytest.mark.parametrize("text", HEADERS)
def test_a_file_that_does_not_begin_as_a_recording_is_none(text: str, tmp_path: Path) -> None:
    found = mistakes(write(tmp_path, text, POWER.line() if text else "", header=None))
    assert found[0].startswith(HEADERS[text])


def test_a_header_without_answers_is_no_recording(tmp_path: Path) -> None:
    assert mistakes(write(tmp_path)) == ("line 2: expected an answer of the driver, found the end of the file",)


def test_a_line_without_end_is_refused_without_being_held(tmp_path: Path) -> None:
    path = write(tmp_path, POWER.line(), b"x" * (40 * LINE_BYTES) + b"\n", "no\n")
    tracemalloc.start()
    found = mistakes(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found[0] == f"line 3: expected at most {LINE_BYTES} bytes, found a longer line"
    assert found[1].startswith("line 4:")
    assert peak < 8 * LINE_BYTES


def test_what_is_no_file_is_no_recording(tmp_path: Path) -> None:
    assert mistakes(tmp_path / "nothing") == ("cannot be read: there is no such file",)
    assert mistakes(tmp_path) == ("cannot be read: it is no file of the usual kind",)
    assert mistakes(Path("/dev/zero")) == ("cannot be read: it is no file of the usual kind",)


def test_a_long_recording_needs_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    def peak(seconds: int) -> int:
        lines = [Answer(at=at, function="nvmlX", of=f"gpu{gpu}", outputs=[at]).line() for at in range(seconds)
                 for gpu in range(8)]  # fmt: skip
        path = write(tmp_path, *lines)
        tracemalloc.start()
        recording = Recording(path)
        for now in range(seconds):
            answer = recording.answer(key("nvmlX", "gpu7", []), now)
            assert answer is not None
            assert answer.outputs == [now]
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(1000) < 1.5 * peak(60)


def test_a_file_that_changes_under_the_replay_ends_it_at_worst(tmp_path: Path) -> None:
    late = [Answer(at=float(at), function="nvmlX", outputs=[at]).line() for at in range(1, 5000)]
    path = write(tmp_path, *late)
    recording = Recording(path)
    assert recording.answer(key("nvmlX", "", []), 1.0) is not None
    with path.open("r+b") as file:
        file.seek(50_000)
        file.write(b"garbage" * 20_000)
    answer = recording.answer(key("nvmlX", "", []), 1e6)
    assert answer is not None
    assert answer.outputs[0] != 4999
