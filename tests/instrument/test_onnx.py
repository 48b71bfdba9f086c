"""A session of the real ONNX Runtime counts its runs, and is otherwise what it was."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnxruntime
import pytest

from atlas_ops.instrument import Instrument
from tests.instrument.onnx_model import relu
from tests.instrument.telling import ended, failures, value

BATCHES, INPUTS = "atlas_ops_batches_total", "atlas_ops_batched_requests_total"


@pytest.fixture
def ops() -> Instrument:
    return Instrument("m")


def opened(*shape: int | str) -> Any:
    return onnxruntime.InferenceSession(relu(*shape), providers=["CPUExecutionProvider"])


def rows(number: int, columns: int = 4) -> dict[str, Any]:
    return {"x": np.full((number, columns), -1.0, np.float32)}


def test_a_run_answers_as_before_and_is_a_request_of_the_model(ops: Instrument) -> None:
    session = ops.onnx(opened("batch", 4))
    (answer,) = session.run(["y"], rows(2))
    assert answer.tolist() == [[0.0] * 4] * 2
    assert ended(ops) == {"ok": 1}
    assert value(ops, "gen_ai_server_request_duration_seconds_count") == 1
    assert failures(ops) == 0


def test_inputs_are_counted_by_the_dimension_that_the_model_leaves_free(ops: Instrument) -> None:
    session = ops.onnx(opened("batch", 4))
    for number in (1, 2, 8):
        session.run(None, rows(number))
    assert (value(ops, BATCHES), value(ops, INPUTS)) == (3, 11)


def test_a_run_of_a_model_that_takes_no_batches_has_one_input(ops: Instrument) -> None:
    ops.onnx(opened(3, 4)).run(None, rows(3))
    assert (value(ops, BATCHES), value(ops, INPUTS)) == (1, 1)


def test_a_run_that_fails_raises_what_it_raised_and_is_an_error_and_no_batch(ops: Instrument) -> None:
    session = ops.onnx(opened("batch", 4))
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument):
        session.run(None, rows(1, columns=3))
    assert ended(ops) == {"error": 1}
    assert value(ops, BATCHES) is None


def test_a_run_that_was_told_to_end_is_cancelled(ops: Instrument) -> None:
    options = onnxruntime.RunOptions()
    options.terminate = True
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.Fail):
        ops.onnx(opened("batch", 4)).run(None, rows(1), options)
    assert ended(ops) == {"cancelled": 1}


def test_a_run_within_a_request_is_only_an_execution(ops: Instrument) -> None:
    session = ops.onnx(opened("batch", 4), run_is_request=False)
    with ops.request():
        session.run(None, rows(2))
        session.run(None, rows(2))
    assert ended(ops) == {"ok": 1}
    assert (value(ops, BATCHES), value(ops, INPUTS)) == (2, 4)


def test_the_other_ways_to_run_are_counted_too(ops: Instrument) -> None:
    session = ops.onnx(opened("batch", 4))
    inputs = {"x": onnxruntime.OrtValue.ortvalue_from_numpy(rows(3)["x"])}
    (answer,) = session.run_with_ort_values(["y"], inputs)
    assert answer.numpy().shape == (3, 4)
    binding = session.io_binding()
    binding.bind_cpu_input("x", rows(3)["x"])
    binding.bind_output("y")
    session.run_with_iobinding(binding)
    assert binding.copy_outputs_to_cpu()[0].shape == (3, 4)
    assert ended(ops) == {"ok": 2}
    assert (value(ops, BATCHES), value(ops, INPUTS)) == (2, 3 + 1), "what is bound does not show"


def test_everything_else_is_the_sessions_own(ops: Instrument) -> None:
    plain = opened("batch", 4)
    session = ops.onnx(plain)
    assert session.get_providers() == ["CPUExecutionProvider"]
    assert session.get_outputs()[0].name == "y"
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = session.no_such_thing


def test_threads_may_share_a_session(ops: Instrument) -> None:
    session = ops.onnx(opened("batch", 4))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: session.run(None, rows(number)), [1, 2, 3, 4] * 50))
    assert ended(ops) == {"ok": 200}
    assert (value(ops, BATCHES), value(ops, INPUTS)) == (200, 500)


class OddSession:
    """What has the form of a session, and inputs that cannot be counted."""

    def get_inputs(self) -> Any:
        raise ZeroDivisionError

    def run(self, output_names: object, input_feed: Mapping[str, Any], run_options: object = None) -> str:
        return "answer"


def test_a_session_that_cannot_be_asked_for_its_inputs_runs_all_the_same(ops: Instrument) -> None:
    session = ops.onnx(OddSession())
    assert session.run(None, {}) == "answer"
    assert ended(ops) == {"ok": 1}
    assert failures(ops) == 1


def test_an_input_that_has_no_size_costs_a_batch_and_no_answer(ops: Instrument) -> None:
    class Sized(OddSession):
        def get_inputs(self) -> Any:
            return opened("batch", 4).get_inputs()

    assert ops.onnx(Sized()).run(None, {"x": object()}) == "answer"
    assert ended(ops) == {"ok": 1}
    assert (value(ops, BATCHES), failures(ops)) == (None, 1)
