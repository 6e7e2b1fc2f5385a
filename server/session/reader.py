"""The reader of a session: frames into commands, obeyed at once; and audio, heard no faster than its pace allows.

It never waits for the socket, nor for a stage, so that a client that has stopped reading can still interrupt.
"""

import asyncio

from server.domain import commands as cmd
from server.domain.errors import ClientError
from server.domain.wire import Dialect
from server.output.writer import Writer
from server.session.allowance import Allowance
from server.session.audio_pace import AudioPace, bytes_per_s, slices
from server.session.base import SessionBase
from server.session.key_quota import AudioAccount, KeyQuota
from server.session.lifetime import Lifetime
from server.session.listening import Listening
from server.session.orders import Orders
from server.session.prompt_ear import PromptEar

FRAMES_A_TURN = 16
"""Frames that are obeyed, at most, before it is the turn of the others."""

LARGE_FRAME = 64 << 10
"""Bytes or characters of a frame that is worth a turn of the loop of its own: it takes milliseconds to read."""


class Reader:
    """Reads what one client sends."""

    def __init__(
        self,
        base: SessionBase,
        dialect: Dialect,
        listening: Listening,
        orders: Orders,
        writer: Writer,
        lifetime: Lifetime,
        quota: KeyQuota,
    ) -> None:
        limits = base.services.limits
        self._at: str | bytes | None = None
        """The frame that was received and has not been obeyed yet."""
        self._base = base
        self._dialect = dialect
        self._orders = orders
        self._writer = writer
        self._lifetime = lifetime
        self._quota = quota
        self._bought = AudioAccount(quota.spend_audio)
        self._pace = AudioPace(limits.max_audio_ahead_s, limits.max_audio_speed, base.now())
        self._allowance = Allowance(limits.max_responses_per_min, limits.max_output_bytes_per_min)
        self._ear = PromptEar(base, dialect, listening, orders, lifetime, self._bought, self._pace)

    async def run(self) -> None:
        """Read until the client is gone. Cancel-safe.

        Between a binary frame and its decoding nothing is waited for: a client that comes back over another connection
        meanwhile would be told of less microphone than has come, and say that frame twice.
        """
        ear, link, frames = self._ear, self._base.link, 0
        while True:
            self._at = None
            frames += 1
            if not frames % FRAMES_A_TURN:
                await asyncio.sleep(0)  # `receive` does not wait while there are frames
            if link.wire is not ear.wire:
                ear.listen_at(link.wire)
            self._at = frame = await link.receive()
            if ear.failure is not None:
                raise ear.failure
            if frame is None:
                return
            try:
                data = ear.usual_audio(frame) if len(frame) <= LARGE_FRAME else None  # the hot path first
                if data is None:
                    await self._obey(frame)
                elif not ear.hear_if_free(data):
                    await self._hear(cmd.AppendAudio(data))
            except ClientError as error:
                self._orders.complain(error)

    async def _obey(self, frame: str | bytes) -> None:
        self._lifetime.heard(self._base.now())
        is_large = len(frame) > LARGE_FRAME
        if is_large and isinstance(frame, str):
            await asyncio.sleep(0)  # it took its time to be put together
        command = self._dialect.decode(frame)
        if is_large:
            await asyncio.sleep(0)
        if isinstance(command, cmd.AppendAudio):
            await self._hear(command)
        else:
            await self._allow(command)
            self._orders.obey(command)

    @property
    def is_busy(self) -> bool:
        """Whether there is a frame that was received and has not been obeyed yet."""
        return self._at is not None

    @property
    def is_at_event(self) -> bool:
        """The same for an event."""
        return isinstance(self._at, str)

    async def _allow(self, command: cmd.Order | cmd.Noted) -> None:
        order = command.command if isinstance(command, cmd.Noted) else command
        try:
            self._allowance.check(order, self._writer.sent_bytes, self._base.now())
            if isinstance(order, cmd.CreateResponse):
                await self._quota.check_response()
            if clips := cmd.clips_of(order):
                await self._bought.buy_clips(sum(clip.duration_s for clip in clips))
        except ClientError as error:
            error.ref = error.ref or command.ref
            raise

    async def _hear(self, command: cmd.AppendAudio) -> None:
        """Hear it slice by slice, no faster than the pace allows; see `server.session.audio_pace`."""
        if command.problem is not None:
            self._orders.complain(command.problem)
        config = self._base.config.current
        format, is_detected = config.input_format, config.turn_detection is not None
        second_bytes = bytes_per_s(format)
        try:
            for piece in slices(command.data, format):
                audio_s = len(piece) / second_bytes
                if not self._bought.covers(audio_s) and not await self._buy(audio_s):
                    piece = format.silence(len(piece))
                now = self._base.now()
                if self._pace.is_ahead(now):
                    async with self._base.services.bulk_hearing:
                        now = self._base.now()
                        self._ear.hear(piece, now)
                else:
                    self._ear.hear(piece, now)
                wait_s = self._pace.heard(audio_s, now, is_detected=is_detected)
                if wait_s is not None:
                    await asyncio.sleep(wait_s)  # anyio's takes three times as long, ten times a second
        except ClientError as error:
            error.ref = error.ref or command.ref
            raise

    async def _buy(self, audio_s: float) -> bool:
        try:
            return await self._bought.buy(audio_s, self._base.now())
        except ClientError as error:
            self._orders.complain(error)
            return False
