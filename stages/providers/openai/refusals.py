"""What an OpenAI-compatible server says of a failure: its kind, its words, and how long to wait."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from stages.errors import ErrorKind

if TYPE_CHECKING:
    import httpx2

_MOST_BYTES_OF_FAULT = 65_536
_MOST_CHARS_OF_FAULT = 500

_BY_STATUS: Mapping[int, ErrorKind] = {
    401: ErrorKind.AUTH,
    402: ErrorKind.QUOTA,
    403: ErrorKind.AUTH,
    408: ErrorKind.SERVER,
    409: ErrorKind.SERVER,
    425: ErrorKind.SERVER,
}
_BY_NAME: Mapping[str, ErrorKind] = {
    "insufficient_quota": ErrorKind.QUOTA,
    **dict.fromkeys(("invalid_api_key", "authentication_error", "permission_error"), ErrorKind.AUTH),
    **dict.fromkeys(
        (
            *("model_not_found", "model_deprecated", "model_retired", "context_length_exceeded"),
            *("invalid_request_error", "invalid_prompt", "not_found_error"),
        ),
        ErrorKind.BAD_REQUEST,
    ),
}
"""Codes in the middle of a stream; any other may be mended by another try."""


def kind_of(status: int, words: str) -> ErrorKind:
    """The kind of error that an HTTP status is; a quota that is used up is no rush that passes."""
    if status == 429:
        return ErrorKind.QUOTA if "insufficient_quota" in words else ErrorKind.RATE
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return ErrorKind.BAD_REQUEST if 400 <= status < 500 else ErrorKind.SERVER


def kind_by_name(code: str) -> ErrorKind:
    """The kind of an error in the middle of a stream, by its code."""
    if "rate_limit" in code or "overloaded" in code:
        return ErrorKind.RATE
    return _BY_NAME.get(code, ErrorKind.SERVER)


def words_of(fault: object) -> str:
    """What a server says went wrong: `{"error": ...}`, `{"detail": ...}`, `{"message": ...}`, or any text."""
    if isinstance(fault, Mapping):
        for key in ("error", "detail", "message", "msg"):
            if inner := fault.get(key):
                code = fault.get("code")
                words = words_of(inner)
                return f"{words} ({code})" if isinstance(code, str) and code not in words else words
        fault = json.dumps(fault, ensure_ascii=False)
    elif isinstance(fault, list):
        fault = json.dumps(fault, ensure_ascii=False)
    return " ".join(str(fault).split())[:_MOST_CHARS_OF_FAULT]


async def fault_of(response: "httpx2.Response") -> str:
    """The words of a refusal; as much of its body is read as they can need."""
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) > _MOST_BYTES_OF_FAULT:
            break
    text = body.decode("utf-8", "replace")
    try:
        return words_of(json.loads(text))
    except ValueError:
        return words_of(text)


def wait_of(response: "httpx2.Response") -> float | None:
    """The seconds of its `Retry-After`."""
    try:
        return max(0.0, float(response.headers["retry-after"]))
    except (KeyError, ValueError):  # a date is as good as none
        return None
