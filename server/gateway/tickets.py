"""What the store of the nodes knows of a token by which a client comes back: its session, whose, and where that is."""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ticket:
    """What the store knows of a token."""

    session_id: str
    owner: str
    node: str
    """Which node has the session; "" for one that has left it to whoever its client comes to."""


def write_ticket(ticket: Ticket) -> bytes:
    return json.dumps({"session": ticket.session_id, "owner": ticket.owner, "node": ticket.node}).encode()


def read_ticket(value: bytes) -> Ticket:
    read = json.loads(value)
    return Ticket(read["session"], read["owner"], read.get("node", ""))


@dataclass(frozen=True, slots=True)
class Leaving:
    """A session that is not of this process any more."""

    ticket: Ticket
    token_keys: tuple[str, ...] = ()
    """Under which the store knows it."""
