"""Bodies are taken out of requests, whatever the cuts; everything else goes through untouched."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.gateway.request_body import MAX_BODY_BYTES, MAX_HEAD_BYTES, BodyFault, RequestBody

HEAD = b"POST /x HTTP/1.1\r\nHost: a\r\n"


def feed(data: bytes, cuts: list[int]) -> tuple[RequestBody, bytes]:
    request, ready = RequestBody(), b""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        if request.is_done:
            ready += data[start:end]
        elif start < end:
            ready += request.feed(data[start:end])
    return request, ready


cuts = st.lists(st.integers(0, 1 << 20), max_size=8)


@given(st.binary(max_size=300), cuts)
def test_the_parser_gets_the_head_and_the_body_is_kept(body: bytes, where: list[int]) -> None:
    data = HEAD + f"Content-Length: {len(body)}\r\nX: y\r\n\r\n".encode() + body
    request, ready = feed(data, where)
    assert (ready, request.body, request.fault) == (HEAD + b"X: y\r\n\r\n", body, None)


@given(st.binary(max_size=300).filter(lambda data: data[:5] != b"POST "), cuts)
def test_whatever_is_no_post_goes_through(data: bytes, where: list[int]) -> None:
    request, ready = feed(data, where)
    if request.is_done:
        assert ready == data
    else:
        assert b"POST ".startswith(data), "it may still become one"


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
