"""The codec of voice.v1's audio frames, for any bytes and any numbers."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.dialects.voice.frames import HEADER_BYTES, Stream, pack_frame, unpack_frame
from server.domain.errors import ClientError

counters = st.integers(0, (1 << 32) - 1)


@given(st.sampled_from(Stream), counters, counters, st.binary(max_size=200))
def test_what_is_packed_comes_out_again(stream: Stream, epoch: int, offset: int, data: bytes) -> None:
    assert unpack_frame(pack_frame(stream, epoch, offset, data)) == (stream, epoch, offset, data)


@given(counters, counters, st.binary(max_size=20))
def test_the_layout_is_the_documented_one(epoch: int, offset: int, data: bytes) -> None:
    frame = pack_frame(Stream.ANSWER, epoch, offset, data)
    assert frame[:4] == b"\x01\x01\x00\x00"
    assert frame[4:8] == epoch.to_bytes(4, "little")
    assert frame[8:12] == offset.to_bytes(4, "little")
    assert frame[12:] == data


@given(st.one_of(st.binary(max_size=64), st.binary(max_size=30).map(lambda tail: b"\1\0\0\0" + tail)))
def test_any_bytes_are_a_frame_or_a_clear_error(data: bytes) -> None:
    if len(data) >= HEADER_BYTES and data[0] == 1 and data[1] < 2 and data[2:4] == b"\0\0":
        assert pack_frame(*unpack_frame(data)) == data
        return
    with pytest.raises(ClientError) as caught:
        unpack_frame(data)
    assert caught.value.code == "invalid_frame"
    assert caught.value.message.startswith(f"{caught.value.param}: ")


@pytest.mark.parametrize(
    ("header", "param"),
    [
        ((0, 0, 0, 0, 0), "frame.kind"),
        ((2, 0, 0, 0, 0), "frame.kind"),
        ((1, 2, 0, 0, 0), "frame.stream"),
        ((1, 0, 1, 0, 0), "frame.reserved"),
    ],
)
def test_each_field_of_the_header_is_checked(header: tuple[int, ...], param: str) -> None:
    with pytest.raises(ClientError) as caught:
        unpack_frame(struct.pack("<BBHII", *header) + b"\0\0")
    assert caught.value.param == param


def test_a_frame_without_a_whole_header_is_none() -> None:
    with pytest.raises(ClientError) as caught:
        unpack_frame(bytes([1] * (HEADER_BYTES - 1)))
    assert caught.value.param == "frame.header"


def test_counters_wrap_at_32_bits() -> None:
    frame = unpack_frame(pack_frame(Stream.ANSWER, (1 << 32) + 3, (1 << 32) + 4, b""))
    assert (frame.epoch, frame.offset_samples) == (3, 4)
