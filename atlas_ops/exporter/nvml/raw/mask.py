"""Ids replaced before they reach a file: the same id by the same mask, in the same form, and not to be turned back.

Used by `writer`. Texts are masked unless they are known to identify nothing, so a new function or field
cannot leak an id. UUIDs, serial numbers and other texts become what a keyed hash makes of them, with a key that is made
anew for each recording and thrown away; PCI addresses and process ids, of which there are too few for a hash to hide
anything, are numbered in the order in which they come.
"""

from __future__ import annotations

import hashlib
import os
import re
import string

from atlas_ops.exporter.nvml.raw.plain import Plain

_HARMLESS = frozenset({
    "nvmlSystemGetDriverVersion", "nvmlSystemGetNVMLVersion", "nvmlDeviceGetName", "nvmlDeviceGetVbiosVersion",
    "nvmlDeviceGetInforomVersion", "nvmlDeviceGetInforomImageVersion", "nvmlDeviceGetGspFirmwareVersion",
    "nvmlDeviceGetBoardPartNumber", "name", "shortName", "longName", "unit", "raw", "handle",
})  # fmt: skip
"""Functions and fields whose texts are versions, models and units; `raw` and `handle` are the recording's own words."""
_PID, _PID_LIMIT = "pid", 1 << 22
"""Linux has no process numbers above (PID_MAX_LIMIT): what is above is nonsense of the driver, and stays nonsense."""
_NUMBERS = frozenset({_PID, "boardId", "nvmlDeviceGetBoardId"})
"""Fields and functions whose numbers are ids."""
_FIRST_PID = 4_000_000
"""So high that hardly a process of the machine that replays a recording has one of the masked numbers."""
_UUID = re.compile(r"((?:MIG-|GPU-)*)([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})((?:/\d+)*)")
_PCI = re.compile(r"([0-9a-fA-F]{4,8}):([0-9a-fA-F]{2}):([0-9a-fA-F]{2})((?:\.[0-7])?)")
_PCI_NUMBERS = ("domain", "bus", "device")
_ALPHABETS = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
_HEX = "0123456789abcdef"
_PUNCTUATION = "-:._/ "


class Mask:
    """The masks of one recording."""

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._numbers: dict[tuple[object, ...], int] = {}
        self._counts: dict[str, int] = {}

    def plain(self, data: Plain, name: str) -> Plain:
        """Return data with its ids masked; `name` is the function that gave it, or the field that it stands in."""
        if isinstance(data, dict):
            is_pci = "bus" in data or "busId" in data
            kept = {key: self.plain(value, key) for key, value in data.items() if not (is_pci and key in _PCI_NUMBERS)}
            return kept | self._pci_numbers(data) if is_pci else kept
        if isinstance(data, list):
            return [self.plain(item, name) for item in data]
        if isinstance(data, str):
            return data if name in _HARMLESS else self._text(data, name)
        if name in _NUMBERS and isinstance(data, int) and data:
            return self._id(name, data)
        return data

    def _id(self, name: str, number: int) -> int:
        first = 0 if name != _PID else _FIRST_PID if number <= _PID_LIMIT else _PID_LIMIT
        return first + self._number(name, number)

    def _text(self, text: str, name: str) -> str:
        if found := _UUID.fullmatch(text):
            return found[1] + self._scrambled(found[2].lower(), hexadecimal=True) + found[3]
        if found := _PCI.fullmatch(text):
            domain, bus, device = (int(part, 16) for part in found.group(1, 2, 3))
            domain, bus, device = self._pci(domain, bus, device)
            return f"{domain:0{len(found[1])}X}:{bus:02X}:{device:02X}{found[4]}"
        return self._scrambled(text, hexadecimal=name == "hex")

    def _pci_numbers(self, data: dict[str, Plain]) -> dict[str, Plain]:
        numbers = (data.get(name, 0) for name in _PCI_NUMBERS)
        masked = self._pci(*(number if isinstance(number, int) else 0 for number in numbers))
        return {name: number for name, number in zip(_PCI_NUMBERS, masked, strict=True) if number}

    def _pci(self, *place: int) -> tuple[int, int, int]:
        return (*divmod(self._number("pci", *place), 0x100), 0)

    def _number(self, kind: str, *original: int) -> int:
        if (kind, *original) not in self._numbers:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._numbers[kind, *original] = self._counts[kind]
        return self._numbers[kind, *original]

    def _scrambled(self, text: str, *, hexadecimal: bool) -> str:
        """Return a text of the same form: digits for digits, letters for letters, the usual punctuation kept."""
        stream = hashlib.shake_256(self._key + text.encode("utf-8", "surrogatepass")).digest(len(text))
        return "".join(_letter(old, new, hexadecimal) for old, new in zip(text, stream, strict=True))


def _letter(old: str, new: int, hexadecimal: bool) -> str:
    if old in _PUNCTUATION:
        return old
    alphabet = _HEX if hexadecimal else next((a for a in _ALPHABETS if old in a), string.ascii_lowercase)
    return alphabet[new % len(alphabet)]
