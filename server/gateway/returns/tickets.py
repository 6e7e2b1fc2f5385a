"""What the store of the nodes knows of a token by which a client comes back: its session, whose, and where that is."""

import json
from dataclasses import astuple, dataclass

from server.session.resumption import token_digest

_KEY = "resume:"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the store knows of a token."""

    session_id: str
    owner: str
    node: str
    """Which node has the session; "" for one that has left it to whoever its client comes to."""


def write_ticket(ticket: Ticket) -> bytes:
    return json.dumps({"session": ticket.session_id, "owner": ticket.owner, "node": ticket.node}).encode()


def read_ticket(value: bytes | None) -> Ticket | None:
    """What the store has; None where that is nothing, or nothing that can be read."""
    try:
        read = json.loads(value or b"")
        ticket = Ticket(read["session"], read["owner"], read.get("node", ""))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return ticket if all(isinstance(part, str) for part in astuple(ticket)) else None


def ticket_key(token: str) -> str:
    """Under which the store knows the session of a token."""
    return digest_key(token_digest(token))


def digest_key(digest: str) -> str:
    """The same for a token of which the digest is known."""
    return _KEY + digest


@dataclass(frozen=True, slots=True)
class Leaving:
    """A session that is not of this process any more."""

    ticket: Ticket
    token_keys: tuple[str, ...] = ()
    """Under which the store knows it."""
