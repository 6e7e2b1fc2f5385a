"""The reference agent behind a socket of this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from server.client.load.calls.clock import now
from server.client.load.reference.agent import Conduct, ReferenceAgent
from server.client.load.targets import VOICE

CLOSE_S = 0.3
"""A caller that does not say good-bye too is left after so long."""

_NO_SUCH_SESSION = 4404
_RESUME = "x-resume."


@asynccontextmanager
async def reference_server(
    conduct: Conduct, *, patience_s: float | None = None, late_s: list[float] | None = None
) -> AsyncIterator[str]:
    """Gives its address. A caller from whom nothing comes for `patience_s` is closed. Only the session that lost its
    connection last can be resumed. How late each of its messages was sent by itself is added to `late_s`."""
    lost: list[ReferenceAgent] = []

    async def hold(connection: ServerConnection) -> None:
        offers = connection.request.headers.get("Sec-WebSocket-Protocol", "") if connection.request else ""
        wanted = [offer for offer in offers.split(", ") if offer.startswith(_RESUME)]
        if wanted and not lost:
            await connection.close(_NO_SUCH_SESSION, "there is no such session")
            return
        agent = lost.pop() if wanted else ReferenceAgent(conduct)
        with suppress(ConnectionClosed):
            for message in agent.resume(int(wanted[0].split(".")[1])) if wanted else ():
                await connection.send(message)
            async with anyio.create_task_group() as tasks:
                session = _Session(connection, agent, patience_s, [] if late_s is None else late_s)
                tasks.start_soon(session.speak)
                await session.listen()
                tasks.cancel_scope.cancel()
        if conduct.resumes:
            lost.append(agent)

    async with serve(
        hold, "127.0.0.1", 0, compression=None, subprotocols=[Subprotocol(VOICE)], close_timeout=CLOSE_S
    ) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"


class _Session:
    """One agent on one connection."""

    def __init__(
        self,
        connection: ServerConnection,
        agent: ReferenceAgent,
        patience_s: float | None,
        late_s: list[float],
    ) -> None:
        self._connection = connection
        self._agent = agent
        self._patience_s = patience_s
        self._late_s = late_s
        self._changed = anyio.Event()

    async def speak(self) -> None:
        """Say what is due, until the connection is closed."""
        with suppress(ConnectionClosed):  # which the listener finds too
            while not self._agent.hangs_up:
                self._changed = anyio.Event()
                due_s = self._agent.due_s()
                with anyio.CancelScope(deadline=due_s if due_s is not None else float("inf")):
                    await self._changed.wait()
                due_s, at_s = self._agent.due_s(), now()
                if due_s is not None and due_s <= at_s:
                    self._late_s.append(at_s - due_s)
                for message in self._agent.send(at_s):
                    await self._connection.send(message)
            await self._connection.close(1011, "the agent has hung up")

    async def listen(self) -> None:
        """Hear the caller, until the connection is closed."""
        with suppress(ConnectionClosed):
            await self._listen()

    async def _listen(self) -> None:
        while True:
            with anyio.move_on_after(self._patience_s):
                message = await self._connection.recv()
                before = self._agent.due_s()
                self._agent.take(message, now())
                if self._agent.due_s() != before:
                    self._changed.set()
                continue
            await self._connection.close(1011, "nothing has come")
