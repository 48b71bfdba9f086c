"""Data from a recording written into C objects: the way back from `plain`, whose forms these are.

Used by `exporter.nvml.replay`. The data comes from a file that anybody may have edited, and nothing says which C type it
is meant for before a call brings one: what does not fit is refused here.
"""

from __future__ import annotations

import ctypes
from typing import Any

from atlas_ops.exporter.nvml.raw import c_objects as c
from atlas_ops.exporter.nvml.raw.plain import Plain


class Unfit(Exception):
    """Data that does not fit the C object that it is meant for."""

    def __init__(self, expected: str, found: object) -> None:
        super().__init__(f"expected {expected}, found {found!r:.60}")


def fill(place: Any, data: Plain, pointers: c.Pointers) -> None:
    """Write data into a C object, and leave alone what it does not name. Unfit when it does not fit."""
    if data is None:
        return
    if isinstance(place, ctypes.Structure):
        _fill_structure(place, data, pointers)
    elif isinstance(place, ctypes.Union):
        _fill_union(place, data)
    elif isinstance(place, ctypes.Array):
        _fill_array(place, data, pointers)
    elif isinstance(place, c.Pointer):
        _fill_handle(place, data, pointers)
    else:
        _fill_simple(place, data, pointers)


def _fill_structure(place: Any, data: Plain, pointers: c.Pointers) -> None:
    fields = c.fields(type(place))
    if not isinstance(data, dict) or not data.keys() <= fields.keys():
        raise Unfit(f"fields of {type(place).__name__}", data)
    for name, value in data.items():
        if not fields[name].is_bits:
            fill(c.part(place, fields[name]), value, pointers)
        elif isinstance(value, int):
            ctypes.Structure.__setattr__(place, name, value)
        else:
            raise Unfit("a whole number", value)


def _fill_union(place: Any, data: Plain) -> None:
    members = c.fields(type(place))
    name, value = next(iter(data.items())) if isinstance(data, dict) and len(data) == 1 else ("", None)
    if name == "raw":
        _fill_hex(place, value)
    elif name in members and c.code(members[name].kind) in c.INTEGERS | c.FLOATS:
        _fill_bytes(place, b"")
        _fill_number(c.part(place, members[name]), value)
    else:
        raise Unfit(f"a number of {type(place).__name__}", data)


def _fill_array(place: Any, data: Plain, pointers: c.Pointers) -> None:
    code = c.code(place._type_)
    if code == c.CHARACTER and isinstance(data, str):
        _fill_bytes(place, _raw(data))
    elif code in c.BYTES and isinstance(data, dict):
        _fill_hex(place, data.get("hex"))
    elif isinstance(data, list) and len(data) <= len(place):
        for number, value in enumerate(data):
            fill(c.item(place, number), value, pointers)
    else:
        raise Unfit(f"what fits {type(place).__name__}", data)


def _fill_handle(place: Any, data: Plain, pointers: c.Pointers) -> None:
    name = data.get("handle") if isinstance(data, dict) else None
    if not isinstance(name, str) or not c.is_handle(place):
        raise Unfit("a handle", data)
    ctypes.c_void_p.from_buffer(place).value = pointers.address(name) if name else None


def _fill_simple(place: Any, data: Plain, pointers: c.Pointers) -> None:
    code = place._type_
    if code not in (c.CHARACTER, c.TEXT):
        _fill_number(place, data)
    elif not isinstance(data, str):
        raise Unfit("a text", data)
    elif code == c.CHARACTER:
        _fill_bytes(place, _raw(data))
    else:
        ctypes.c_void_p.from_buffer(place).value = pointers.text(_raw(data))


def _fill_number(place: Any, data: Plain) -> None:
    wanted = f"a number that fits {type(place).__name__}"
    if place._type_ not in c.INTEGERS | c.FLOATS or not isinstance(data, int | float | str):
        raise Unfit(wanted, data)
    try:
        place.value = float(data or 0) if place._type_ in c.FLOATS else data  # "" is the zero of "nan"
    except (TypeError, ValueError, OverflowError):
        raise Unfit(wanted, data) from None
    if place._type_ in c.INTEGERS and place.value != data:  # ctypes drops the bits that are too many
        raise Unfit(wanted, data)


def _fill_hex(place: Any, data: Plain) -> None:
    try:
        _fill_bytes(place, bytes.fromhex(data if isinstance(data, str) else "?"))
    except ValueError:
        raise Unfit("bytes in hex", data) from None


def _fill_bytes(place: Any, raw: bytes) -> None:
    size = ctypes.sizeof(place)
    if len(raw) > size:
        raise Unfit(f"at most {size} bytes", raw)
    ctypes.memmove(ctypes.addressof(place), raw.ljust(size, b"\0"), size)


def _raw(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise Unfit("a text", text) from None
