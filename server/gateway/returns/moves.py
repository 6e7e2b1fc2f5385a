"""Sessions that change their node: how one node asks another for a session whose client has come to it.

The nodes talk by the store, in messages that nobody keeps. A node that lives ends its session, and says what it was
about to the last word. Of one that does not answer what it last wrote down is taken. The ticket of
the session is made out to whoever goes on with it, so that of two there is one; a node that was only slow
finds then that its session is not its own any more, and ends it.
"""

import json
import logging
from dataclasses import replace
from typing import Any

import anyio
from anyio.abc import TaskGroup

from server.cluster.shared import may_be_behind, store_answers
from server.cluster.store import Store
from server.domain.clock import Now
from server.domain.errors import SessionOver
from server.domain.ids import new_id
from server.gateway.returns.conversations import TAKEN_OVER, Conversations, LiveConversation
from server.gateway.returns.returning import (
    HISTORY_LOST,
    TRY_AGAIN,
    NotResumed,
    ResumeClaim,
    Returns,
    not_found,
    not_resumed,
    try_again,
)
from server.gateway.returns.tickets import Leaving, Ticket, ticket_key
from server.session.closing import COME_BACK
from server.session.resumption import token_digest
from server.session.snapshot import READABLE, SCHEMA, Snapshot, read_snapshot, write_snapshot

log = logging.getLogger(__name__)

ANSWERED_S = 1.0
"""How long a node has to hand a session over before it is taken for dead."""

LEFT_AT_ONCE = 8
"""Sessions that a node that stops writes down at once."""

MAX_AT_ONCE = 256
"""Sessions that a node hands over at once; who asks for more takes what was last written down."""

Message = dict[str, Any]


class Moves:
    """The moves of sessions to and from one node. `now` is the store's clock."""

    def __init__(self, store: Store, conversations: Conversations, returns: Returns, now: Now) -> None:
        self._store = store
        self._conversations = conversations
        self._returns = returns
        self._now = now
        self._calls: dict[str, tuple[anyio.Event, Message]] = {}
        self._handed = dict[str, Snapshot]()
        """Of each session that was lately handed over, and has not come back, what was handed over last."""
        self._under_way = 0

    async def run(self) -> None:
        """Hear what other nodes ask. Returns only when cancelled."""
        node = self._conversations.node
        if not node:
            return
        async with anyio.create_task_group() as tasks:
            await self._store.listen(_mailbox(node), lambda data: self._heard(data, tasks))

    async def fetch(self, claim: ResumeClaim, ticket: Ticket) -> Snapshot:
        """The session of a client that has come back to this node, as its own one has left it. Raises NotResumed."""
        call = {"session": ticket.session_id, "token": token_digest(claim.token), "last_seq": claim.last_seq}
        answer = await self._ask(ticket.node, call) if ticket.node else None
        if answer is not None and answer.get("other_version"):
            raise NotResumed(HISTORY_LOST, "its node is of another version; what was said is kept")
        if answer is not None and not answer.get("done"):
            raise try_again() if answer.get("gone") else not_resumed()
        snapshot = _left(answer) or await self._kept(ticket)
        await self._returns.switch(claim.token, ticket, is_here=answer is not None)
        self._handed.pop(ticket.session_id, None)
        try:
            if answer is None and ticket.node:
                snapshot = await self._kept(ticket)  # it may have been slow, and not dead, until now
            was_left = answer is not None or not ticket.node
            if was_left and snapshot.missed(claim.last_seq) is None:
                await self._conversations.close(snapshot)
                raise NotResumed(HISTORY_LOST, "what was missed is not kept any more")
        except NotResumed as refusal:
            await self._switch_back(ticket_key(claim.token), ticket, refusal)
            raise
        how = "was handed over" if answer is not None else "goes on where its node was last heard of"
        log.info("the session %s", how, extra={"session": ticket.session_id})
        return snapshot

    async def _switch_back(self, key: str, ticket: Ticket, refusal: NotResumed) -> None:
        """Nothing came of it: else whoever asks again would be told for ever that the session is on its way here."""
        if refusal.close_code == TRY_AGAIN:
            await self._returns.leave(Leaving(ticket, (key,)))
        else:
            await self._store.take(key, self._now())

    async def _kept(self, ticket: Ticket) -> Snapshot:
        """What the store has of the session, with which this node can go on. Raises NotResumed."""
        snapshot = await self._conversations.read(ticket.session_id)
        if snapshot is None or snapshot.node != ticket.node or not snapshot.dialect:
            raise not_found(self._store, self._now())
        return snapshot

    async def find(self, session_id: str, owner: str) -> Snapshot | None:
        """The same for a client that opens another session, and names the one before; None where there is none."""
        snapshot = await self._conversations.find(session_id, owner)
        if snapshot is None or snapshot.node in ("", self._conversations.node):
            return snapshot
        return _left(await self._ask(snapshot.node, {"session": session_id})) or snapshot

    async def leave_behind(self) -> None:
        """End the sessions whose clients may come back, and leave them to the nodes that these come to. Without a store
        that the nodes share, or while it is lost, nothing happens."""
        if not await store_answers(self._store):
            return
        waiting = iter([live for live in self._conversations.live.values() if live.keeps is not None])

        async def leave_some() -> None:
            for live in waiting:
                await self._leave(live)

        async with anyio.create_task_group() as tasks:
            for _ in range(LEFT_AT_ONCE):
                tasks.start_soon(leave_some)

    async def _leave(self, live: LiveConversation) -> None:
        try:
            async with live.writing:  # what was written before is not to overtake what is left
                if await self._is_mine(live):
                    leaving = self._returns.forget(live.session.id)
                    await self._conversations.leave(live, self._returns.grace_s)
                    await self._returns.leave(leaving)
        except Exception:  # of one session; the others are left
            log.exception("a session could not be left to another node", extra={"session": live.session.id})

    async def _ask(self, node: str, call: Message) -> Message | None:
        """What the node says; None when it is dead, or as good as that."""
        number, answered = new_id("call"), anyio.Event()
        self._calls[number] = answered, {}
        try:
            message = call | {"call": number, "from": self._conversations.node, "reads": sorted(READABLE)}
            if await self._store.tell(_mailbox(node), json.dumps(message).encode()):
                with anyio.move_on_after(ANSWERED_S):
                    await answered.wait()
            return self._calls[number][1] or None
        finally:
            del self._calls[number]

    async def _is_mine(self, live: LiveConversation) -> bool:
        """Whether this node has the session still. Of one that another has gone on with while this one could not be
        heard it is the end here."""
        written = await self._conversations.read(live.session.id)
        if self._conversations.live.get(live.session.id) is not live:
            return False
        if not live.is_gone and (written is None or written.node == self._conversations.node):
            return True
        live.is_gone = True
        self._returns.forget(live.session.id)
        live.session.end(SessionOver(TAKEN_OVER, "another node has taken over"))
        return False

    def _heard(self, data: bytes, tasks: TaskGroup) -> None:
        try:
            message = json.loads(data)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("call"), str):
            log.warning("%d bytes in the mailbox of this node mean nothing to it", len(data))
        elif "session" in message:
            if self._under_way < MAX_AT_ONCE:
                self._under_way += 1
                tasks.start_soon(self._answer, message, tasks)
        elif (waiting := self._calls.get(message["call"])) is not None:
            waiting[1].update(message)
            waiting[0].set()

    async def _answer(self, call: Message, tasks: TaskGroup) -> None:
        try:
            told, handed = await self._hand_over(call)
            if handed is not None:
                tasks.start_soon(self._see_through, *handed)
            await self._store.tell(_mailbox(call["from"]), json.dumps(told | {"call": call["call"]}).encode())
        except Exception:  # of one session; the node goes on
            log.exception("a session could not be handed over")
        finally:
            self._under_way -= 1

    async def _hand_over(self, call: Message) -> tuple[Message, tuple[Snapshot, Leaving] | None]:
        """What to say to the node that wants a session; and what that is given, if its client has come to it."""
        conversations, token = self._conversations, call.get("token")
        live = conversations.live.get(call["session"])
        if live is None:
            return {"done": False, "gone": True}, None
        async with live.writing:  # what was written before is not to overtake what the other node writes
            if not await self._is_mine(live):
                return {"done": False, "gone": True}, None
            if token is not None and not self._returns.accepts(live.session.id, token):
                return {"done": False}, None
            if token is not None and SCHEMA not in call.get("reads", (1,)):
                live.session.end(SessionOver(COME_BACK, "another version of the server goes on"))
                return {"done": False, "other_version": True}, None
            leaving = self._returns.forget(live.session.id)
            snapshot = conversations.take_over(live, call.get("last_seq"))
        left = write_snapshot(replace(snapshot, node=conversations.node)).decode()
        return {"done": True, "left": left}, (snapshot, leaving) if token is not None else None

    async def _see_through(self, snapshot: Snapshot, leaving: Leaving) -> None:
        """The node that has asked for the session may not have heard the answer, if the store was lost meanwhile:
        then whichever node its client comes to goes on with it. One that has come back, or was handed over again
        since, was taken: what it was about then is old."""
        session_id = snapshot.session_id
        self._handed[session_id] = snapshot
        with anyio.move_on_after(self._returns.grace_s):
            while True:
                await anyio.sleep(2 * ANSWERED_S)
                if self._handed.get(session_id) is not snapshot or session_id in self._conversations.live:
                    break
                if may_be_behind(self._store, self._now()):
                    continue  # the others tell it what they have
                try:
                    await self._leave_untaken(snapshot, leaving)
                except NotResumed:
                    continue  # somebody is about to have it
                except Exception:  # of one session; the node goes on
                    log.exception("it is not known whether a session that was handed over has a node")
                break
        if self._handed.get(session_id) is snapshot:
            del self._handed[session_id]

    async def _leave_untaken(self, snapshot: Snapshot, leaving: Leaving) -> None:
        async def keep() -> None:
            await self._conversations.write(snapshot, max(self._returns.grace_s, self._conversations.keep_s))

        written = await self._conversations.read(snapshot.session_id)
        is_mine = written is None or written.node == self._conversations.node
        if is_mine and await self._returns.leave_untaken(leaving, keep):
            log.warning(
                "the session was handed over, and is nobody's", extra={"session": snapshot.session_id}
            )


def _left(answer: Message | None) -> Snapshot | None:
    """What the node that has answered was about."""
    left = None if answer is None else answer.get("left")
    return None if left is None else read_snapshot(left.encode())


def _mailbox(node: str) -> str:
    return f"node:{node}"
