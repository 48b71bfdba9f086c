"""The little of protobuf's wire format that the kubelet's answers need.

Called by `podresources`. A message is a row of fields; those that hold bytes (texts, nested messages) are handed out,
all others are stepped over. Format: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator

from atlas_ops.errors import AtlasError

MAX_TEXT_BYTES = 1024
"""Names in Kubernetes have at most 253 characters, ids of devices far fewer: more is no name."""
_MAX_FIELD_NUMBER = (1 << 29) - 1
_MAX_VARINT_BYTES = 10
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {_FIXED64: 8, _FIXED32: 4}


class WireError(AtlasError):
    """The bytes are no protobuf message."""


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of every field that holds bytes; WireError where the message breaks off or makes no sense."""
    position, end = 0, len(message)
    while position < end:
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if not 1 <= number <= _MAX_FIELD_NUMBER:
            raise WireError(f"a field has the number {number}")
        if kind == _VARINT:
            _, position = _varint(message, position)
        elif kind == _BYTES:
            size, start = _varint(message, position)
            position = _inside(start + size, end)
            yield number, message[start:position]
        elif kind in _FIXED_BYTES:
            position = _inside(position + _FIXED_BYTES[kind], end)
        else:
            raise WireError(f"field {number} has the wire type {kind}")


def text(content: bytes) -> str:
    """Return the content of a text field; WireError when it is no UTF-8 or longer than any name."""
    if len(content) > MAX_TEXT_BYTES:
        raise WireError(f"a text has {len(content)} bytes, expected at most {MAX_TEXT_BYTES}")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise WireError(f"a text is no UTF-8: {error}") from None


def _varint(message: bytes, start: int) -> tuple[int, int]:
    """Return a variable-length number and the place behind it."""
    value = 0
    for index, byte in enumerate(message[start : start + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, start + index + 1
    raise WireError(f"a number that begins at byte {start} does not end")


def _inside(position: int, end: int) -> int:
    if position > end:
        raise WireError(f"a field is {position - end} bytes longer than its message")
    return position
