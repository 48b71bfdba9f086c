"""The smallest ONNX model that takes batches, written by hand: the package `onnx` is large, and this is 70 bytes.

Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

_FLOAT, _IR_VERSION, _OPSET = 1, 8, 13


def relu(*shape: int | str) -> bytes:
    """Return a model with input `x` and output `y` of that shape; a name for a dimension leaves it free."""
    node = _field(1, b"x") + _field(2, b"y") + _field(4, b"Relu")
    graph = _field(1, node) + _field(2, b"graph") + _field(11, _value("x", shape)) + _field(12, _value("y", shape))
    return _field(1, _IR_VERSION) + _field(8, _field(1, b"") + _field(2, _OPSET)) + _field(7, graph)


def _value(name: str, shape: tuple[int | str, ...]) -> bytes:
    dimensions = (_field(2, size.encode()) if isinstance(size, str) else _field(1, size) for size in shape)
    tensor = _field(1, _FLOAT) + _field(2, b"".join(_field(1, dimension) for dimension in dimensions))
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def _field(number: int, value: int | bytes) -> bytes:
    """Return a field of protobuf: a number, or bytes with their length before them. All are below 128 here."""
    if isinstance(value, int):
        return bytes((number << 3, value))
    assert len(value) < 128
    return bytes((number << 3 | 2, len(value))) + value
