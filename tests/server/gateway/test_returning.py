"""Of several that come for one session at once, one has it."""

import json

import anyio

from server.cluster.store import MemoryStore
from server.gateway.returning import TRY_AGAIN, NotResumed, Returns
from server.session.resumption import token_digest
from stages.testing.virtual_time import run_virtual

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
