"""Names for NVML's handles: opaque pointers, which differ from run to run and mean nothing in a file.

Used by `call`. Where the driver makes the handles, `exporter.nvml.record` has them named; `exporter.nvml.replay` makes
them itself, for the names in the file. Not safe for threads: both hold a lock.
"""

from __future__ import annotations

import ctypes
import itertools
import re

EVENT_SET, GPM_SAMPLE = "eventSet", "gpmSample"
ALIKE = (EVENT_SET, GPM_SAMPLE)
"""Kinds of handles that come and go and have no number, for they are all alike."""
_KIND = re.compile(r"(?:struct_)?(?:c_)?(?:nvml)?(.+?)(?:_t)?")
_STEP = 0x100
"""Between two handles that are made here. They are never followed."""


class Handles:
    """The handles of one library (`c_objects.Pointers`)."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._addresses: dict[str, int] = {}
        self._texts: dict[bytes, ctypes.Array[ctypes.c_char]] = {}
        self._numbers = itertools.count(1)

    def name(self, kind: str, address: int) -> str:
        """Return the name of a handle; a new one, by its kind, for one that was not seen before. Nothing for null."""
        if not address:
            return ""
        if address not in self._names:
            word = short_kind(kind)
            self._names[address] = word if word in ALIKE else f"{word}{next(self._numbers)}"
        return self._names[address]

    def give(self, address: int, name: str) -> None:
        """Call a handle so from now on."""
        self._names[address] = name

    def forget(self, address: int) -> None:
        """Forget a handle that was freed."""
        self._names.pop(address, None)

    def address(self, name: str) -> int:
        """Return a handle of that name: always the same one, but a new one where they are all alike."""
        if name not in self._addresses or name in ALIKE:
            self._addresses[name] = next(self._numbers) * _STEP
            self._names[self._addresses[name]] = name
        return self._addresses[name]

    def text(self, text: bytes) -> int:
        """Return the address of a text that stays where it is."""
        return ctypes.addressof(self._texts.setdefault(text, ctypes.create_string_buffer(text)))


def short_kind(kind: str) -> str:
    """Return the short name of a C type: `eventSet` for `struct_c_nvmlEventSet_t`."""
    found = _KIND.fullmatch(kind)
    word = found[1] if found else kind
    return word[:1].lower() + word[1:]
