"""A session changes its node, whatever is lost on the way; nobody takes what is not there."""

import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import anyio
import anyio.lowlevel
import pytest

from server.cluster.shared import SharedStore
from server.cluster.store import MemoryStore, Store
from server.domain.values import SessionConfig
from server.domain.wire import ResumableDialect
from server.gateway.returns.conversations import Conversations
from server.gateway.returns.moves import ANSWERED_S, Moves
from server.gateway.returns.returning import (
    HISTORY_LOST,
    NOT_RESUMED,
    TRY_AGAIN,
    NotResumed,
    ResumeClaim,
    Returns,
)
from server.gateway.returns.tickets import Ticket, ticket_key, write_ticket
from server.session.closing import COME_BACK
from server.session.resumption import ResumePass, token_digest
from server.session.snapshot import Snapshot
from stages.testing.virtual_time import virtual
from tests.support.stage import Stage, play, voice_v1


class LossyStore(MemoryStore):
    """May lose what it has when a certain node is told something, and the message with it; may be broken."""

    loses_for = ""
    is_broken = False

    def __init__(self) -> None:
        super().__init__()
        self.written = list[str]()
        """What kinds of values, in order."""

    async def write(self, key: str, value: bytes, lease_s: float, now: float) -> None:
        self.written.append(key.partition(":")[0])
        await super().write(key, value, lease_s, now)

    async def read(self, key: str, now: float) -> bytes | None:
        if self.is_broken:
            raise RuntimeError("no value can be read")
        return await super().read(key, now)

    async def tell(self, mailbox: str, message: bytes) -> bool:
        if mailbox != self.loses_for:
            return await super().tell(mailbox, message)
        self.loses_for = ""
        self._values = type(self._values)()
        return True


@dataclass
class Node:
    """What one node has of it."""

    name: str
    store: Store

    def __post_init__(self) -> None:
        self.conversations = Conversations(
            self.store, self.name, keep_s=300.0, lease_s=3600.0, now=anyio.current_time
        )
        self.returns = Returns(self.store, node=self.name, grace_s=30, lease_s=3600.0, now=anyio.current_time)
        self.moves = Moves(self.store, self.conversations, self.returns, anyio.current_time)


def on_two_nodes(
    store: MemoryStore, tell: Callable[[Stage, ResumeClaim, Node, Node], Awaitable[None]]
) -> Stage:
    """The first of two nodes has a session; `tell` is given what its client shows when it comes back."""

    async def story(stage: Stage) -> None:
        one, other = Node("node_1", store), Node("node_2", store)
        dialect, ticket = voice_v1(SessionConfig()), ResumePass()
        assert isinstance(dialect, ResumableDialect)
        token = ticket.offer()
        stage.ask("hello")
        await stage.wire.until("response.done")
        async with (
            anyio.create_task_group() as tasks,
            one.returns.keep(stage.session, dialect, ticket, token, None),
            one.conversations.kept(stage.session, "", dialect.keep),
        ):
            for node in (one, other):
                tasks.start_soon(node.moves.run)
            await anyio.lowlevel.checkpoint()
            await tell(stage, ResumeClaim(len(stage.wire.seen), token), one, other)
            tasks.cancel_scope.cancel()

    return play(lambda: Stage("Hello.", dialect=voice_v1, grace_s=30.0), story)


async def ticket_for(node: Node, claim: ResumeClaim) -> Ticket:
    ticket = await node.returns.elsewhere(claim.token, None)
    assert ticket is not None
    return ticket


def test_a_session_that_comes_back_at_once_is_not_taken_for_one_that_nobody_has() -> None:
    """It was handed over, and handed back before the first node looks whether somebody has it."""

    async def tell(stage: Stage, claim: ResumeClaim, one: Node, other: Node) -> None:
        async with AsyncExitStack() as kept:
            for node in (other, one):
                await node.moves.fetch(claim, await ticket_for(node, claim))
                dialect, ticket = voice_v1(SessionConfig()), ResumePass()
                assert isinstance(dialect, ResumableDialect)
                ticket.show(claim.token)
                returning = node.returns.keep(
                    stage.session, dialect, ticket, ticket.offer(), None, claim.token
                )
                await kept.enter_async_context(returning)
                await kept.enter_async_context(node.conversations.kept(stage.session, "", dialect.keep))
            await anyio.sleep(3 * ANSWERED_S)
            written = await one.conversations.read(stage.session.id)
            assert written is not None
            assert written.node == one.name

    on_two_nodes(MemoryStore(), tell)


@virtual
async def test_a_session_of_which_there_is_nothing_is_nobodys() -> None:
    store, claim = MemoryStore(), ResumeClaim(3, "t" * 43)
    node = Node("node_2", store)
    of_dead = {"session": "sess_1", "owner": "", "node": "node_1"}
    await store.write(f"resume:{token_digest(claim.token)}", json.dumps(of_dead).encode(), 60, 0.0)
    for _ in range(2):  # the second time it is no other answer, as if the session were on its way
        with pytest.raises(NotResumed) as refused:
            await node.moves.fetch(claim, await ticket_for(node, claim))
        assert refused.value.close_code == NOT_RESUMED


def test_what_was_handed_over_goes_on_although_answer_and_store_were_lost() -> None:
    store = LossyStore()

    async def tell(stage: Stage, claim: ResumeClaim, one: Node, other: Node) -> None:
        store.loses_for = "node:node_2"
        with pytest.raises(NotResumed):
            await other.moves.fetch(claim, await ticket_for(other, claim))
        await anyio.sleep(2 * ANSWERED_S)
        assert store.written[-2:] == ["conversation", "resume"], "who finds the ticket finds the session"
        snapshot = await other.moves.fetch(claim, await ticket_for(other, claim))
        assert snapshot.session_id == stage.session.id
        assert [item.role for item in snapshot.items] == ["user", "assistant"]
        assert snapshot.missed(claim.last_seq) == ()

    on_two_nodes(store, tell)


def test_a_node_that_cannot_find_out_whether_anybody_has_a_session_goes_on() -> None:
    store = LossyStore()

    async def tell(stage: Stage, claim: ResumeClaim, one: Node, other: Node) -> None:
        store.loses_for = "node:node_2"
        with pytest.raises(NotResumed):
            await other.moves.fetch(claim, await ticket_for(other, claim))
        store.is_broken = True
        await anyio.sleep(2 * ANSWERED_S)
        store.is_broken = False
        assert await store.tell("node:node_1", b"{}"), "it hears"

    on_two_nodes(store, tell)


def test_what_another_node_has_is_left_to_it() -> None:
    async def tell(stage: Stage, claim: ResumeClaim, one: Node, other: Node) -> None:
        await other.moves.fetch(claim, await ticket_for(other, claim))
        await anyio.sleep(10 * ANSWERED_S)
        assert await other.returns.elsewhere(claim.token, None) is None, "it is the other node's"

    on_two_nodes(MemoryStore(), tell)


def test_whose_history_is_lost_is_told_so_and_not_that_the_session_is_on_its_way() -> None:
    async def tell(stage: Stage, claim: ResumeClaim, one: Node, other: Node) -> None:
        behind = ResumeClaim(-1, claim.token)
        with pytest.raises(NotResumed) as refused:
            await other.moves.fetch(behind, await ticket_for(other, behind))
        assert refused.value.close_code == HISTORY_LOST
        with pytest.raises(NotResumed) as refused:
            await other.returns.elsewhere(claim.token, None)
        assert refused.value.close_code == NOT_RESUMED

    on_two_nodes(MemoryStore(), tell)


class ForgetfulStore(MemoryStore):
    """Has nothing of a conversation any more when its session has changed its node."""

    async def write(self, key: str, value: bytes, lease_s: float, now: float) -> None:
        if key.startswith("resume:"):
            self._values = type(self._values)()
        await super().write(key, value, lease_s, now)

    async def close(self) -> None:
        """There is nothing to close."""


@pytest.mark.parametrize("is_behind", [False, True])
@virtual
async def test_what_is_lost_while_a_session_switches_its_node_is_told_as_before(is_behind: bool) -> None:
    store, claim = SharedStore(ForgetfulStore(), (), anyio.current_time), ResumeClaim(3, "t" * 43)
    node, of_dead = Node("node_2", store), Ticket("sess_1", "", "node_1")
    await store.write(ticket_key(claim.token), write_ticket(of_dead), 60, 0.0)
    await node.conversations.write(Snapshot("sess_1", node="node_1", dialect="voice.v1"), 60)
    if is_behind:
        store.behind_until = 3600.0
    with pytest.raises(NotResumed) as refused:
        await node.moves.fetch(claim, await ticket_for(node, claim))
    assert refused.value.close_code == (TRY_AGAIN if is_behind else NOT_RESUMED)
    if is_behind:
        assert await ticket_for(node, claim) == of_dead
    else:
        with pytest.raises(NotResumed) as refused:
            await node.returns.elsewhere(claim.token, None)
        assert refused.value.close_code == NOT_RESUMED


def test_a_node_that_cannot_read_it_ends_the_session_calmly_and_keeps_what_was_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def tell(stage: Stage, claim: ResumeClaim, one: Node, other: Node) -> None:
        monkeypatch.setattr("server.gateway.returns.moves.READABLE", frozenset({2}))
        with pytest.raises(NotResumed) as refused:
            await other.moves.fetch(claim, await ticket_for(other, claim))
        assert refused.value.close_code == HISTORY_LOST
        await anyio.sleep(1)

    stage = on_two_nodes(MemoryStore(), tell)
    assert stage.wire.closed is not None
    assert stage.wire.closed[0] == COME_BACK
