"""Requests that are made up from what a model says of its inputs."""

from __future__ import annotations

import contextlib
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.exporter.probe import tensors
from atlas_ops.exporter.probe.outcome import ProbeFailure, Result
from atlas_ops.exporter.probe.tensors import tfserving_body, v2_body


def v2(*inputs: tuple[str, list[Any]], outputs: tuple[str, ...] = ()) -> dict[str, object]:
    """Metadata of a model with these inputs, named a, b, …."""
    return {
        "name": "m",
        "inputs": [{"name": chr(97 + i), "datatype": kind, "shape": shape} for i, (kind, shape) in enumerate(inputs)],
        "outputs": [{"name": "y", "datatype": kind, "shape": [1]} for kind in outputs],
    }


def tf(**inputs: tuple[str, object]) -> dict[str, object]:
    told = {name: {"dtype": kind, "tensor_shape": shape} for name, (kind, shape) in inputs.items()}
    return {"metadata": {"signature_def": {"signature_def": {"serving_default": {"inputs": told}}}}}


def sizes(*numbers: int) -> dict[str, object]:
    """A shape as TensorFlow Serving writes it."""
    return {"dim": [{"size": str(number), "name": ""} for number in numbers], "unknown_rank": False}


def test_v2_inputs_have_the_shape_of_the_model_and_one_where_it_is_open() -> None:
    body = v2_body(
        v2(("FP32", [-1, 3]), ("INT64", [2]), ("BOOL", [1]), ("BYTES", [-1, 1]), ("UINT8", []), ("FP64", [0, -7]))
    )
    assert body.content_type == "application/json"
    assert json.loads(body.content) == {
        "inputs": [
            {"name": "a", "shape": [1, 3], "datatype": "FP32", "data": [0.0, 0.0, 0.0]},
            {"name": "b", "shape": [2], "datatype": "INT64", "data": [0, 0]},
            {"name": "c", "shape": [1], "datatype": "BOOL", "data": [False]},
            {"name": "d", "shape": [1, 1], "datatype": "BYTES", "data": ["Hello"]},
            {"name": "e", "shape": [], "datatype": "UINT8", "data": [0]},
            {"name": "f", "shape": [1, 1], "datatype": "FP64", "data": [0.0]},
        ]
    }


@pytest.mark.parametrize(
    "metadata", [v2(("FP16", [4]), ("BYTES", [2])), v2(("BF16", [4]), ("BYTES", [2]), outputs=("FP32",))]
)
def test_types_that_json_cannot_carry_are_sent_in_binary(metadata: dict[str, object]) -> None:
    body = v2_body(metadata)
    length = int(body.headers["Inference-Header-Content-Length"])
    head, data = json.loads(body.content[:length]), body.content[length:]
    assert [part["parameters"] for part in head["inputs"]] == [{"binary_data_size": 8}, {"binary_data_size": 18}]
    assert head["parameters"] == {"binary_data_output": True}
    assert data == bytes(8) + 2 * (struct.pack("<I", 5) + b"Hello")
    assert body.content_type == "application/octet-stream"


def test_an_output_that_json_cannot_carry_is_asked_for_in_binary() -> None:
    assert "Inference-Header-Content-Length" in v2_body(v2(("INT32", [2]), outputs=("FP16",))).headers
    assert not v2_body(v2(("INT32", [2]), outputs=("FP32",))).headers


def test_tensorflow_inputs_are_nested_as_their_shape_is() -> None:
    metadata = tf(
        x=("DT_FLOAT", sizes(-1, 2, 2)), n=("DT_INT64", sizes(-1)), s=("DT_STRING", sizes(1)), b=("DT_BOOL", {})
    )
    inputs = {"x": [[[0.0, 0.0], [0.0, 0.0]]], "n": [0], "s": ["Hello"], "b": False}
    assert json.loads(tfserving_body(metadata).content) == {"signature_name": "serving_default", "inputs": inputs}


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({}, "does not tell its inputs"),
        (v2(), "does not tell its inputs"),
        (v2(("COMPLEX64", [1])), "the type of the input a is not known: COMPLEX64"),
        (v2(("FP32", [4096, 4096])), "more than 2097152 items"),
        (v2(("FP32", [1] * 33)), "more than 32 dimensions"),
    ],
)
def test_what_cannot_be_made_up_is_no_fault_of_the_server(metadata: dict[str, object], why: str) -> None:
    with pytest.raises(ProbeFailure, match=why) as raised:
        v2_body(metadata)
    assert raised.value.result is Result.NOT_SENT
    assert "give a body_file" in raised.value.message


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({}, "does not tell its inputs"),
        (tf(x=("DT_VARIANT", sizes(1))), "the type of the input x is not known: DT_VARIANT"),
        (tf(x=("DT_FLOAT", {"unknown_rank": True, "dim": []})), "number of dimensions of the input x"),
    ],
)
def test_neither_is_it_with_tensorflow(metadata: dict[str, object], why: str) -> None:
    with pytest.raises(ProbeFailure, match=why) as raised:
        tfserving_body(metadata)
    assert raised.value.result is Result.NOT_SENT


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["FP32", "BYTES", "DT_FLOAT", "-1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["inputs", "outputs", "name", "datatype", "shape", "dtype", "dim", "size"]), inner
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_metadata_raise_anything_but_that_nothing_can_be_made_up(wild: object) -> None:
    signature = {"metadata": {"signature_def": {"signature_def": {"serving_default": {"inputs": wild}}}}}
    for make, metadata in ((v2_body, wild), (v2_body, {"inputs": wild}), (tfserving_body, signature)):
        with contextlib.suppress(ProbeFailure):
            body = make(metadata)
            assert len(body.content) < 16 * tensors.MAX_ITEMS
            if not body.headers:
                json.loads(body.content)
