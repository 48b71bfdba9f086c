"""The decoder of protobuf's wire format: it finds what an encoder wrote, and never fails in any other way than its own."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_ops.exporter.workload.podresources import holdings, offered
from atlas_ops.exporter.workload.wire import MAX_TEXT_BYTES, WireError, fields, text
from tests.exporter.workload.messages import container, field, number_field, plugin_devices, pod, pods, varint

NUMBERS = st.integers(1, (1 << 29) - 1)
BYTES_FIELDS = st.tuples(NUMBERS, st.binary(max_size=300))
OTHERS = st.one_of(
    st.builds(number_field, NUMBERS, st.integers(0, (1 << 64) - 1)),
    st.builds(lambda number, data: varint(number << 3 | 1) + data, NUMBERS, st.binary(min_size=8, max_size=8)),
    st.builds(lambda number, data: varint(number << 3 | 5) + data, NUMBERS, st.binary(min_size=4, max_size=4)),
)
NAMES = st.text(min_size=1, max_size=60)


@given(st.lists(st.one_of(BYTES_FIELDS, OTHERS), max_size=20))
def test_what_an_encoder_wrote_is_found_and_all_else_is_stepped_over(parts: list[tuple[int, bytes] | bytes]) -> None:
    message = b"".join(part if isinstance(part, bytes) else field(*part) for part in parts)
    assert list(fields(message)) == [part for part in parts if isinstance(part, tuple)]


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_a_wire_error(message: bytes) -> None:
    for read in (fields, holdings, offered):
        with contextlib.suppress(WireError):
            list(read(message))


@given(st.data())
def test_a_damaged_answer_is_read_or_refused_and_never_anything_else(data: st.DataObject) -> None:
    message = bytearray(
        pods(pod("ml", "a", container("main", [("nvidia.com/gpu", ["nvidia0"])], [("gpu", "gpu-1", ())])))
    )
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WireError):
        holdings(bytes(message[: data.draw(st.integers(0, len(message)))]))


@given(st.lists(st.tuples(NAMES, NAMES, st.lists(st.tuples(NAMES, st.integers(0, 9999)), max_size=4)), max_size=6))
def test_every_device_of_every_container_is_found(nodes: list[tuple[str, str, list[tuple[str, int]]]]) -> None:
    answer = pods(
        *(
            pod(namespace, name, *(container(own, [("x/y", [f"nvidia{minor}"])]) for own, minor in containers))
            for namespace, name, containers in nodes
        )
    )
    found = [(h.holder.namespace, h.holder.pod, h.holder.container, h.device.key) for h in holdings(answer)]
    assert found == [
        (namespace, name, own, f"minor {minor}") for namespace, name, containers in nodes for own, minor in containers
    ]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"\x0a\x05abc", "2 bytes longer than its message"),
        (b"\x09abc", "5 bytes longer than its message"),
        (b"\x80\x80", "does not end"),
        (b"\x08" + b"\xff" * 11, "does not end"),
        (b"\x02\x00", "the number 0"),
        (b"\x0b", "the wire type 3"),
    ],
)
def test_a_broken_message_says_what_is_wrong(message: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        list(fields(message))


def test_a_text_that_is_no_name_is_refused() -> None:
    assert text("grün".encode()) == "grün"
    with pytest.raises(WireError, match="no UTF-8"):
        text(b"\xff")
    with pytest.raises(WireError, match="a text has 1025 bytes, expected at most 1024"):
        text(b"x" * (MAX_TEXT_BYTES + 1))


def test_fields_that_a_newer_kubelet_adds_are_no_mistake() -> None:
    news = number_field(90, 7) + field(91, "news")
    answer = news + field(1, news + pod("ml", "a", news + container("main", [("nvidia.com/gpu", ["nvidia3"])])))
    assert [holding.device.key for holding in holdings(answer)] == ["minor 3"]
    assert [found.key for found in offered(news + field(1, news + plugin_devices("nvidia.com/gpu", ["nvidia4"])))] == [
        "minor 4"
    ]
