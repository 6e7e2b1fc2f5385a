"""What a client needs to come back to its session over another connection: a token, which each return uses up.

The token is 256 bits of chance. Whoever shows it is let in, and is offered the next one. Since that may be lost with
the connection again, the one that was shown is good until the client has said something over the new connection.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable

TOKEN_BYTES = 32


def token_digest(token: str) -> str:
    """What a token is known by: nothing that lets anybody in."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


class ResumePass:
    """The resume tokens of one session; only their digests are kept."""

    def __init__(self, new_token: Callable[[], str] = lambda: secrets.token_urlsafe(TOKEN_BYTES)) -> None:
        self._new_token = new_token
        self._shown = ""
        self._offered = ""
        self.on_used_up: Callable[[str], None] = lambda digest: None
        """Is called with what a token was known by that nobody is let in with any more."""

    def offer(self) -> str:
        """A new token, in place of the last one that was offered."""
        token = self._new_token()
        self._offered = token_digest(token)
        return token

    def show(self, token: str) -> None:
        """A token that another node has given is good, until the next one was received."""
        self._shown = token_digest(token)

    def accept(self, token: str) -> bool:
        """Whether a token is good; the same time whichever it is."""
        return self.accept_digest(token_digest(token))

    def accept_digest(self, digest: str) -> bool:
        """The same for what a token is known by."""
        is_offered = hmac.compare_digest(digest, self._offered)
        is_shown = hmac.compare_digest(digest, self._shown)
        if is_offered:
            self._shown = digest
        return is_offered or is_shown

    def confirm(self) -> None:
        """The client has spoken over the new connection, and has the new token: what it has shown is used up."""
        used_up, self._shown = self._shown, ""
        if used_up:
            self.on_used_up(used_up)
