"""Makes up a request from what a model says of its inputs: every number 0, every text a harmless word.

Used by `question` for KServe's V2 protocol and for TensorFlow Serving. Sizes that a model leaves open are 1.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from atlas_ops.exporter.probe.outcome import ProbeFailure, Result

WORD = "Hello"
MAX_DIMENSIONS = 32
"""NumPy's limit until 2.0, and beyond any model; the request of one with thousands would take minutes to write."""
MAX_ITEMS = 2 << 20
"""Numbers and texts of one request, some 8 MiB: a picture of 800 times 800. More would be no small request."""
TENSORS_BEGIN = "Inference-Header-Content-Length"
"""Header of the binary extension: how many bytes of JSON come before the first tensor."""
_JSON = "application/json"
_WORD_IN_BINARY = struct.pack(f"<I{len(WORD)}s", len(WORD), WORD.encode())
_WHOLE_NUMBERS = {f"{kind}{bits}": bits // 8 for kind in ("INT", "UINT") for bits in (8, 16, 32, 64)}
_FRACTIONS = {"FP16": 2, "BF16": 2, "FP32": 4, "FP64": 8}
_BYTES_OF_AN_ITEM = {"BOOL": 1, **_WHOLE_NUMBERS, **_FRACTIONS}
_ITEMS = {"BOOL": "false", "BYTES": f'"{WORD}"'} | dict.fromkeys(_WHOLE_NUMBERS, "0") | dict.fromkeys(_FRACTIONS, "0.0")
_ONLY_IN_BINARY = ("FP16", "BF16")
"""Triton and KServe refuse these as numbers in JSON."""
_TF_ITEMS = {
    "DT_BOOL": "false", "DT_STRING": f'"{WORD}"',
    **dict.fromkeys((f"DT_{name}" for name in _WHOLE_NUMBERS), "0"),
    **dict.fromkeys(("DT_HALF", "DT_BFLOAT16", "DT_FLOAT", "DT_DOUBLE"), "0.0"),
}  # fmt: skip
_SIGNATURE = "serving_default"


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """What is sent."""

    content: bytes
    content_type: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Tensor:
    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def items(self) -> int:
        return math.prod(self.shape)


def v2_body(metadata: object) -> Body:
    """Return a request of the V2 protocol for a model with this metadata.

    ProbeFailure (`not_sent`) when none can be made up. The binary form of the protocol's extension is used only where an
    input or output has a type that JSON cannot carry: not every server knows it.
    """
    inputs = [_v2_tensor(part) for part in _list(metadata, "inputs")]
    _refuse(inputs, _ITEMS)
    outputs = {_text(part, "datatype") for part in _list(metadata, "outputs")}
    if not outputs.union(tensor.datatype for tensor in inputs).isdisjoint(_ONLY_IN_BINARY):
        return _v2_binary(inputs)
    told = (
        f'{_v2_head(tensor)[:-1]}, "data": [{_repeat(_ITEMS[tensor.datatype], tensor.items)}]}}' for tensor in inputs
    )
    return Body(content=f'{{"inputs": [{", ".join(told)}]}}'.encode())


def tfserving_body(metadata: object) -> Body:
    """Return a request of TensorFlow Serving's predict API in columns; ProbeFailure when none can be made up."""
    signatures = _get(_get(_get(metadata, "metadata"), "signature_def"), "signature_def")
    inputs = _get(_get(signatures, _SIGNATURE), "inputs")
    tensors = [_tf_tensor(name, part) for name, part in inputs.items()] if isinstance(inputs, dict) else []
    _refuse(tensors, _TF_ITEMS)
    told = (f"{json.dumps(tensor.name)}: {_nested(_TF_ITEMS[tensor.datatype], tensor.shape)}" for tensor in tensors)
    return Body(content=f'{{"signature_name": "{_SIGNATURE}", "inputs": {{{", ".join(told)}}}}}'.encode())


def _v2_binary(inputs: Sequence[_Tensor]) -> Body:
    data = [
        _WORD_IN_BINARY * tensor.items
        if tensor.datatype == "BYTES"
        else bytes(_BYTES_OF_AN_ITEM[tensor.datatype] * tensor.items)
        for tensor in inputs
    ]
    heads = [
        f'{_v2_head(tensor)[:-1]}, "parameters": {{"binary_data_size": {len(part)}}}}}'
        for tensor, part in zip(inputs, data, strict=True)
    ]
    head = f'{{"inputs": [{", ".join(heads)}], "parameters": {{"binary_data_output": true}}}}'.encode()
    return Body(
        content=b"".join((head, *data)),
        content_type="application/octet-stream",
        headers={TENSORS_BEGIN: str(len(head))},
    )


def _v2_head(tensor: _Tensor) -> str:
    return json.dumps({"name": tensor.name, "shape": tensor.shape, "datatype": tensor.datatype})


def _v2_tensor(part: object) -> _Tensor:
    sizes = _list(part, "shape")
    return _Tensor(_text(part, "name"), _text(part, "datatype"), tuple(_size(size) for size in sizes))


def _tf_tensor(name: str, part: object) -> _Tensor:
    shape = _get(part, "tensor_shape")
    if _get(shape, "unknown_rank") is True:
        raise _not_made_up(f"the number of dimensions of the input {name} is not known")
    sizes = [_get(dimension, "size") for dimension in _list(shape, "dim")]
    return _Tensor(name, _text(part, "dtype"), tuple(_size(size) for size in sizes))


def _refuse(tensors: Sequence[_Tensor], known: Mapping[str, str]) -> None:
    """Raise ProbeFailure unless a request for these inputs can be made up."""
    if not tensors:
        raise _not_made_up("the model does not tell its inputs")
    for tensor in tensors:
        if tensor.datatype not in known:
            raise _not_made_up(f"the type of the input {tensor.name} is not known: {tensor.datatype or 'none'}")
        if len(tensor.shape) > MAX_DIMENSIONS:
            raise _not_made_up(f"the input {tensor.name} has more than {MAX_DIMENSIONS} dimensions")
    if sum(tensor.items for tensor in tensors) > MAX_ITEMS:
        raise _not_made_up(f"the inputs of the model would hold more than {MAX_ITEMS} items")


def _not_made_up(why: str) -> ProbeFailure:
    return ProbeFailure(Result.NOT_SENT, f"no request can be made up: {why}; give a body_file")


def _size(size: object) -> int:
    """Return the size of a dimension; TensorFlow Serving writes it as a text. Open ones (-1) are 1."""
    if isinstance(size, str) and size.removeprefix("-").isdecimal() and len(size) < 20:
        size = int(size)
    return max(size, 1) if isinstance(size, int) else 1


def _repeat(item: str, times: int) -> str:
    return (f"{item}," * times)[:-1]


def _nested(item: str, shape: Sequence[int]) -> str:
    for size in reversed(shape):
        item = f"[{_repeat(item, size)}]"
    return item


def _get(thing: object, key: str) -> object:
    return thing.get(key) if isinstance(thing, dict) else None


def _list(thing: object, key: str) -> list[object]:
    found = _get(thing, key)
    return found if isinstance(found, list) else []


def _text(thing: object, key: str) -> str:
    found = _get(thing, key)
    return found if isinstance(found, str) else ""
