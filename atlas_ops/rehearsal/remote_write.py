"""Samples in the form that Prometheus's remote-write receiver takes: protobuf, in a frame of snappy that compresses nothing.

Every sample on the wire is the same 18 bytes long, so numpy writes a million of them in a tenth of a second. Used by
`replay`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from atlas_ops.rehearsal.samples import Series, Times, Values, Written

_SAMPLE_BYTES = 18
_BODY_BYTES = 8 << 20
"""Of one request: small against Prometheus's memory, large against the cost of a request."""
_FIRST_MS, _LAST_MS = 1 << 35, (1 << 42) - 1
"""Between February 1971 and May 2109 a time stamp takes six bytes."""


def bodies(written: Iterable[Written]) -> Iterator[bytes]:
    """Yield the bodies of requests that write all of this, in the order given. ValueError for times before 1971."""
    parts: list[bytes] = []
    size = 0
    for series, times, values in written:
        parts.append(_time_series(series, times, values))
        size += len(parts[-1])
        if size > _BODY_BYTES:
            yield _framed(b"".join(parts))
            parts, size = [], 0
    if parts:
        yield _framed(b"".join(parts))


def _time_series(series: Series, times: Times, values: Values) -> bytes:
    labels = sorted((("__name__", series.name), *series.labels))
    content = b"".join(_label(name, value) for name, value in labels) + _samples(times, values)
    return _field(1, content)


def _label(name: str, value: str) -> bytes:
    return _field(1, _field(1, name.encode()) + _field(2, value.encode()))


def _samples(times: Times, values: Values) -> bytes:
    """Return `Sample` messages: field 2 of the series, in it field 1 (a double) and field 2 (milliseconds)."""
    if len(times) and not (times.min() >= _FIRST_MS and times.max() <= _LAST_MS):
        raise ValueError("time stamps must lie between 1971 and 2109")
    encoded = np.empty((len(times), _SAMPLE_BYTES), dtype=np.uint8)
    encoded[:, 0], encoded[:, 1], encoded[:, 2], encoded[:, 11] = 0x12, _SAMPLE_BYTES - 2, 0x09, 0x10
    encoded[:, 3:11] = np.ascontiguousarray(values, dtype="<f8").view(np.uint8).reshape(-1, 8)
    for place in range(6):
        more = 0x80 if place < 5 else 0
        encoded[:, 12 + place] = (times >> (7 * place) & 0x7F) | more
    return encoded.tobytes()


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _framed(content: bytes) -> bytes:
    """Return a snappy block of one literal: its length as a varint, the tag of a literal with a length of four bytes, itself."""
    return _varint(len(content)) + b"\xfc" + (len(content) - 1).to_bytes(4, "little") + content
