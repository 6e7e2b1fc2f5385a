"""What can go wrong in a session, forked by whose fault it is.

ServerError
├── ClientError        the client's doing; goes to it with a code, the session goes on where it can
├── SessionOver        the session must end; carries the WebSocket close code
└── ConfigError        the operator's doing; names every wrong setting at once
"""

from typing import Literal

ErrorType = Literal["invalid_request_error", "rate_limit_error", "server_error"]


class ServerError(Exception):
    """Root of everything this package raises on purpose."""


class ClientError(ServerError):
    """A command we cannot obey. `code` is for programs, the message names the field (`param`) and the
    limit."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        param: str | None = None,
        type: ErrorType = "invalid_request_error",
        ref: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.type: ErrorType = type
        self.ref = ref
        """The id that the client gave to the offending command, if it did."""


class SessionOver(ServerError):
    """The session ends now. `error`, if any, is told to the client before the socket closes with
    `close_code`."""

    def __init__(self, close_code: int, reason: str, *, error: ClientError | None = None) -> None:
        super().__init__(reason)
        self.close_code = close_code
        self.reason = reason
        self.error = error


class ConfigError(ServerError):
    """Settings that cannot work; the message has one line for each of them."""


def alone(error: Exception) -> Exception:
    """What task groups have wrapped, if that is one error."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
