"""The probe against a real Triton: its metadata make the request, and a model that fails is a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_ops.exporter.probe.outcome import Outcome, Result
from tests.exporter.probe.answers import prober
from tests.servers.page import settled
from tests.servers.triton import TritonServer, fetch, running_triton

IN_JSON = ["BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP32", "FP64", "STRING"]
KINDS = {"in-json": IN_JSON, "in-binary": [*IN_JSON, "FP16", "BF16"], "half-answer": ["FP32"]}
"""Further models: the types of their inputs. The last two answer with FP16, which Triton does not send as JSON."""
ECHO = """\
import numpy
import triton_python_backend_utils as backend


class TritonPythonModel:
    def initialize(self, arguments):
        self.kind = numpy.int32 if arguments["model_name"] == "in-json" else numpy.float16

    def execute(self, requests):
        for request in requests:
            word = backend.get_input_tensor_by_name(request, "STRING")
            if word is not None and word.as_numpy().tolist() != [[[b"Hello"] * 3]]:
                raise ValueError(f"not the word: {word.as_numpy()}")
        return [backend.InferenceResponse([backend.Tensor("Y", numpy.zeros((1, 1), self.kind))]) for _ in requests]
"""


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TritonServer]:
    work = tmp_path_factory.mktemp("triton")
    for name, kinds in KINDS.items():
        write_model(work / "models" / name, kinds, answer="INT32" if name == "in-json" else "FP16")
    with running_triton(work) as server:
        yield server


def write_model(folder: Path, kinds: list[str], *, answer: str) -> None:
    inputs = ", ".join(f'{{ name: "{kind}" data_type: TYPE_{kind} dims: [ -1, 3 ] }}' for kind in kinds)
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.py").write_text(ECHO)
    (folder / "config.pbtxt").write_text(
        f'backend: "python"\nmax_batch_size: 4\ninput [{inputs}]\n'
        f'output [{{ name: "Y" data_type: TYPE_{answer} dims: [ 1 ] }}]\ninstance_group [{{ kind: KIND_CPU count: 1 }}]\n'
    )


def asked(triton: TritonServer, model: str = "", body_file: str = "") -> Outcome:
    return prober(triton.http_url, api="v2", model=model or triton.model, body_file=body_file).ask()


def test_a_model_is_asked_with_what_it_says_of_itself(triton: TritonServer) -> None:
    outcome = asked(triton)
    assert (outcome.result, outcome.message) == (Result.OK, "")
    assert outcome.first_token_seconds is None
    counted = f'nv_inference_request_success{{model="{triton.model}",version="1"}} 1'
    # Triton counts an answer a moment after its client has it.
    assert settled(lambda: counted in fetch(triton.metrics_url), expected=True)


@pytest.mark.parametrize("model", KINDS)
def test_inputs_of_every_type_are_taken(triton: TritonServer, model: str) -> None:
    outcome = asked(triton, model)
    assert (outcome.result, outcome.message, outcome.said) == (Result.OK, "", "")


def test_a_model_that_raises_is_a_failure(triton: TritonServer, tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    tensor = {"name": "SECONDS", "shape": [1], "datatype": "FP32", "data": [-1]}
    body.write_text(json.dumps({"inputs": [tensor]}))
    outcome = asked(triton, body_file=str(body))
    assert (outcome.result, outcome.message) == (Result.ERROR_STATUS, "HTTP 500")
    assert "sleep length must be non-negative" in outcome.said


def test_a_model_that_is_not_there_is_a_failure(triton: TritonServer) -> None:
    outcome = asked(triton, model="other")
    assert outcome.result is Result.ERROR_STATUS
    assert outcome.message.endswith("for /v2/models/other")
