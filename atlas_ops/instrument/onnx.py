"""An ONNX Runtime session that counts its runs. Made by `Instrument.onnx`; knows no ONNX Runtime, only the form of a session.

ONNX Runtime has no metrics of its own (it is a library), so its caller is where they are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from atlas_ops.instrument.failures import Failures, harmless
from atlas_ops.instrument.request import Request
from atlas_ops.instrument.tally import Tally


class Input(Protocol):
    """An input of a model: its name, and its dimensions, which are names or None where any size will do."""

    name: str
    shape: Sequence[int | str | None]


class Session(Protocol):
    """What an `onnxruntime.InferenceSession` has, as far as it is asked for here."""

    def get_inputs(self) -> Sequence[Input]:
        """Return the inputs of the model."""
        ...

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], run_options: Any = None) -> Any:
        """Run the model once."""
        ...


class CountedSession:
    """Everything that the session is; `run`, `run_with_ort_values` and `run_with_iobinding` are counted as well.

    `run_async` and whatever else there is goes to the session as it is, uncounted.
    """

    def __init__(self, session: Session, tally: Tally, request: Callable[[], Request] | None) -> None:
        """`request` makes the request that a run is; None where a run is only a part of one."""
        self._session: Any = session
        self._tally = tally
        self._request = request
        self._batched = ""
        self._find_the_batch()

    @property
    def failures(self) -> Failures:
        """Where failed measurements are counted."""
        return self._tally.failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], run_options: Any = None) -> Any:
        """Run the model once, as the session does."""
        return self._run(self._session.run, run_options, input_feed, output_names, input_feed, run_options)

    def run_with_ort_values(
        self, output_names: Sequence[str] | None, input_dict_ort_values: Mapping[str, Any], run_options: Any = None
    ) -> Any:
        """Run the model once, as the session does."""
        run = self._session.run_with_ort_values
        return self._run(run, run_options, input_dict_ort_values, output_names, input_dict_ort_values, run_options)

    def run_with_iobinding(self, iobinding: Any, run_options: Any = None) -> Any:
        """Run the model once, as the session does. How many inputs it has does not show, so it counts as one."""
        return self._run(self._session.run_with_iobinding, run_options, {}, iobinding, run_options)

    def _run(self, run: Callable[..., Any], options: Any, inputs: Mapping[str, Any], /, *arguments: Any) -> Any:
        if self._request is None:
            return self._execute(run, inputs, arguments)
        with self._request() as request:
            try:
                return self._execute(run, inputs, arguments)
            except Exception:
                if getattr(options, "terminate", False):  # ONNX Runtime has one exception for this and for every defect
                    request.mark("cancelled")
                raise

    def _execute(self, run: Callable[..., Any], inputs: Mapping[str, Any], arguments: tuple[Any, ...]) -> Any:
        result = run(*arguments)
        self._count(inputs)
        return result

    @harmless
    def _count(self, inputs: Mapping[str, Any]) -> None:
        self._tally.add_batch(_first_dimension(inputs.get(self._batched)))

    @harmless
    def _find_the_batch(self) -> None:
        """Find an input whose first dimension is free: that is how a model says that it takes batches."""
        for node in self._session.get_inputs():
            if node.shape and not isinstance(node.shape[0], int):
                self._batched = node.name
                return


def _first_dimension(value: Any) -> int:
    """Return how many inputs there are in an array, an OrtValue (whose shape is a method) or a list."""
    if value is None:
        return 1
    shape = getattr(value, "shape", None)
    if callable(shape):
        shape = shape()
    return int(shape[0]) if shape else len(value)
