"""Holds one conversation from a terminal: the socket, the sound, and the time between them.

One task listens to the server. The other wakes every 20 ms, sends what the microphone has heard, and asks what the
loudspeaker has played. Nothing is queued but in the rings, which are bounded: when the server does not read, the
microphone's is full after two seconds, and the person is told how much was lost.
"""

import asyncio
import json
import signal
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from audio.formats import Samples
from server.client.address import named_url, unreachable
from server.client.call import Call
from server.client.captions import Captions
from server.client.keeping import SoundFile, sound_file
from server.client.keys import HELP, Key, Keys, typed
from server.client.panel import Panel
from server.client.recording import LiveRecording
from server.client.resuming import ResumingConnection
from server.client.sound import Sound
from server.dialects.voice.frames import SUBPROTOCOL as VOICE_SUBPROTOCOL
from server.dialects.voice.frames import Stream, pack_frame
from server.domain.errors import ServerError

TICK_S = 0.02
LONGEST_FRAME_S = 0.06
MOST_ORDERS = 256
"""Of what was typed and not yet sent; a line is sent within 20 ms."""

CLOSE_S = 2.0
"""How long saying good-bye may take."""

PING_S, PONG_S = 2.0, 3.0
"""The server is asked so often whether it is there, and called lost when it does not answer for so long."""

ECHO_WARNING = (
    "wear headphones: without them the agent hears, and interrupts, itself; "
    "there is no echo cancellation here, the page in the browser has it"
)


@dataclass(frozen=True, slots=True)
class Wish:
    """With whom to talk, and by what."""

    url: str
    api_key: str | None = None
    microphone: str | None = None
    speaker: str | None = None
    record: Path | None = None
    """Where both sides are written to."""


async def converse(wish: Wish, captions: Captions) -> int:
    """Talk until Ctrl-C (0), or until the server or the sound is gone (1). Raises ServerError when it cannot begin."""
    async with (
        _recorded(wish.record) as file,
        _sound(wish) as sound,
        _connection(wish, captions) as connection,
    ):
        talk = _Talk(connection, sound, captions, file)
        with (
            typed(talk.take) as is_terminal,
            anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals,
        ):
            talk.begin(is_terminal=is_terminal)
            code = 1
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(talk.listen, tasks.cancel_scope)
                tasks.start_soon(talk.speak, tasks.cancel_scope)
                await anext(signals)
                captions.end()
                tasks.cancel_scope.cancel()
                code = 0
        await talk.conclude()
    return code


class _Talk:
    """The two tasks. Whichever finds that it is over says so, and ends the other."""

    def __init__(
        self, connection: ResumingConnection, sound: Sound, captions: Captions, file: SoundFile | None
    ) -> None:
        self._connection = connection
        self._sound = sound
        self._captions = captions
        self._call = Call(sound.playing, captions)
        self._now = asyncio.get_running_loop().time
        self._sent_samples = 0
        sound.captured.skip_to(sound.captured.written)  # what was said while there was no server
        self._told_lost_samples = sound.lost_samples
        self._panel = Panel()
        self._keys = Keys(is_terminal=False)
        self._orders: deque[Mapping[str, object]] = deque(maxlen=MOST_ORDERS)
        """Events that keys and typed lines have made, until they are sent."""
        self._recorder = None if file is None else LiveRecording(file, sound)

    def begin(self, *, is_terminal: bool) -> None:
        """Say what there is."""
        sound, captions = self._sound, self._captions
        self._keys = Keys(is_terminal=is_terminal)
        captions.note(f"microphone: {sound.microphone.name}, loudspeaker: {sound.speaker.name}; Ctrl-C ends")
        captions.note(ECHO_WARNING)
        if is_terminal:
            captions.note(HELP)

    def take(self, text: str) -> None:
        """Something was typed."""
        for typed_now in self._keys.feed(text):
            match typed_now:
                case Key.MUTE:
                    self._panel.is_muted = not self._panel.is_muted
                case Key.INTERRUPT:
                    self._orders.append({"type": "output_audio_buffer.clear"})
                case Key.HELP:
                    self._captions.note(HELP)
                case str():
                    self._captions.stays("you", typed_now)
                    content = [{"type": "input_text", "text": typed_now}]
                    item = {"type": "message", "role": "user", "content": content}
                    clear = {"type": "output_audio_buffer.clear"}
                    add = {"type": "conversation.item.create", "item": item}
                    self._orders.extend((clear, add, {"type": "response.create"}))
        if self._keys.typing:
            self._captions.changes("you", self._keys.typing)

    async def listen(self, over: anyio.CancelScope) -> None:
        """Take what the server says, until it closes."""
        with suppress(ConnectionClosed):
            async for message in self._connection:
                if isinstance(message, bytes):
                    self._call.hear(message)
                else:
                    event = json.loads(message)
                    self._call.obey(event)
                    self._panel.note(event)
        code, reason = self._connection.socket.close_code, self._connection.socket.close_reason
        self._captions.note(f"the server has closed: {code} {reason or ''}".rstrip())
        over.cancel()

    async def speak(self, over: anyio.CancelScope) -> None:
        """Send the microphone and the reports, until the sound is gone."""
        block = np.zeros(int(self._sound.microphone.rate_hz * LONGEST_FRAME_S), np.int16)
        with suppress(ConnectionClosed):  # which the listener tells
            await self._send(_session(self._sound))
            while self._sound.is_running:
                while count := self._sound.captured.take(block):
                    said = self._panel.heard(block[:count])
                    if self._recorder is not None:
                        self._recorder.person(said)
                    await self._send_audio(said)
                if self._recorder is not None:
                    await self._recorder.write()
                while self._orders:
                    await self._send(self._orders.popleft())
                report = self._call.move(self._now())
                if report is not None:
                    await self._send(report)
                self._tell_lost()
                if not self._keys.typing and self._panel.is_due(self._now()):
                    self._captions.status(self._panel.line)
                await anyio.sleep(TICK_S)
            self._captions.note("the microphone or the loudspeaker is gone")
            over.cancel()

    async def conclude(self) -> None:
        """Keep what is to be kept."""
        if self._recorder is not None:
            await self._recorder.write(all_of_it=True)

    async def _send(self, event: Mapping[str, object]) -> None:
        await self._connection.send(json.dumps(event))

    async def _send_audio(self, samples: Samples) -> None:
        data = samples.astype("<i2").tobytes()
        await self._connection.send(pack_frame(Stream.MICROPHONE, 0, self._sent_samples, data))
        self._sent_samples += len(samples)

    def _tell_lost(self) -> None:
        """Say what the server will not have heard, once it can be sent again."""
        lost = self._sound.lost_samples - self._told_lost_samples
        if lost:
            self._told_lost_samples += lost
            self._captions.note(
                f"{lost / self._sound.microphone.rate_hz:.1f} s of the microphone were lost: the server did not read"
            )


def _session(sound: Sound) -> Mapping[str, object]:
    """What the server is to know before the first sample."""

    def pcm(rate_hz: int) -> Mapping[str, object]:
        return {"type": "audio/pcm", "rate": rate_hz}

    return {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "audio": {
                "input": {"format": pcm(sound.microphone.rate_hz), "transcription": {"model": "default"}},
                "output": {"format": pcm(sound.speaker.rate_hz)},
            },
        },
    }


@asynccontextmanager
async def _recorded(path: Path | None) -> AsyncIterator[SoundFile | None]:
    """The file for both sides, if there is to be one."""
    if path is None:
        yield None
        return
    async with sound_file("--record", path, LiveRecording.RATE_HZ, 2) as file:
        yield file


@asynccontextmanager
async def _sound(wish: Wish) -> AsyncIterator[Sound]:
    """The open devices."""
    now = asyncio.get_running_loop().time  # and not anyio's: PortAudio's threads ask for it too
    sound = await anyio.to_thread.run_sync(Sound.open, wish.microphone, wish.speaker, now)
    try:
        yield sound
    finally:
        with anyio.CancelScope(shield=True):  # PortAudio bounds it: it throws away what it has
            await anyio.to_thread.run_sync(sound.close)


@asynccontextmanager
async def _connection(wish: Wish, captions: Captions) -> AsyncIterator[ResumingConnection]:
    """The open session, which comes back by itself when the line is lost, and says so."""
    url = named_url(wish.url)
    headers = {"Authorization": f"Bearer {wish.api_key}"} if wish.api_key else None

    async def reach(offers: Sequence[str]) -> ClientConnection:
        return await connect(
            url,
            additional_headers=headers,
            subprotocols=[Subprotocol(offer) for offer in (VOICE_SUBPROTOCOL, *offers)],
            compression=None,
            close_timeout=CLOSE_S,
            ping_interval=PING_S,
            ping_timeout=PONG_S,
        )

    def tell(return_s: float | None) -> None:
        if return_s is None:
            captions.note("the line was lost: taking the conversation up again; nothing you say is lost")
        else:
            captions.note("the line is back")

    try:
        socket = await reach(())
    except (OSError, WebSocketException) as error:
        raise unreachable(wish.url, error) from error
    connection = ResumingConnection(socket, reach, tell)
    try:
        if socket.subprotocol != VOICE_SUBPROTOCOL:
            raise ServerError(f"the server at {wish.url} does not speak {VOICE_SUBPROTOCOL}")
        yield connection
    finally:
        with anyio.CancelScope(shield=True):
            await connection.close()
