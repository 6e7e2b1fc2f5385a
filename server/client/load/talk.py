"""One call over its socket: a task that speaks at the sample clock, and one that listens.

A frame is due by the call's own clock, however late the loop is: what is measured is counted from when the sample was
to be spoken.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import anyio
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from server.client.load.caller import Caller
from server.client.load.clock import now
from server.client.load.mouth import FRAME_S
from server.client.load.performance import Wish
from server.client.load.place import Place
from server.client.load.run import Run
from server.client.load.turns import Ending
from server.client.load.wire import Wire
from server.client.resuming import ResumingConnection

BURST = 10
"""Frames that a caller who is late sends without a pause."""

_ENDINGS = {Wish.TALK: Ending.DONE, Wish.HANG_UP: Ending.HUNG_UP, Wish.CUT: Ending.CUT}


class Talk:
    """One call's two tasks."""

    def __init__(
        self, connection: ClientConnection, place: Place, caller: Caller, run: Run, *, comes_back: bool
    ) -> None:
        """Where the caller `comes_back`, the session goes on over another connection when this one is lost."""
        self._place = place
        self._caller = caller
        self._run = run
        self._zero_s = now()
        self._away_until_s = 0.0
        self._held: list[Wire] = []
        """What was said while the line carried nothing."""
        self._resuming = (
            ResumingConnection(connection, self._connect_again, self._line_changed) if comes_back else None
        )
        self._connection: ClientConnection | ResumingConnection = self._resuming or connection
        self._first = connection

    @property
    def _socket(self) -> ClientConnection:
        return self._first if self._resuming is None else self._resuming.socket

    async def hold(self) -> None:
        """Until the script has ended, or the connection has."""
        caller, began_s = self._caller, self._zero_s
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen, tasks.cancel_scope)
                with suppress(ConnectionClosed):  # which the listener tells
                    await self._speak()
                    tasks.cancel_scope.cancel()
        finally:
            self._run.due_frames += int((now() - began_s) / FRAME_S)
        if caller.wish is Wish.CUT:
            self._socket.transport.abort()

    async def close(self) -> None:
        """Say good-bye."""
        await self._connection.close()

    async def _speak(self) -> None:
        caller, free_s = self._caller, self._zero_s
        at_once = 0
        while not caller.is_done:
            due_s = self._zero_s + caller.due_s()
            wait_s = due_s - now()
            # Who is late catches up, as a microphone does, but starves nobody; asyncio's own pause costs the least.
            if wait_s > 0 or at_once == BURST:
                at_once = 0
                await asyncio.sleep(max(0.0, wait_s))
            at_once += 1
            self._run.late.add(now() - max(due_s, free_s))
            for message in self._over_the_line(caller.tick()):
                if not self._send_at_once(message):
                    await self._connection.send(message)
            free_s = now()  # a server that does not read is no fault of ours
        caller.record.ending = _ENDINGS[caller.wish]

    def _send_at_once(self, message: Wire) -> bool:
        """Write a message without waiting, where the socket takes it; waiting for it costs more than writing."""
        socket = self._first
        if (
            self._resuming is not None
            or socket.state is not State.OPEN
            or socket.transport.get_write_buffer_size()
        ):
            return False
        if isinstance(message, str):
            socket.protocol.send_text(message.encode())
        else:
            socket.protocol.send_binary(message)
        socket.transport.write(b"".join(socket.protocol.data_to_send()))
        return True

    def _over_the_line(self, messages: Sequence[Wire]) -> Sequence[Wire]:
        """What is to be sent of these now, after doing to the line what the script wants."""
        line, now_s = self._caller.line, self._caller.due_s()
        if (away_s := line.take_cut()) is not None:
            self._away_until_s = now() + away_s
            self._socket.transport.abort()
        if now_s < line.dead_until_s:
            self._held.extend(messages)
            if not self._socket.transport.is_closing():
                self._socket.transport.pause_reading()
            return ()
        if self._held:
            messages, self._held = [*self._held, *messages], []
            if not self._socket.transport.is_closing():
                self._socket.transport.resume_reading()
        return messages

    def _line_changed(self, return_s: float | None) -> None:
        """The time for which the script wants the caller to be away is none of coming back."""
        tried_s = now() - self._away_until_s
        self._caller.line.changed(None if return_s is None else min(return_s, tried_s))

    async def _connect_again(self, also: Sequence[str]) -> ClientConnection:
        await anyio.sleep_until(self._away_until_s)
        return await self._place.connect(also)

    async def _listen(self, call: anyio.CancelScope) -> None:
        caller, record = self._caller, self._caller.record
        with suppress(ConnectionClosed):
            async for message in self._connection:
                caller.take(message, now() - self._zero_s)
                if (pause_s := self._zero_s + caller.line.reads_from_s - now()) > 0:
                    await anyio.sleep(pause_s)
        if not caller.is_done:
            record.ending = Ending.CUT if caller.line_ended() else Ending.LOST
            code, reason = self._socket.close_code, self._socket.close_reason
            record.why = f"closed by the server with {code} {reason or ''}".rstrip()
        call.cancel()
