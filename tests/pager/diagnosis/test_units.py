from __future__ import annotations

import math

import pytest

from atlas_ops.pager.diagnosis.units import UNITS


@pytest.mark.parametrize(
    ("unit", "value", "told"),
    [
        ("number", 3.0, "3"),
        ("number", 0.12345, "0.123"),
        ("number", 12345.6, "12,346"),
        ("number", 1e300, "1e+300"),
        ("number", math.nan, "nan"),
        ("percent", 0.125, "12.5 %"),
        ("percent", math.inf, "inf %"),
        ("seconds", 0.25, "250 ms"),
        ("seconds", 90.0, "90 s"),
        ("seconds", 7260.0, "2 h 1 min"),
        ("bytes", 5 * 1024**3, "5.0 GiB"),
        ("times", 1.56, "1.6 times"),
        ("celsius", 91.4, "91 °C"),
        ("hertz", 1.98e9, "1980 MHz"),
        ("tokens", 1999.6, "2,000 tokens"),
    ],
)
def test_a_value_is_written_as_people_say_it(unit: str, value: float, told: str) -> None:
    assert UNITS[unit](value) == told
