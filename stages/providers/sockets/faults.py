"""Turns what a service answers (an HTTP status, a close code, a word in a message) into one of our errors.

No error text repeats an address or a header, because keys may be in both.
"""

from collections.abc import Mapping

from stages.errors import ErrorKind, ProviderBusy, ProviderError, ProviderRejected, ProviderTimeout

_CLASSES: Mapping[ErrorKind, type[ProviderError]] = {
    ErrorKind.AUTH: ProviderRejected,
    ErrorKind.QUOTA: ProviderRejected,
    ErrorKind.BAD_REQUEST: ProviderRejected,
    ErrorKind.BAD_AUDIO: ProviderRejected,
    ErrorKind.RATE: ProviderBusy,
    ErrorKind.TIMEOUT: ProviderTimeout,
}
"""All other kinds are plain ProviderErrors: another try may mend them."""

_STATUSES: Mapping[int, ErrorKind] = {
    401: ErrorKind.AUTH,
    403: ErrorKind.AUTH,
    402: ErrorKind.QUOTA,
    408: ErrorKind.TIMEOUT,
    429: ErrorKind.RATE,
}

CLOSE_CODES: Mapping[int, ErrorKind] = {
    1000: ErrorKind.SESSION_EXPIRED,
    1001: ErrorKind.SERVER,
    1002: ErrorKind.PROTOCOL,
    1003: ErrorKind.BAD_REQUEST,
    1005: ErrorKind.NETWORK,
    1006: ErrorKind.NETWORK,
    1007: ErrorKind.BAD_REQUEST,
    1008: ErrorKind.BAD_REQUEST,
    1009: ErrorKind.BAD_REQUEST,
    1011: ErrorKind.SERVER,
    1012: ErrorKind.SERVER,
    1013: ErrorKind.RATE,
    1015: ErrorKind.NETWORK,
}
"""What the codes mean that the protocol itself defines; a service's own go before them. 1000 is the end of a
connection that lived as long as it may."""

_MAX_WORDS = 200


def fault(
    service: str, kind: ErrorKind, words: str = "", *, retry_after_s: float | None = None
) -> ProviderError:
    """The error of this kind. `words` are the service's own, shortened."""
    words = " ".join(words.split())[:_MAX_WORDS]
    text = f"{service}: {_PLAIN[kind]}" + (f" ({words})" if words else "")
    return _CLASSES.get(kind, ProviderError)(text, kind=kind, retry_after_s=retry_after_s)


_PLAIN: Mapping[ErrorKind, str] = {
    ErrorKind.AUTH: "it refused the key",
    ErrorKind.QUOTA: "the account's quota is used up",
    ErrorKind.RATE: "it takes no more requests for now",
    ErrorKind.BAD_REQUEST: "it refused the request",
    ErrorKind.BAD_AUDIO: "it could not read the audio",
    ErrorKind.TIMEOUT: "it did not answer in time",
    ErrorKind.TIMEOUT_IDLE: "it ended an idle connection",
    ErrorKind.SESSION_EXPIRED: "it ended the connection",
    ErrorKind.SERVER: "it failed",
    ErrorKind.NETWORK: "the connection was lost",
    ErrorKind.PROTOCOL: "it sent something that is not in its protocol",
    ErrorKind.NO_AUDIO: "it gave no audio for a text with words in it",
}


def status_fault(service: str, status: int, retry_after: str | None = None, words: str = "") -> ProviderError:
    """What an HTTP answer with this status means; `retry_after` is the header of that name."""
    kind = _STATUSES.get(status) or (ErrorKind.SERVER if status >= 500 else ErrorKind.BAD_REQUEST)
    try:
        retry_after_s = None if retry_after is None else max(0.0, float(retry_after))
    except ValueError:  # a date: as good as none
        retry_after_s = None
    return fault(service, kind, f"HTTP {status}{': ' if words else ''}{words}", retry_after_s=retry_after_s)


def close_fault(
    service: str, code: int, reason: str = "", table: Mapping[int | str, ErrorKind] | None = None
) -> ProviderError:
    """What a close means. `table` is the service's own: by code, or by a word that the reason contains, which goes
    first."""
    kind = None
    for key, meaning in (table or {}).items():
        if isinstance(key, str) and key in reason:
            kind = meaning
    kind = kind or (table or {}).get(code) or CLOSE_CODES.get(code, ErrorKind.BAD_REQUEST)
    return fault(service, kind, f"close {code}{': ' if reason else ''}{reason}")


def is_retryable(error: ProviderError) -> bool:
    """Whether the same provider may be asked again at once."""
    return not isinstance(error, ProviderRejected | ProviderBusy)
