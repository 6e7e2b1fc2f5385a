"""Holds one conversation from a terminal: the socket, the sound, and the time between them.

One task listens to the server. Another wakes every 20 ms, takes what the microphone has heard, and asks what the
loudspeaker has played; a third sends, so that the sound never waits for the line. What waits is bounded: when there is
no room for more, the microphone's ring is full after two seconds, and the person is told how much was lost.
"""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Subprotocol

from audio.formats import Samples
from server.client.address import named_url, unreachable
from server.client.call import Call
from server.client.captions import Captions
from server.client.echo import EchoCanceller
from server.client.farewell import farewell
from server.client.intake import MicrophoneIntake
from server.client.keeping import SoundFile, sound_file
from server.client.keys import HELP, TYPING_HELP, Key, Keys, typed
from server.client.outgoing import Frame, Outgoing
from server.client.panel import Panel
from server.client.recording import LiveRecording
from server.client.resuming import ResumingConnection
from server.client.sound import Sound
from server.dialects.voice.frames import SUBPROTOCOL as VOICE_SUBPROTOCOL
from server.dialects.voice.frames import Stream, pack_frame
from server.domain.errors import ServerError

TICK_S = 0.02

CLOSE_S = 2.0
"""How long saying good-bye may take."""

PING_S, PONG_S = 2.0, 3.0
"""The server is asked so often whether it is there, and called lost when it does not answer, or takes nothing, for so
long."""

ECHO_WARNING = (
    "wear headphones: without them the agent hears, and interrupts, itself; echo cancellation needs the package "
    "pywebrtc-audio, which is in `pip install 'stageflow-voice[mic]'`"
)


@dataclass(frozen=True, slots=True)
class TalkPlan:
    """With whom to talk, and by what."""

    url: str
    api_key: str | None = None
    microphone: str | None = None
    speaker: str | None = None
    record: Path | None = None
    """Where both sides are written to."""
    headphones: bool = False
    """Whether the microphone cannot hear the loudspeaker."""


async def converse(wish: TalkPlan, captions: Captions) -> int:
    """Talk until Ctrl-C (0), or until the server or the sound is gone (1). Raises ServerError when it cannot begin."""
    async with (
        _recorded(wish.record) as file,
        _sound(wish) as sound,
        _connection(wish, captions) as connection,
    ):
        talk = _Talk(connection, sound, captions, file, hears_itself=not wish.headphones)
        with (
            typed(talk.take) as is_terminal,
            anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals,
        ):
            talk.begin(is_terminal=is_terminal)
            code = 1
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(talk.listen, tasks.cancel_scope)
                tasks.start_soon(talk.hear, tasks.cancel_scope)
                tasks.start_soon(talk.send)
                await anext(signals)
                captions.end()
                tasks.cancel_scope.cancel()
                code = 0
        await talk.conclude()
    return code


class _Talk:
    """The three tasks. Whichever finds that it is over says so, and ends the others."""

    def __init__(
        self,
        connection: ResumingConnection,
        sound: Sound,
        captions: Captions,
        file: SoundFile | None,
        *,
        hears_itself: bool,
    ) -> None:
        self._connection = connection
        self._sound = sound
        self._captions = captions
        self._call = Call(sound.playing, captions)
        self._now = asyncio.get_running_loop().time
        self._sent_samples = 0
        self._panel = Panel()
        self._keys = Keys(is_terminal=False)
        self._outgoing = Outgoing(self._send)
        rates_hz = (sound.microphone.rate_hz, sound.speaker.rate_hz)
        canceller = EchoCanceller.installed(*rates_hz) if hears_itself else None
        if hears_itself and canceller is None:
            self._echo = ECHO_WARNING
        else:
            self._echo = "echo is cancelled" if hears_itself else "nothing is done about echo"
        said_hz = rates_hz[0] if canceller is None else canceller.RATE_HZ
        self._recorder = None if file is None else LiveRecording(file, said_hz, rates_hz[1])
        self._intake = MicrophoneIntake(sound, self._panel, canceller, self._recorder)

    def begin(self, *, is_terminal: bool) -> None:
        """Print which microphone, loudspeaker and keys there are."""
        sound, captions = self._sound, self._captions
        self._keys = Keys(is_terminal=is_terminal)
        captions.note(f"microphone: {sound.microphone.name}, loudspeaker: {sound.speaker.name}; Ctrl-C ends")
        captions.note(self._echo)
        if is_terminal:
            captions.note(HELP)
        self._put(_session(self._intake.rate_hz, sound.speaker.rate_hz))

    def take(self, text: str) -> None:
        """Obey a key, or send a line that was typed."""
        for typed_now in self._keys.feed(text):
            match typed_now:
                case Key.MUTE:
                    self._panel.is_muted = not self._panel.is_muted
                case Key.INTERRUPT:
                    self._put({"type": "output_audio_buffer.clear"})
                case Key.HELP:
                    self._captions.note(HELP)
                case str():
                    self._write(typed_now)
        if self._keys.is_typing:
            self._captions.types(self._keys.typing or TYPING_HELP)

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
        self._captions.note(farewell(code, reason))
        over.cancel()

    async def hear(self, over: anyio.CancelScope) -> None:
        """Take what the microphone hears and report what was played, until the sound is gone."""
        while self._sound.is_running:
            self._intake.follow()
            if self._outgoing.has_room:
                for said in self._intake.frames():
                    self._put_audio(said)
                if lost_s := self._intake.lost_s():
                    self._captions.note(
                        f"{lost_s:.1f} s of the microphone were lost: the server did not read"
                    )
                report = self._call.move(self._now())
                if report is not None:
                    self._put(report)
            if self._recorder is not None:
                await self._recorder.write()
            if not self._keys.is_typing and self._panel.is_due(self._now()):
                self._captions.status(self._panel.line)
            await anyio.sleep(TICK_S)
        self._captions.note("the microphone or the loudspeaker is gone")
        over.cancel()

    async def send(self) -> None:
        """Send what is to be sent, until the session is over."""
        with suppress(ConnectionClosed):  # which the listener tells
            await self._outgoing.run()

    async def conclude(self) -> None:
        """Keep what is to be kept."""
        if self._recorder is not None:
            await self._recorder.write(all_of_it=True)

    def _write(self, text: str) -> None:
        """A line was typed: it is the person's turn."""
        if not self._outgoing.has_room:
            self._captions.note(f"not sent, since the server does not read: {text}")
            return
        self._captions.stays("you", text)
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        self._put({"type": "output_audio_buffer.clear"})
        self._put({"type": "conversation.item.create", "item": item})
        self._put({"type": "response.create"})

    def _put(self, event: Mapping[str, object]) -> None:
        self._outgoing.put(json.dumps(event))

    def _put_audio(self, samples: Samples) -> None:
        data = samples.astype("<i2").tobytes()
        self._outgoing.put(pack_frame(Stream.MICROPHONE, 0, self._sent_samples, data))
        self._sent_samples += len(samples)

    async def _send(self, frame: Frame) -> None:
        """To a line that takes nothing for too long it is as good as lost, which brings another."""
        with anyio.move_on_after(PONG_S) as patience:
            await self._connection.send(frame)
        if patience.cancelled_caught:
            self._connection.socket.transport.abort()


def _session(microphone_hz: int, speaker_hz: int) -> Mapping[str, object]:
    """What the server is to know before the first sample."""

    def pcm(rate_hz: int) -> Mapping[str, object]:
        return {"type": "audio/pcm", "rate": rate_hz}

    return {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "audio": {
                "input": {"format": pcm(microphone_hz), "transcription": {"model": "default"}},
                "output": {"format": pcm(speaker_hz)},
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
async def _sound(wish: TalkPlan) -> AsyncIterator[Sound]:
    """The open devices."""
    now = asyncio.get_running_loop().time  # and not anyio's: PortAudio's threads ask for it too
    sound = await anyio.to_thread.run_sync(Sound.open, wish.microphone, wish.speaker, now)
    try:
        yield sound
    finally:
        with anyio.CancelScope(shield=True):  # PortAudio bounds it: it throws away what it has
            await anyio.to_thread.run_sync(sound.close)


@asynccontextmanager
async def _connection(wish: TalkPlan, captions: Captions) -> AsyncIterator[ResumingConnection]:
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
