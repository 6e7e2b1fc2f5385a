"""One call over its socket: it speaks when the metronome ticks, and hears what comes at once.

A frame is due by the call's own clock, however late the loop is: what is measured is counted from when the sample was
to be spoken.
"""

import asyncio

from server.client.load.calls.call_end import cut_if_wished, frames_due, line_ended, script_ended
from server.client.load.calls.caller import Caller
from server.client.load.calls.caller_connection import MASK_BYTES, CallerConnection, FrameMasks
from server.client.load.calls.clock import now
from server.client.load.calls.line_works import LineWorks
from server.client.load.calls.metronome import Metronome
from server.client.load.calls.run import Run
from server.client.load.hearing.mouth import FRAME_S
from server.client.load.wire import Spoken, Wire

BURST = 10
"""Frames that a caller who is late sends in one turn."""


class Talk:
    """One call, which ends with its connection. Nothing of it runs but while `hold` does."""

    def __init__(
        self,
        connection: CallerConnection,
        caller: Caller,
        run: Run,
        metronome: Metronome,
        masks: FrameMasks,
    ) -> None:
        self._connection = connection
        self._caller = caller
        self._run = run
        self._metronome = metronome
        self._masks = masks
        self._works = LineWorks(caller.line)
        self._zero_s = metronome.beat_s()
        self._free_s = 0.0
        """Since when the server takes what is sent."""
        self._unsent = b""
        self._unsent_due_s: list[float] = []
        """Since when each frame of what is unsent could have been sent."""
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def hold(self) -> None:
        """Until the script has ended, or the connection has."""
        self._connection.listen(self._hear, self._line_ended)
        self._metronome.add(self._zero_s + self._caller.due_s(), self)
        try:
            await self._over
        finally:
            self._over.cancel()
            self._works.leave()
            self._run.due_frames += frames_due(self._caller, now() - self._zero_s)
        cut_if_wished(self._caller, self._connection)

    async def close(self) -> None:
        """Say good-bye; a server that does not answer is left."""
        try:
            await self._connection.close()
        finally:
            self._connection.transport.abort()

    def tick(self) -> float | None:
        """The metronome's: make what is due."""
        if self._over.done():
            return None
        try:
            return self._catch_up(now())
        except Exception as error:  # noqa: BLE001  # whoever holds the call gets it
            self._over.set_exception(error)
            return None

    def send(self) -> None:
        """The metronome's: send it."""
        unsent, self._unsent = self._unsent, b""
        if unsent:
            self._connection.send_masked(unsent)
        at_s = now()
        for due_s in self._unsent_due_s:
            self._run.late.add(at_s - due_s)
        self._unsent_due_s.clear()

    def _catch_up(self, at_s: float) -> float | None:
        """Make what is due, and tell when the next is. Who is late sends some frames at once, as a microphone does, but
        starves nobody."""
        caller, due_s = self._caller, self._zero_s + self._caller.due_s()
        for _ in range(BURST):
            if self._connection.paused:
                self._free_s = at_s  # a server that does not read is no fault of ours
                return at_s + FRAME_S
            self._unsent_due_s.append(due_s if due_s > self._free_s else self._free_s)
            self._unsent += self._frames(caller.speak(), due_s - self._zero_s + FRAME_S)
            if caller.is_done:
                script_ended(caller)
                self._over.set_result(None)
                return None
            if (due_s := due_s + FRAME_S) > at_s:
                break
        return due_s

    def _frames(self, spoken: Spoken, now_s: float) -> bytes:
        masks = self._masks
        if self._works.is_wanted(now_s) or len(spoken.header) % MASK_BYTES:
            messages = self._works.over(spoken.messages(), now_s, self._connection.transport)
            return b"".join(map(masks.once, messages))
        frames = masks.frame(spoken.header, spoken.prepared)
        if spoken.before or spoken.after:
            frames = b"".join([*map(masks.once, spoken.before), frames, *map(masks.once, spoken.after)])
        return frames

    def _hear(self, message: Wire) -> None:
        if self._over.done():
            return
        try:
            self._caller.take(message, now() - self._zero_s)
        except Exception as error:  # noqa: BLE001  # whoever holds the call gets it
            self._over.set_exception(error)

    def _line_ended(self) -> None:
        if not self._over.done():
            line_ended(self._caller, self._connection)
            self._over.set_result(None)
