"""What can go wrong in a session, forked by whose fault it is.

ServerError
├── ClientError        the client's doing; goes to it with a code, the session goes on where it can
├── SessionOver        the session must end; carries the WebSocket close code
└── ConfigError        the operator's doing; names every wrong setting at once
"""

from enum import StrEnum
from typing import Literal

Blame = Literal["client", "limit", "server"]
"""Who has to do something about it: the client, the client later, or those who run the server."""


class Fault(StrEnum):
    """What a session has against a command, or what went wrong in a response. Dialects have words of their own for it
    (`server.dialects.realtime.errors`), and may find other faults in frames."""

    INVALID_VALUE = "invalid_value"
    ITEM_TO_RETRIEVE_UNKNOWN = "item_to_retrieve_unknown"
    ITEM_TO_DELETE_UNKNOWN = "item_to_delete_unknown"
    ITEM_TO_TRUNCATE_UNKNOWN = "item_to_truncate_unknown"
    PLAYED_ITEM_UNKNOWN = "played_item_unknown"
    ITEM_NOT_SPOKEN = "item_not_spoken"
    CALL_UNKNOWN = "call_unknown"
    CONVERSATION_TOO_LONG = "conversation_too_long"
    CONTEXT_TOO_LONG = "context_too_long"
    NOTHING_TO_COMMIT = "nothing_to_commit"
    COMMIT_IS_DUE = "commit_is_due"
    TOO_MANY_CLIPS = "too_many_clips"
    RESPONSE_IS_ACTIVE = "response_is_active"
    NO_RESPONSE_IS_ACTIVE = "no_response_is_active"
    TOO_MANY_RESPONSES = "too_many_responses"
    RATE_LIMIT = "rate_limit"
    AUDIO_QUOTA = "audio_quota"
    SESSION_EXPIRED = "session_expired"
    SESSION_IDLE = "session_idle"
    SESSION_LIMIT = "session_limit"
    FAILURE = "failure"


class ServerError(Exception):
    """Root of everything this package raises on purpose."""


class ClientError(ServerError):
    """A command we cannot obey. `code` is for programs: a `Fault`, or a word of the dialect that found it. `param` is
    the field: of a `Fault` that of the command, as `server.domain.commands` calls it. The message says the limit."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        param: str | None = None,
        blame: Blame = "client",
        ref: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.blame: Blame = blame
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
