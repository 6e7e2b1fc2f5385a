"""Of several that come for one session at once, one has it."""

import json

import anyio
import pytest

from server.cluster.store import MemoryStore
from server.domain.values import SessionConfig
from server.domain.wire import ResumableDialect
from server.gateway.returns.returning import NOT_RESUMED, TRY_AGAIN, NotResumed, ResumeClaim, Returns
from server.gateway.returns.tickets import Ticket
from server.session.resumption import ResumePass, token_digest
from stages.testing.virtual_time import run_virtual
from tests.support.stage import QueueWire, Stage, play, voice_v1

TOKEN, SESSION = "t" * 43, "sess_1"


class RemoteStore(MemoryStore):
    """Answers in a moment, not at once."""

    async def read(self, key: str, now: float) -> bytes | None:
        value = await super().read(key, now)
        await anyio.sleep(0.001)
        return value


def test_of_two_connections_to_one_node_that_come_for_the_session_of_a_dead_one_one_has_it() -> None:
    async def main() -> None:
        store, codes = RemoteStore(), list[int]()
        dead = {"session": SESSION, "owner": "", "node": "node_1"}
        await store.write(f"resume:{token_digest(TOKEN)}", json.dumps(dead).encode(), 60, 0.0)
        returns = Returns(store, node="node_2", grace_s=30, lease_s=60, now=lambda: 0.0)
        ticket = await returns.elsewhere(TOKEN, None)
        assert ticket is not None

        async def come() -> None:
            try:
                await returns.switch(TOKEN, ticket)
            except NotResumed as refused:
                codes.append(refused.close_code)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(come)
            tasks.start_soon(come)
        assert codes == [TRY_AGAIN]

    run_virtual(main)


def test_a_session_that_was_handed_over_goes_on_although_the_store_has_lost_its_ticket() -> None:
    async def main() -> None:
        store, ticket = MemoryStore(), Ticket(SESSION, "", "node_1")
        returns = Returns(store, node="node_2", grace_s=30, lease_s=60, now=lambda: 0.0)
        with pytest.raises(NotResumed):
            await returns.switch(TOKEN, ticket)
        await returns.switch(TOKEN, ticket, is_here=True)
        with pytest.raises(NotResumed):  # it is here now, and was another connection's
            await returns.switch(TOKEN, ticket, is_here=True)

    run_virtual(main)


def test_a_token_that_is_used_up_opens_nothing_when_its_node_is_dead_either() -> None:
    second = QueueWire()

    async def story(stage: Stage) -> None:
        store, ticket, dialect = MemoryStore(), ResumePass(), voice_v1(SessionConfig())
        assert isinstance(dialect, ResumableDialect)
        returns, other = (
            Returns(store, node=node, grace_s=30, lease_s=60, now=anyio.current_time)
            for node in ("node_1", "node_2")
        )
        await stage.wire.until("x_voices")
        used = ticket.offer()
        async with (
            anyio.create_task_group() as tasks,
            returns.keep(stage.session, dialect, ticket, used, None),
        ):
            tasks.start_soon(returns.run)
            await returns.attach(ResumeClaim(len(stage.wire.seen), used), None, lambda heard: second)
            stage.wire = second
            greeting = await second.until("x_resumed")
            assert await other.elsewhere(used, None) is not None, "the new one may be lost on its way"
            ticket.confirm()
            await anyio.sleep(0.1)
            with pytest.raises(NotResumed):
                await other.elsewhere(used, None)
            assert await other.elsewhere(greeting["resume"]["token"], None) is not None
            tasks.cancel_scope.cancel()

    play(lambda: Stage("Hello.", dialect=voice_v1, grace_s=30.0), story)


def test_who_comes_back_while_the_session_is_left_to_another_node_is_told_to_come_again() -> None:
    class Leaving(MemoryStore):
        """Leaves the session as soon as it is told of the token that is offered next."""

        writes = 0

        async def write(self, key: str, value: bytes, lease_s: float, now: float) -> None:
            await super().write(key, value, lease_s, now)
            self.writes += 1
            if self.writes == 2:
                await returns.leave(returns.forget(session_id))

    store, session_id = Leaving(), ""
    returns = Returns(store, node="node_1", grace_s=30, lease_s=60, now=anyio.current_time)

    async def story(stage: Stage) -> None:
        nonlocal session_id
        session_id = stage.session.id
        ticket, dialect, second = ResumePass(), voice_v1(SessionConfig()), QueueWire()
        assert isinstance(dialect, ResumableDialect)
        await stage.wire.until("x_voices")
        shown = ticket.offer()
        async with returns.keep(stage.session, dialect, ticket, shown, None):
            with pytest.raises(NotResumed) as refused:
                await returns.attach(ResumeClaim(len(stage.wire.seen), shown), None, lambda heard: second)
            assert refused.value.close_code == TRY_AGAIN
            assert second.seen == []
            other = Returns(store, node="node_2", grace_s=30, lease_s=60, now=anyio.current_time)
            assert await other.elsewhere(shown, None) == Ticket(session_id, "", "")

    play(lambda: Stage("Hello.", dialect=voice_v1, grace_s=30.0), story)


def test_who_comes_back_twice_while_another_node_takes_the_session_is_told_to_come_again() -> None:
    class Taking(MemoryStore):
        """Another node takes the session while the token is thrown away that the first return was offered."""

        async def take(self, key: str, now: float) -> bytes | None:
            returns.forget(session_id)
            return await super().take(key, now)

    store, session_id = Taking(), ""
    returns = Returns(store, node="node_1", grace_s=30, lease_s=60, now=anyio.current_time)

    async def story(stage: Stage) -> None:
        nonlocal session_id
        session_id = stage.session.id
        ticket, dialect = ResumePass(), voice_v1(SessionConfig())
        assert isinstance(dialect, ResumableDialect)
        await stage.wire.until("x_voices")
        shown = ticket.offer()
        async with returns.keep(stage.session, dialect, ticket, shown, None):
            claim = ResumeClaim(len(stage.wire.seen), shown)
            await returns.attach(claim, None, lambda heard: QueueWire())
            with pytest.raises(NotResumed) as refused:
                await returns.attach(claim, None, lambda heard: QueueWire())
            assert refused.value.close_code == TRY_AGAIN

    play(lambda: Stage("Hello.", dialect=voice_v1, grace_s=30.0), story)


@pytest.mark.parametrize(
    "left",
    [None, b"", b"\xff\xfe", b"{", b"[]", b"null", b'{"session": 1}', b'{"session": "s", "owner": [1]}'],
)
def test_of_a_ticket_that_the_store_has_not_or_that_nobody_can_read_its_node_knows_the_session(
    left: bytes | None,
) -> None:
    async def story(stage: Stage) -> None:
        store, ticket, dialect = MemoryStore(), ResumePass(), voice_v1(SessionConfig())
        assert isinstance(dialect, ResumableDialect)
        returns, other = (
            Returns(store, node=node, grace_s=30, lease_s=60, now=anyio.current_time)
            for node in ("node_1", "node_2")
        )
        await stage.wire.until("x_voices")
        token = ticket.offer()
        async with returns.keep(stage.session, dialect, ticket, token, None):
            key = f"resume:{token_digest(token)}"
            await store.take(key, 0.0)
            if left is not None:
                await store.write(key, left, 60, anyio.current_time())
            with pytest.raises(NotResumed) as refused:
                await other.elsewhere(token, None)
            assert refused.value.close_code == NOT_RESUMED
            assert await returns.elsewhere(token, None) is None
            with pytest.raises(NotResumed):
                await returns.elsewhere("another", None)
            second = QueueWire()
            await returns.attach(ResumeClaim(len(stage.wire.seen), token), None, lambda heard: second)
            stage.wire = second
            await second.until("x_resumed")

    play(lambda: Stage("Hello.", dialect=voice_v1, grace_s=30.0), story)
