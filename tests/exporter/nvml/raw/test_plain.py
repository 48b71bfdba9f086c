"""C objects become data and C objects again, for whatever structures the binding has."""

from __future__ import annotations

import ctypes
import json
import math
from typing import Any

import pynvml
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_ops.exporter.nvml.raw import c_objects as c
from atlas_ops.exporter.nvml.raw.fill import Unfit, fill
from atlas_ops.exporter.nvml.raw.handles import Handles
from atlas_ops.exporter.nvml.raw.plain import Plain, Unreadable, diff, read


def kinds() -> list[Any]:
    found = {
        kind
        for kind in vars(pynvml).values()
        if isinstance(kind, type)
        and issubclass(kind, ctypes.Structure | ctypes.Union)
        and hasattr(kind, "_fields_")
        and keeps(kind)
    }
    return sorted(found, key=lambda kind: kind.__name__)


def keeps(kind: Any) -> bool:
    """Whether a type has a form for whatever its memory holds."""
    if issubclass(kind, ctypes.Structure | ctypes.Union):
        parts = [field[1] for field in kind._fields_]
        if issubclass(kind, ctypes.Union) and not all(part in NUMBERS for part in parts):
            return False
        return all(keeps(part) for part in parts)
    if issubclass(kind, ctypes.Array):
        return keeps(kind._type_)
    if issubclass(kind, ctypes._Pointer):
        return not hasattr(kind._type_, "_fields_") and issubclass(kind._type_, ctypes.Structure)
    return kind in NUMBERS or kind is ctypes.c_char


NUMBERS = (
    ctypes.c_byte, ctypes.c_ubyte, ctypes.c_short, ctypes.c_ushort, ctypes.c_int, ctypes.c_uint, ctypes.c_long,
    ctypes.c_ulong, ctypes.c_float, ctypes.c_double, ctypes.c_bool,
)  # fmt: skip
KINDS = kinds()


def zeros(kind: Any) -> Any:
    return kind.from_buffer(bytearray(ctypes.sizeof(kind)))


@st.composite
def objects(draw: st.DrawFn, kind: Any) -> Any:
    """An object of a type with some of its bytes set, or most."""
    size = ctypes.sizeof(kind)
    raw = bytearray(draw(st.sampled_from([b"\0", b"\0", b"\xff", b"7"])) * size)
    for place, byte in draw(st.dictionaries(st.integers(0, size - 1), st.integers(0, 255), max_size=40)).items():
        raw[place] = byte
    return kind.from_buffer(raw)


def content(value: Any) -> Any:
    """What a reader of the object can see, with nothing of the code under test."""
    if isinstance(value, ctypes.Structure):
        return {field[0]: content(ctypes.Structure.__getattribute__(value, field[0])) for field in value._fields_}
    if isinstance(value, ctypes.Union):
        return [content(getattr(value, field[0])) for field in value._fields_]
    if isinstance(value, ctypes.Array):
        return value.value if value._type_ is ctypes.c_char else [content(item) for item in value]
    if isinstance(value, ctypes._Pointer):
        return ctypes.cast(value, ctypes.c_void_p).value
    return "nan" if isinstance(value, float) and math.isnan(value) else value


class Addresses(Handles):
    """Handles that keep their values, so that they can be compared."""

    def name(self, kind: str, address: int) -> str:
        return f"{kind} {address}" if address else ""

    def address(self, name: str) -> int:
        return int(name.rpartition(" ")[2])


def through_a_file(data: Plain) -> Plain:
    text = json.dumps(data, allow_nan=False)
    text.encode("ascii")
    found: Plain = json.loads(text)
    return found


def test_nearly_all_structures_of_the_binding_are_tried() -> None:
    assert len(KINDS) > 100


@settings(max_examples=400)
@given(st.sampled_from(KINDS).flatmap(objects))
def test_an_object_comes_back_as_it_was(source: Any) -> None:
    copy = zeros(type(source))
    fill(copy, through_a_file(read(source, Addresses())), Addresses())
    assert content(copy) == content(source)


@settings(max_examples=400)
@given(st.sampled_from(KINDS).flatmap(lambda kind: st.tuples(objects(kind), objects(kind))))
def test_what_a_call_changed_makes_of_the_state_before_the_state_behind(states: tuple[Any, Any]) -> None:
    before, after = states
    c.clear_answers(before)
    changes = diff(read(before, Addresses()), read(after, Addresses()))
    fill(before, through_a_file(changes), Addresses())
    assert content(before) == content(after)


@pytest.mark.parametrize("before", [math.nan, math.inf, 7.5])
def test_a_number_that_is_zero_again_is_told(before: float) -> None:
    place = ctypes.c_double(before)
    fill(place, through_a_file(diff(read(place, Handles()), read(ctypes.c_double(), Handles()))), Handles())
    assert place.value == 0


@given(st.sampled_from(KINDS).flatmap(objects))
def test_what_did_not_change_is_not_told(source: Any) -> None:
    form = read(source, Addresses())
    assert diff(form, form) is None


def test_a_structure_reads_as_a_person_would_write_it() -> None:
    value = pynvml.c_nvmlFieldValue_t()
    value.fieldId, value.valueType, value.value.ullVal = 83, 3, 7
    assert read(value, Handles()) == {"fieldId": 83, "valueType": 3, "value": {"ullVal": 7}}
    pci = pynvml.nvmlPciInfo_t()
    pci.busId, pci.bus = "00000000:1B:00.0", 27
    assert read(pci, Handles()) == {"busId": "00000000:1B:00.0", "bus": 27}
    assert read((ctypes.c_uint * 4)(0, 5, 0, 0), Handles()) == [None, 5]
    assert read((ctypes.c_ubyte * 4)(1, 255), Handles()) == {"hex": "01ff"}
    assert read(ctypes.c_double(math.inf), Handles()) == "inf"


def test_texts_that_the_driver_keeps_come_back_and_stay() -> None:
    info = pynvml.c_metricInfo_t()
    info.shortName = b"SM Util"
    copy, handles = pynvml.c_metricInfo_t(), Handles()
    fill(copy, through_a_file(read(info, handles)), handles)
    del info
    assert copy.shortName == b"SM Util"


def test_a_name_that_is_no_utf_8_comes_back_byte_for_byte() -> None:
    copy = ctypes.create_string_buffer(16)
    fill(copy, through_a_file(read(ctypes.create_string_buffer(b"H100 \xff\xfe", 16), Handles())), Handles())
    assert copy.value == b"H100 \xff\xfe"


def test_a_pointer_to_nobody_knows_how_much_has_no_form() -> None:
    numbers = (ctypes.c_uint * 4)()
    listing = pynvml.c_nvmlProcessDetailList_t()
    listing.procArray = ctypes.cast(
        (pynvml.c_nvmlProcessDetail_v1_t * 2)(), ctypes.POINTER(pynvml.c_nvmlProcessDetail_v1_t)
    )
    uuid = pynvml.c_nvmlUUID_t()
    uuid.value.str = b"GPU-1"
    for unreadable in (ctypes.cast(numbers, ctypes.POINTER(ctypes.c_uint)), listing, uuid):
        with pytest.raises(Unreadable):
            read(unreadable, Handles())


MISFITS: list[tuple[Any, Plain]] = [
    (ctypes.c_uint(), "seven"),
    (ctypes.c_uint(), 1.5),
    (ctypes.c_uint(), -1),
    (ctypes.c_uint(), 1 << 32),
    (ctypes.c_uint(), [1]),
    (ctypes.c_uint(), {"handle": "gpu0"}),
    (ctypes.c_double(), "seven"),
    (ctypes.c_double(), 10**400),
    (ctypes.create_string_buffer(4), "too long"),
    (ctypes.create_string_buffer(4), 7),
    (ctypes.create_string_buffer(4), "\ud800"),
    ((ctypes.c_ubyte * 2)(), {"hex": "010203"}),
    ((ctypes.c_ubyte * 2)(), {"hex": "zz"}),
    ((ctypes.c_ubyte * 2)(), {"hex": 1}),
    ((ctypes.c_uint * 2)(), [1, 2, 3]),
    ((ctypes.c_uint * 2)(), 7),
    (pynvml.c_nvmlDevice_t(), "gpu0"),
    (pynvml.c_nvmlDevice_t(), {"handle": 7}),
    (ctypes.POINTER(ctypes.c_uint)(), {"handle": "gpu0"}),
    (pynvml.c_nvmlUtilization_t(), {"gpu": 1, "disk": 2}),
    (pynvml.c_nvmlUtilization_t(), [1, 2]),
    (pynvml.c_nvmlGpuDynamicPstatesUtilization_t(), {"bIsPresent": "yes"}),
    (pynvml.c_nvmlValue_t(), {"ullVal": 1, "uiVal": 1}),
    (pynvml.c_nvmlValue_t(), {"text": "x"}),
    (pynvml.c_nvmlValue_t(), {"raw": "00" * 9}),
    (pynvml.c_nvmlValue_t(), 7),
    (pynvml.c_metricInfo_t(), {"unit": 7}),
]


@pytest.mark.parametrize(("place", "data"), MISFITS)
def test_data_that_does_not_fit_is_refused(place: Any, data: Plain) -> None:
    with pytest.raises(Unfit, match=r"expected .*, found "):
        fill(place, data, Handles())
