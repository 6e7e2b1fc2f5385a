"""A conversation without a microphone: a recording is played to the server in real time, or lines are typed to it."""

import argparse
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread
from websockets.exceptions import ConnectionClosed, WebSocketException

from audio.errors import AudioFileError
from audio.files import read_audio
from audio.formats import Samples
from audio.resample import Resampler
from server.client.address import unreachable
from server.client.client import FRAME_MS, WIRE_HZ, RealtimeClient
from server.client.exchange import Exchange
from server.client.keeping import BothSides, SoundFile, check_place, write_transcript
from server.client.printing import Printer
from server.client.waterfall import AUDIO, DONE, Turn, interruption, turns_of, voiced_s, written_turns
from server.domain.errors import ServerError

STARTED = "input_audio_buffer.speech_started"

SETTLE_S = 1.0
"""Silence after the recording, before it can be said that all is answered: the server may not have noticed its end."""


@dataclass(slots=True)
class Speech:
    """A recording that is said, and when it was."""

    samples: Samples
    rate_hz: int
    barge_in_after_ms: int | None
    voiced_s: list[tuple[float, float]]
    """Where voice begins and ends in the samples."""
    interrupts: anyio.Event = field(default_factory=anyio.Event)
    """Set when it is time to interrupt the answer."""
    ends_s: list[float] = field(default_factory=list)
    """When the last sample of each stretch of voice had been sent."""
    interrupted_at_s: float | None = None
    """When the first voiced sample of the interruption was sent."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is said, to whom, and what is kept of it."""

    url: str
    api_key: str | None
    speech: Speech | None
    """None: `texts` are typed."""
    texts: Sequence[str]
    timeout_s: float
    max_wait_ms: int | None
    as_json: bool
    out: Path | None
    record: Path | None
    transcript: Path | None

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "Plan":
        """As the command line has it. Blocks to read the recording. Raises ServerError."""
        for option in ("out", "record", "transcript"):
            if (path := getattr(arguments, option)) is not None:
                check_place(f"--{option}", path)
        return cls(
            arguments.url,
            arguments.api_key,
            None if arguments.audio is None else _read(arguments.audio, arguments.barge_in_after),
            arguments.text or (),
            arguments.timeout,
            arguments.max_wait,
            arguments.json,
            arguments.out,
            arguments.record,
            arguments.transcript,
        )


def _read(path: Path, barge_in_after_ms: int | None) -> Speech:
    try:
        samples, rate_hz = read_audio(path)
    except AudioFileError as error:
        raise ServerError(
            f"{str(error).rstrip('.')}; name a recording, such as a WAV, FLAC, Ogg or MP3 file"
        ) from error
    return Speech(samples, rate_hz, barge_in_after_ms, voiced_s(samples, rate_hz))


async def hold(plan: Plan, write: Callable[[str], object]) -> int:
    """Hold the conversation: 0 when all was answered aloud and in time. `write` gets each line that is to be printed.

    Raises ServerError when it cannot begin.
    """
    async with AsyncExitStack() as stack:
        out = None
        if plan.out is not None:
            out = await stack.enter_async_context(_sound_file("--out", plan.out, 1))
        try:
            client = await stack.enter_async_context(RealtimeClient(plan.url, api_key=plan.api_key))
        except (OSError, WebSocketException) as error:
            raise unreachable(plan.url, error) from error
        talk = _Talk(plan, client, Printer(write, as_json=plan.as_json), out)
        is_open = await talk.hold()
    return 0 if await talk.conclude() and is_open else 1


@asynccontextmanager
async def _sound_file(option: str, path: Path, channels: int) -> AsyncIterator[SoundFile]:
    file = await anyio.to_thread.run_sync(SoundFile, option, path, WIRE_HZ, channels)
    try:
        yield file
    finally:
        file.close()


class _Talk:
    """One conversation. `out` gets the answer as it comes."""

    def __init__(self, plan: Plan, client: RealtimeClient, printer: Printer, out: SoundFile | None) -> None:
        self._plan = plan
        self._client = client
        self._printer = printer
        self._out = out
        self._exchange = Exchange()
        self._answered = anyio.Event()
        self._asked_s: list[float] = []
        """When each text was sent."""
        self._sides = BothSides(WIRE_HZ, anyio.current_time())

    async def hold(self) -> bool:
        """Speak and listen, until all is said and answered. Whether the server has not closed."""
        plan, speech = self._plan, self._plan.speech
        length_s = 0.0 if speech is None else len(speech.samples) / speech.rate_hz
        with anyio.move_on_after(length_s + plan.timeout_s) as patience:
            async with anyio.create_task_group() as tasks:
                if speech is None:
                    tasks.start_soon(self._write, tasks.cancel_scope)
                else:
                    tasks.start_soon(self._speak, speech, tasks.cancel_scope)
                await self._listen()
                tasks.cancel_scope.cancel()
        if patience.cancelled_caught:
            self._printer.note(f"no answer within {plan.timeout_s:g} s")
        code = self._client.close_code
        if code is not None:
            self._printer.note(f"the server has closed: {code} {self._client.close_reason or ''}".rstrip())
        return code is None

    async def conclude(self) -> bool:
        """Tell what it took and keep what is to be kept. Whether there was an answer, in time."""
        plan, printer, received = self._plan, self._printer, self._client.call.received
        heard = self._client.call.samples()
        if self._out is not None and len(heard):
            printer.note(f"answer: {len(heard) / WIRE_HZ:.1f} s in {plan.out}")
        if plan.record is not None:
            async with _sound_file("--record", plan.record, 2) as file:
                await anyio.to_thread.run_sync(file.append, self._sides.samples())
        if plan.transcript is not None:
            await anyio.to_thread.run_sync(write_transcript, plan.transcript, printer.lines)
        speech = plan.speech
        turns = (
            written_turns(received, self._asked_s) if speech is None else turns_of(received, speech.ends_s)
        )
        printer.turns(turns)
        if speech is not None and speech.interrupted_at_s is not None:
            printer.lines_of(interruption(received, speech.interrupted_at_s))
        is_well = bool(len(heard)) and not self._is_too_slow(turns)
        printer.end(is_well=is_well, answer_s=len(heard) / WIRE_HZ)
        return is_well

    def _is_too_slow(self, turns: Sequence[Turn]) -> bool:
        """Whether an answer was waited for longer than is allowed, which is said."""
        limit_ms = self._plan.max_wait_ms
        longest_ms = max((turn.wait_ms for turn in turns if turn.wait_ms is not None), default=0.0)
        if limit_ms is None or longest_ms <= limit_ms:
            return False
        self._printer.note(
            f"too slow: an answer began after {longest_ms:.0f} ms, and --max-wait is {limit_ms} ms"
        )
        return True

    async def _write(self, conversation: anyio.CancelScope) -> None:
        """Each text, when the one before it has been answered; that of the last one ends the conversation."""
        with suppress(ConnectionClosed):  # which the listener tells
            for text in self._plan.texts:
                self._answered = anyio.Event()
                self._printer.said("you", text)
                content = [{"type": "input_text", "text": text}]
                self._asked_s.append(anyio.current_time())
                item = {"type": "message", "role": "user", "content": content}
                await self._client.send("conversation.item.create", item=item)
                await self._client.send("response.create")
                await self._answered.wait()
            conversation.cancel()

    async def _speak(self, speech: Speech, conversation: anyio.CancelScope) -> None:
        """The recording, silence, and once more the recording when it is time to interrupt; then silence until all is
        answered, which ends the conversation."""
        client = self._client
        with suppress(ConnectionClosed):  # which the listener tells
            await client.show_transcripts()
            await self._say(speech)
            if speech.barge_in_after_ms is not None:
                while not speech.interrupts.is_set():
                    await client.stay_silent(FRAME_MS / 1000)
                began_s = await self._say(speech)
                speech.interrupted_at_s = began_s + next((onset_s for onset_s, _ in speech.voiced_s), 0.0)
            await client.stay_silent(SETTLE_S)
            while not self._exchange.is_settled:
                await client.stay_silent(FRAME_MS / 1000)
            conversation.cancel()

    async def _say(self, speech: Speech) -> float:
        """The recording once. Tells when it began."""
        began_s = await self._client.speak(speech.samples, speech.rate_hz)
        speech.ends_s += [began_s + end_s for _, end_s in speech.voiced_s]
        self._sides.person(Resampler(speech.rate_hz, WIRE_HZ).process(speech.samples, last=True), began_s)
        return began_s

    async def _listen(self) -> None:
        client, speech = self._client, self._plan.speech
        async with anyio.create_task_group() as tasks:

            async def interrupt(speech: Speech, delay_ms: int) -> None:
                await anyio.sleep(delay_ms / 1000)
                self._printer.note("       (barging in)")
                speech.interrupts.set()

            while (seen := await client.receive()) is not None:
                self._exchange.take(seen.event)
                self._printer.take(seen)
                if seen.type == DONE:
                    self._answered.set()
                elif seen.type == STARTED:
                    self._sides.interrupted(seen.at_s)
                if seen.type != AUDIO:
                    continue
                samples = client.call.audio[-1]
                self._sides.agent(samples, seen.at_s)
                if self._out is not None:
                    await anyio.to_thread.run_sync(self._out.append, samples)
                if (
                    speech is not None
                    and speech.barge_in_after_ms is not None
                    and len(client.call.audio) == 1
                ):
                    tasks.start_soon(interrupt, speech, speech.barge_in_after_ms)
