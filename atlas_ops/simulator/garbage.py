"""What a C library writes that lies: every number and text that it was asked for is 0xA5 bytes. Used by `simulator.chaos`."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

_BYTE = 0xA5
"""Large as an unsigned number, negative as a signed one, tiny as a floating one, and no UTF-8."""
_KEPT = frozenset({"version", "fieldId", "scopeId", "metricId", "numMetrics", "nvmlReturn"})
"""What says which entries are good stays, or nobody would look at the rest."""


def garble(arguments: Sequence[Any]) -> None:
    """Overwrite what the arguments of a C call point to.

    Pointers stay as they are (following them would end the process, not test it), and so does an integer that comes before
    an array: it is the array's length.
    """
    for place, argument in enumerate(arguments):
        is_length = any(isinstance(later, ctypes.Array) for later in arguments[place + 1 :])
        target = argument if isinstance(argument, ctypes.Array) else getattr(argument, "_obj", None)
        if target is not None and not is_length:
            _overwrite(type(target), ctypes.addressof(target))


def _overwrite(kind: Any, address: int) -> None:
    if issubclass(kind, (ctypes.Structure, ctypes.Union)):
        for name, part, *_ in kind._fields_:
            if name not in _KEPT:
                _overwrite(part, address + getattr(kind, name).offset)
    elif issubclass(kind, ctypes.Array):
        for place in range(kind._length_):
            _overwrite(kind._type_, address + place * ctypes.sizeof(kind._type_))
    elif not issubclass(kind, (ctypes._Pointer, ctypes.c_void_p, ctypes.c_char_p)):  # noqa: SLF001 - no public name
        ctypes.memset(address, _BYTE, ctypes.sizeof(kind))
