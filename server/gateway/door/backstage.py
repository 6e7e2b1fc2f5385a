"""What the door of the server asks of those behind it: how the server is, and which client secrets there are."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Unready(StrEnum):
    """Why no session can be opened."""

    FULL = "full"
    """Told when the connection is open, as clients expect it."""
    DRAINING = "draining"
    """The server is about to stop."""
    OVERLOADED = "overloaded"
    """It has more to do than it can do in time."""


@dataclass(frozen=True, slots=True)
class Overload:
    """Why a server has more to do than it can do in time."""

    cause: str
    """What there is too much of: "event loop" or "models"."""
    wait_s: float
    """How long somebody who asks would wait for the models."""
    retry_after_s: int


class Backstage(Protocol):
    """What the door asks of the server behind it."""

    def health(self) -> Mapping[str, object]:
        """What `/healthz` tells, now."""

    def unready(self) -> Unready | None:
        """Why no session can be opened now; None when one can."""

    def would_be_late(self) -> bool:
        """Whether one more session would have somebody wait too long, though sessions can be opened by `unready`."""

    def overload(self) -> Overload:
        """Why it is `OVERLOADED`; where it is not, when somebody who is refused now had better come again."""

    def store(self) -> str | None:
        """Whether the store that nodes share answers; None where there is none."""

    def metrics(self) -> str:
        """The page of `/metrics`."""

    def mint(self, body: bytes, key: str) -> Mapping[str, object]:
        """A client secret for the body of a request. Raises ClientError."""


class Secrets(Protocol):
    """The client secrets that open a session, as `server.gateway.door.shared_secrets` keeps them."""

    def owner_of(self, value: str | None) -> str | None:
        """The digest of the key that a valid secret was ordered with, as far as this node knows; None if it is none."""

    async def learn(self, value: str | None) -> None:
        """Know a secret that another node has made, if it is one and still valid."""

    async def share(self) -> None:
        """Make known to the other nodes what was made since the last time."""
