"""What a read brings is a message, or is left to the library's parser: they agree about every message."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol, Side
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from server.gateway.sockets.whole_message import waits_for_a_frame, whole_message

MASK = b"\x01\x02\x03\x04"
TEXT, BINARY, PART, PING, COMPRESSED = 0x81, 0x82, 0x01, 0x89, 0xC1


def by_the_library(data: bytes, most_bytes: int | None) -> list[Frame]:
    protocol = Protocol(Side.SERVER, state=OPEN, max_size=most_bytes)
    protocol.receive_data(data)
    return [event for event in protocol.events_received() if isinstance(event, Frame)]


def frame(payload: bytes, kind: int = TEXT, mask: bytes = MASK) -> bytes:
    sent = Frame(Opcode.BINARY, payload).serialize(mask=False)
    head = len(sent) - len(payload)
    masked = bytes(byte ^ mask[number % 4] for number, byte in enumerate(payload))
    return bytes([kind, sent[1] | 128]) + sent[2:head] + mask + masked


@given(st.binary(max_size=300), st.sampled_from([TEXT, BINARY]), st.binary(min_size=4, max_size=4))
@example("ä".encode() * 1000, TEXT, MASK)
def test_a_message_is_what_the_library_makes_of_it(payload: bytes, kind: int, mask: bytes) -> None:
    data = frame(payload, kind, mask)
    message = whole_message(data, None)
    if kind == BINARY:
        assert message == payload
    else:
        assert message == (payload.decode() if _is_utf_8(payload) else None)
    assert [bytes(found.data) for found in by_the_library(data, None)] == [payload]


@given(st.binary(max_size=40))
def test_whatever_is_taken_for_a_message_is_one_to_the_library(data: bytes) -> None:
    message = whole_message(data, 20)
    if message is not None:
        (found,) = by_the_library(data, 20)
        assert found.fin
        assert bytes(found.data) == (message.encode() if isinstance(message, str) else message)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(frame(b"one")[:-1], id="less than a message"),
        pytest.param(frame(b"one") + b"\x81", id="more than a message"),
        pytest.param(frame(b"one") * 2, id="two messages"),
        pytest.param(frame(b"one", PART), id="a part"),
        pytest.param(frame(b"one", PING), id="a ping"),
        pytest.param(frame(b"one", COMPRESSED), id="a bit of an extension"),
        pytest.param(Frame(Opcode.TEXT, b"one").serialize(mask=False), id="no mask"),
        pytest.param(frame(b"\xff"), id="no UTF-8"),
        pytest.param(frame(bytes(201)), id="too long"),
        pytest.param(b"\x81\xfe\x00", id="half a length"),
        pytest.param(b"\x81\xff" + (3).to_bytes(8, "big") + MASK + b"one", id="length in eight bytes"),
        pytest.param(b"\x81\xff" + bytes(131), id="length in eight bytes, as long as if it were in one"),
    ],
)
def test_the_parser_is_left_what_is_no_message(data: bytes) -> None:
    assert whole_message(data, 200) is None


def opened() -> ServerProtocol:
    """A server's side of a connection whose handshake is done."""
    protocol, client = ServerProtocol(), ClientProtocol(parse_uri("ws://localhost/"))
    client.send_request(client.connect())
    protocol.receive_data(b"".join(client.data_to_send()))
    (request,) = protocol.events_received()
    protocol.send_response(protocol.accept(request))  # type: ignore[arg-type]  # it is the request
    return protocol


@pytest.mark.parametrize("cut", range(1, 22))
def test_within_a_frame_the_parser_waits_for_no_other(cut: int) -> None:
    """Not even where its head came alone, and what follows looks like a frame."""
    data = frame(frame(b"one", BINARY) + bytes(6), BINARY)
    protocol = opened()
    assert waits_for_a_frame(protocol)
    protocol.receive_data(data[:cut])
    assert waits_for_a_frame(protocol) == (cut == len(data))
    protocol.receive_data(data[cut:])
    assert waits_for_a_frame(protocol)


def _is_utf_8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
