"""What a column can be used for, by its Arrow type. Called by `reading.files`, which reads, and `drift.columns`, which decides."""

from __future__ import annotations

from enum import Enum

import pyarrow as pa


class Kind(Enum):
    """What the values of a column are; the value is the word for people."""

    NUMBER = "numbers"
    TEXT = "text"
    YES_NO = "yes or no"
    TIME = "times"
    VECTOR = "lists of numbers"
    EMPTY = "no values"
    OTHER = "something else"


def kind(of: pa.DataType) -> Kind:
    """Return what values of an Arrow type are."""
    if pa.types.is_dictionary(of):
        return kind(of.value_type)
    if pa.types.is_integer(of) or pa.types.is_floating(of) or pa.types.is_decimal(of):
        return Kind.NUMBER
    if pa.types.is_string(of) or pa.types.is_large_string(of) or pa.types.is_string_view(of):
        return Kind.TEXT
    if pa.types.is_boolean(of):
        return Kind.YES_NO
    if pa.types.is_timestamp(of) or pa.types.is_date(of):
        return Kind.TIME
    if pa.types.is_null(of):
        return Kind.EMPTY
    return Kind.VECTOR if _is_vector(of) else Kind.OTHER


def _is_vector(of: pa.DataType) -> bool:
    listed = pa.types.is_list(of) or pa.types.is_large_list(of) or pa.types.is_fixed_size_list(of)
    return bool(listed) and bool(pa.types.is_floating(of.value_type) or pa.types.is_integer(of.value_type))
