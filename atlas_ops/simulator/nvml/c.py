"""Reading and writing the C arguments that the binding passes: integers, and pointers to integers, records and arrays.

Used by every module of `simulator.nvml`. The binding makes its arguments with ctypes; which types exactly differs between
its releases and between callers, so everything here goes by what an argument can do. They are typed `Any` for that reason.
"""

from __future__ import annotations

import ctypes
from typing import Any

from atlas_ops.simulator.nvml.codes import (
    ARGUMENT_VERSION_MISMATCH,
    INSUFFICIENT_SIZE,
    INVALID_ARGUMENT,
    NOT_SUPPORTED,
    Refused,
)


def number(argument: Any) -> int:
    """Return the value of an integer that was passed by value."""
    return argument if isinstance(argument, int) else int(argument.value)


def pointee(argument: Any) -> Any:
    """Return the object that a reference (`byref`), a pointer or an array points to; Refused when it is null."""
    if argument is None:
        raise Refused(INVALID_ARGUMENT)
    if isinstance(argument, ctypes._Pointer):  # noqa: SLF001 - the class of all pointers has no public name
        return argument.contents
    return getattr(argument, "_obj", argument)


def put(argument: Any, value: float) -> None:
    """Write a number, rounded, where an argument points."""
    pointee(argument).value = round(value)


def fill(argument: Any, **fields: float | bytes) -> None:
    """Write integers (rounded) and bytes into the record that an argument points to."""
    record = pointee(argument)
    for name, value in fields.items():
        setattr(record, name, value if isinstance(value, bytes) else round(value))


def write(buffer: Any, size: Any, text: str) -> None:
    """Write a text into a buffer; INSUFFICIENT_SIZE when it does not fit."""
    if len(text) >= number(size):
        raise Refused(INSUFFICIENT_SIZE)
    buffer.value = text.encode()


def check_version(argument: Any, version: int) -> None:
    """Refuse a record of another version than the one that is known here."""
    if pointee(argument).version != version:
        raise Refused(ARGUMENT_VERSION_MISMATCH)


def address(pointer: Any) -> int:
    """Return the address in an opaque pointer (a handle), which is followed by nobody; 0 for null."""
    return ctypes.cast(pointer, ctypes.c_void_p).value or 0


def put_address(argument: Any, value: int, field: str = "") -> None:
    """Write an opaque pointer where an argument points: there, or in a field of the record there."""
    place = pointee(argument)
    offset = getattr(type(place), field).offset if field else 0
    ctypes.c_void_p.from_buffer(place, offset).value = value


def not_supported(*_: object) -> None:
    """Refuse: the part does not have it."""
    raise Refused(NOT_SUPPORTED)


def need(has: object) -> None:
    """Refuse when the part does not have it."""
    if not has:
        raise Refused(NOT_SUPPORTED)
