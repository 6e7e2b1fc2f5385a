"""Bodies are taken out of plain requests, whatever the cuts; what wants to be a WebSocket goes through untouched."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.gateway.sockets.request_body import MAX_BODY_BYTES, MAX_HEAD_BYTES, BodyFault, RequestBody

HEAD = b"POST /x HTTP/1.1\r\nHost: a\r\n"


def feed(data: bytes, cuts: list[int]) -> tuple[RequestBody, bytes]:
    request, ready = RequestBody(), b""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        if request.is_done:
            ready += b"" if request.is_plain else data[start:end]
        elif start < end:
            ready += b"".join(request.feed(data[start:end]))
    return request, ready


cuts = st.lists(st.integers(0, 1 << 20), max_size=8)


@given(st.binary(max_size=300), cuts)
def test_the_parser_gets_the_head_and_the_body_is_kept(body: bytes, where: list[int]) -> None:
    data = HEAD + f"Content-Length: {len(body)}\r\nX: y\r\n\r\n".encode() + body
    request, ready = feed(data, where)
    assert (ready, request.body, request.fault) == (HEAD + b"X: y\r\n\r\n", body, None)


@given(st.binary(max_size=300), cuts)
def test_whatever_wants_to_be_a_websocket_goes_through(data: bytes, where: list[int]) -> None:
    data = b"GET /x HTTP/1.1\r\nUpgrade: websocket\r\n\r\n" + data
    request, ready = feed(data, where)
    assert (ready, request.is_plain) == (data, False)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
@given(after=st.binary(max_size=300), where=cuts)
def test_what_follows_a_plain_request_is_nobodys(method: str, after: bytes, where: list[int]) -> None:
    head = f"{method} /x HTTP/1.1\r\nHost: a\r\n".encode()
    request, ready = feed(head + b"Content-Length: 7\r\n\r\n" + after, where)
    assert (ready, request.is_plain, request.body) == (head + b"\r\n", True, b"")


@given(st.binary(min_size=1, max_size=300).filter(lambda data: not data[:1].isupper()), cuts)
def test_what_is_no_request_is_the_parsers_business_at_once(data: bytes, where: list[int]) -> None:
    request, ready = feed(data, where)
    assert request.is_done
    assert data.startswith(ready)
    assert ready


@pytest.mark.parametrize(
    ("headers", "fault"),
    [
        (f"Content-Length: {MAX_BODY_BYTES + 1}", BodyFault.TOO_LONG),
        ("Content-Length: 9999999999999999999999", BodyFault.NO_LENGTH),
        ("Content-Length: -1", BodyFault.NO_LENGTH),
        ("Content-Length: 1\r\nContent-Length: 2", BodyFault.NO_LENGTH),
        ("Content-Length: ", BodyFault.NO_LENGTH),
        ("transfer-encoding: chunked", BodyFault.NO_LENGTH),
        ("X: y", None),
    ],
)
def test_a_body_that_cannot_be_read_does_not_hold_the_request_up(
    headers: str, fault: BodyFault | None
) -> None:
    request, ready = feed(HEAD + headers.encode() + b"\r\n\r\n", [])
    assert request.fault is fault
    assert ready.startswith(HEAD)
    assert b"length" not in ready.lower()
    assert b"encoding" not in ready.lower()


def test_a_head_without_end_is_the_parsers_business() -> None:
    request, ready = feed(b"POST /" + b"x" * MAX_HEAD_BYTES, [])
    assert request.is_done
    assert len(ready) == MAX_HEAD_BYTES + 6
