"""Cuts a stream of bytes into its lines, in bounded memory. Used by `pod_api` for the events of a watch."""

from __future__ import annotations

from collections.abc import Iterator


class Lines:
    """The lines of a stream that comes in pieces of any size; a longer one than `max_bytes` is skipped and counted."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._begun = bytearray()
        self._skipping = False
        self.skipped = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Take a piece; give the lines that it completes, without their ends and without empty ones."""
        *ends, rest = piece.split(b"\n")
        for end in ends:
            self._add(end)
            line, self._begun = bytes(self._begun), bytearray()
            if self._skipping:
                self._skipping = False
                self.skipped += 1
            elif line.strip():
                yield line
        self._add(rest)

    def _add(self, part: bytes) -> None:
        if self._skipping or len(self._begun) + len(part) > self._max_bytes:
            self._begun.clear()
            self._skipping = True
        else:
            self._begun += part
