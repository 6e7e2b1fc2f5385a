"""One call that goes on over another socket when its line is lost: a task that speaks, and one that listens."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import anyio
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from server.client.load.calls.call_end import cut_if_wished, frames_due, line_ended, script_ended
from server.client.load.calls.caller import Caller
from server.client.load.calls.clock import now
from server.client.load.calls.line_works import LineWorks
from server.client.load.calls.place import Place
from server.client.load.calls.run import Run
from server.client.load.calls.talk import BURST
from server.client.resuming import ResumingConnection


class ReturningTalk:
    """One call's two tasks. The scripts that want it are few, and it costs more than a `Talk`."""

    def __init__(self, connection: ClientConnection, place: Place, caller: Caller, run: Run) -> None:
        self._place = place
        self._caller = caller
        self._run = run
        self._zero_s = now()
        self._works = LineWorks(caller.line)
        self._connection = ResumingConnection(connection, self._connect_again, self._line_changed)

    async def hold(self) -> None:
        """Until the script has ended, or the session has."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen, tasks.cancel_scope)
                with suppress(ConnectionClosed):  # which the listener tells
                    await self._speak()
                    tasks.cancel_scope.cancel()
        finally:
            self._works.leave()
            self._run.due_frames += frames_due(self._caller, now() - self._zero_s)
        cut_if_wished(self._caller, self._connection.socket)

    async def close(self) -> None:
        """Say good-bye."""
        await self._connection.close()

    async def _speak(self) -> None:
        caller, free_s = self._caller, self._zero_s
        at_once = 0
        while not caller.is_done:
            due_s = self._zero_s + caller.due_s()
            wait_s = due_s - now()
            # Who is late catches up, as a microphone does, but starves nobody.
            if wait_s > 0 or at_once == BURST:
                at_once = 0
                await asyncio.sleep(max(0.0, wait_s))
            at_once += 1
            self._run.late.add(now() - max(due_s, free_s))
            messages = caller.speak().messages()
            for message in self._works.over(messages, caller.due_s(), self._connection.socket.transport):
                await self._connection.send(message)
            free_s = now()  # a server that does not read is no fault of ours
        script_ended(caller)

    async def _listen(self, call: anyio.CancelScope) -> None:
        with suppress(ConnectionClosed):
            async for message in self._connection:
                self._caller.take(message, now() - self._zero_s)
        line_ended(self._caller, self._connection.socket)
        call.cancel()

    def _line_changed(self, return_s: float | None) -> None:
        """The time for which the script wants the caller to be away is none of coming back."""
        tried_s = now() - self._works.away_until_s
        self._caller.line.changed(None if return_s is None else min(return_s, tried_s))

    async def _connect_again(self, also: Sequence[str]) -> ClientConnection:
        await anyio.sleep_until(self._works.away_until_s)
        return await self._place.connect(also)
