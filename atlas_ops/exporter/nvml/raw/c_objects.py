"""What ctypes does not say about its own objects: which can be written to, which are opaque, where their fields lie.

Used by `plain` and `fill`, which make data of C objects and C objects of data, and by `call`.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

Pointer = ctypes._Pointer  # noqa: SLF001 - the class has no public name
Simple = ctypes._SimpleCData  # noqa: SLF001 - as above
_Reference = type(ctypes.byref(ctypes.c_int()))

INTEGERS, FLOATS, BYTES = frozenset("bBhHiIlLqQ?"), frozenset("fdg"), frozenset("bB")
CHARACTER, TEXT = "c", "z"
"""Letters by which ctypes knows its simple types."""
_ASKING = {"c_nvmlFieldValue_t": ("fieldId", "scopeId"), "c_nvmlGpmMetric_t": ("metricId",)}
"""Structures that callers use again without clearing: these fields ask, the others may hold the answer before."""


class Pointers(Protocol):
    """What stands for pointers, whose values mean nothing elsewhere."""

    def name(self, kind: str, address: int) -> str:
        """Return the name of a handle; `kind` is the name of the C type that it points to."""

    def address(self, name: str) -> int:
        """Return a handle of that name."""

    def text(self, text: bytes) -> int:
        """Return the address of a text that stays where it is."""


class Field(NamedTuple):
    """A field of a structure or a union."""

    kind: Any
    offset: int
    size: int
    is_bits: bool


def target(argument: object) -> Any:
    """Return the C object that a call can write to through this argument; None when it is an input alone."""
    if isinstance(argument, _Reference):
        return argument._obj  # type: ignore[attr-defined]  # noqa: SLF001 - the only way to the object behind byref
    return argument if isinstance(argument, ctypes.Array) else None


def is_handle(argument: object) -> bool:
    """Say whether an object is an opaque pointer."""
    if not isinstance(argument, Pointer):
        return False
    pointed_at = argument._type_
    return issubclass(pointed_at, ctypes.Structure) and not hasattr(pointed_at, "_fields_")


def address(handle: Any) -> int:
    """Return the value of a pointer; 0 when it is null."""
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


def code(kind: Any) -> str:
    """Return the letter by which ctypes knows a simple type; nothing for any other."""
    return str(kind._type_) if issubclass(kind, Simple) else ""


def is_zero(place: Any) -> bool:
    """Say whether a C object is all zeros."""
    return not bytes(place).strip(b"\0")


def fields(kind: Any) -> dict[str, Field]:
    """Return the fields of a structure or a union, those of its base classes too."""
    return _fields(kind)


@functools.cache
def _fields(kind: Any) -> dict[str, Field]:
    found: dict[str, Field] = {}
    for base in reversed(kind.__mro__):
        for name, field_kind, *bits in vars(base).get("_fields_", ()):
            found[name] = Field(field_kind, getattr(kind, name).offset, ctypes.sizeof(field_kind), bool(bits))
    return found


def part(place: Any, field: Field) -> Any:
    """Return a field as an object of its own, on the same memory."""
    return field.kind.from_buffer(place, field.offset)


def used_fields(place: Any) -> Iterator[tuple[str, Field]]:
    """Yield the fields of a structure that are not all zeros (of bits: whose whole number is not)."""
    raw = bytes(place)
    for name, field in fields(type(place)).items():
        if raw[field.offset : field.offset + field.size].strip(b"\0"):
            yield name, field


def item(array: Any, number: int) -> Any:
    """Return an item of an array as an object of its own, on the same memory."""
    return array._type_.from_buffer(array, number * ctypes.sizeof(array._type_))


def used_items(array: Any) -> Iterator[tuple[int, Any]]:
    """Yield (number, item) for the items that are not all zeros: few, in the arrays that the driver likes."""
    raw, size = bytes(array), ctypes.sizeof(array._type_)
    for number in range(len(array)):
        if raw[number * size : (number + 1) * size].strip(b"\0"):
            yield number, item(array, number)


def clear_answers(place: Any) -> None:
    """Zero what a call only writes, where the answer of the call before may still stand."""
    if isinstance(place, ctypes.Array):
        if issubclass(place._type_, ctypes.Structure):
            for _, structure in used_items(place):
                clear_answers(structure)
    elif isinstance(place, ctypes.Structure):
        asking = _ASKING.get(type(place).__name__)
        for name, field in used_fields(place):
            if asking is None:
                clear_answers(part(place, field))
            elif name not in asking:
                ctypes.memset(ctypes.addressof(place) + field.offset, 0, field.size)
