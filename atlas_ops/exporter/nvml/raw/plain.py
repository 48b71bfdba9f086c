"""C objects as data that JSON can hold: what a recording keeps of the arguments of a call.

Used by `call`; `fill` is the way back. Works on ctypes objects of any make, so it knows no function of NVML. Zeros are
not kept: data says what differs from memory full of zeros, or from what was there before a call (`diff`).

Forms: numbers (a float that JSON has no number for as text); text for characters (bytes that are no UTF-8 as surrogates);
`{"hex": ...}` for an array of bytes; `{"handle": name}` for an opaque pointer; a list for an array, null for its zeros; a
mapping for a structure; a union of numbers as its member in use (`{"ullVal": 7}`), or `{"raw": hex}` where that is not
known.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from typing import Any, TypeAlias

from atlas_ops.exporter.nvml.raw import c_objects as c

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"

_MEMBERS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
"""Members of `nvmlValue_t` in the order of `nvmlValueType_t` (nvml.h)."""


class Unreadable(Exception):
    """A C object that has no form as data, such as a pointer to nobody knows how much."""


def given(argument: Any, pointers: c.Pointers) -> Plain:
    """Return the form of an argument that is given by value. Unreadable when there is none."""
    if argument is None or isinstance(argument, bool | int | float | str):
        return argument
    if isinstance(argument, bytes):
        return _text(argument)
    if isinstance(argument, c.Simple):
        return _read_simple(argument)
    if c.is_handle(argument):
        return read(argument, pointers)
    raise Unreadable(f"an argument of the type {type(argument).__name__}")


def read(source: Any, pointers: c.Pointers) -> Plain:
    """Return the form of a C object; None when it is all zeros. Unreadable when there is none."""
    if c.is_zero(source):
        return None
    if isinstance(source, ctypes.Structure):
        return _read_structure(source, pointers)
    if isinstance(source, ctypes.Union):
        return _read_union(source, None)
    if isinstance(source, ctypes.Array):
        return _read_array(source, pointers)
    if c.is_handle(source):
        return {"handle": pointers.name(source._type_.__name__, c.address(source))}
    if isinstance(source, c.Simple):
        return _read_simple(source)
    raise Unreadable(f"a value of the type {type(source).__name__}")


def diff(before: Plain, after: Plain) -> Plain:
    """Return what has to be written over `before` to get `after`, both of one C type; None when nothing."""
    if before == after:
        return None
    if isinstance(before, dict) or isinstance(after, dict):
        old, new = (form if isinstance(form, dict) else {} for form in (before, after))
        changes = {key: diff(old.get(key), new.get(key)) for key in {**old, **new}}
        return {key: change for key, change in changes.items() if change is not None} or None
    if isinstance(before, list) or isinstance(after, list):
        olds, news = (form if isinstance(form, list) else [] for form in (before, after))
        return trimmed([diff(*pair) for pair in itertools.zip_longest(olds, news)]) or None
    if after is None:
        return "" if isinstance(before, str) else 0
    return after


def trimmed(items: list[Plain]) -> list[Plain]:
    """Return a list without the nulls at its end."""
    used = max((number for number, item in enumerate(items, 1) if item is not None), default=0)
    return items[:used]


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _read_structure(source: Any, pointers: c.Pointers) -> Plain:
    data: dict[str, Plain] = {}
    for name, field in c.used_fields(source):
        if field.is_bits:
            value: Plain = ctypes.Structure.__getattribute__(source, name) or None
        elif issubclass(field.kind, ctypes.Union):
            value = _read_union(c.part(source, field), getattr(source, "valueType", None))
        else:
            value = read(c.part(source, field), pointers)
        if value is not None:
            data[name] = value
    return data or None


def _read_union(source: Any, value_type: int | None) -> Plain:
    if c.is_zero(source):
        return None
    members = c.fields(type(source))
    if not all(c.code(field.kind) in c.INTEGERS | c.FLOATS for field in members.values()):
        raise Unreadable(f"the union {type(source).__name__}")
    name = _MEMBERS[value_type] if value_type is not None and 0 <= value_type < len(_MEMBERS) else ""
    if name in members and not bytes(source)[members[name].size :].strip(b"\0"):
        return {name: _read_simple(c.part(source, members[name]))}
    return {"raw": bytes(source).hex()}


def _read_array(source: Any, pointers: c.Pointers) -> Plain:
    code = c.code(source._type_)
    if code == c.CHARACTER:
        return _text(bytes(source).partition(b"\0")[0]) or None
    if code in c.BYTES:
        return {"hex": bytes(source).rstrip(b"\0").hex()}
    forms: list[Plain] = [None] * len(source)
    for number, item in c.used_items(source):
        forms[number] = read(item, pointers)
    return trimmed(forms)


def _read_simple(source: Any) -> Plain:
    code, value = source._type_, source.value
    if value is None or code in c.INTEGERS:
        return value  # type: ignore[no-any-return]  # a number, or a pointer that is null
    if code in c.FLOATS:
        return value if math.isfinite(value) else str(value)
    if code in (c.CHARACTER, c.TEXT):
        return _text(value)
    raise Unreadable(f"a value of the type {type(source).__name__}")
