"""A conversation without a microphone: recordings are played to the server in real time, or lines are typed to it."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

import anyio
import anyio.to_thread
from websockets.exceptions import ConnectionClosed, WebSocketException

from audio.resample import Resampler
from server.client.address import unreachable
from server.client.captions import Write
from server.client.client import FRAME_MS, WIRE_HZ, RealtimeClient, Received
from server.client.exchange import Exchange
from server.client.farewell import farewell
from server.client.keeping import BothSides, SoundFile, sound_file, write_transcript
from server.client.plan import Plan, PlannedSpeech
from server.client.printing import Printer
from server.client.waterfall import (
    AUDIO,
    DONE,
    TYPED,
    AnswerSteps,
    TypedText,
    interruption,
    text_of,
    turns_of,
    written_turns,
)

STARTED = "input_audio_buffer.speech_started"
BUSY = "conversation_already_has_active_response"

SETTLE_S = 1.0
"""Silence after the recording, before it can be said that all is answered: the server may not have noticed its end."""


async def hold(plan: Plan, write: Write) -> int:
    """Hold the conversation: 0 when all was answered aloud and in time. `write` gets each line that is to be printed.

    Raises ServerError when it cannot begin.
    """
    async with AsyncExitStack() as stack:
        out = None
        if plan.out is not None:
            out = await stack.enter_async_context(sound_file("--out", plan.out, WIRE_HZ, 1))
        printer = Printer(write, as_json=plan.as_json)

        def tell_line(return_s: float | None) -> None:
            printer.note("the line was lost: taking it up again" if return_s is None else "the line is back")

        client = RealtimeClient(plan.url, api_key=plan.api_key, voice=True, tell_line=tell_line)
        try:
            await stack.enter_async_context(client)
        except (OSError, WebSocketException) as error:
            raise unreachable(plan.url, error) from error
        talk = _Talk(plan, client, printer, out)
        is_open = await talk.hold()
    return 0 if await talk.conclude() and is_open else 1


class _Talk:
    """One conversation. `out` gets the answer as it comes."""

    def __init__(self, plan: Plan, client: RealtimeClient, printer: Printer, out: SoundFile | None) -> None:
        self._plan = plan
        self._client = client
        self._printer = printer
        self._out = out
        self._exchange = Exchange()
        self._answered = anyio.Event()
        self._asked: list[TypedText] = []
        self._is_refused = False
        """Whether the last text is answered only when what the server says by itself is over."""
        self._sides = BothSides(WIRE_HZ, anyio.current_time())
        self._saying: PlannedSpeech | None = None
        self._unanswered = len(plan.faults)
        """Recordings."""

    async def hold(self) -> bool:
        """Speak and listen, until all is said and answered. Whether the server has not closed."""
        for fault in self._plan.faults:
            self._printer.note(f"left out: {fault}")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._speak if self._plan.speeches else self._write, tasks.cancel_scope)
            await self._listen()
            tasks.cancel_scope.cancel()
        code = self._client.close_code
        if code is not None:
            self._printer.note(farewell(code, self._client.close_reason))
        return code is None

    async def conclude(self) -> bool:
        """Tell what it took and keep what is to be kept. Whether there was an answer, in time."""
        plan, printer, received = self._plan, self._printer, self._client.call.received
        heard = self._client.call.samples()
        if self._out is not None and len(heard):
            printer.note(f"answer: {len(heard) / WIRE_HZ:.1f} s in {plan.out}")
        if plan.record is not None:
            async with sound_file("--record", plan.record, WIRE_HZ, 2) as file:
                await anyio.to_thread.run_sync(file.append, self._sides.samples())
        if plan.transcript is not None:
            await anyio.to_thread.run_sync(write_transcript, plan.transcript, printer.lines)
        ends_s = [end_s for speech in plan.speeches for end_s in speech.ends_s]
        turns = turns_of(received, ends_s) if plan.speeches else written_turns(received, self._asked)
        printer.turns(turns)
        for speech in plan.speeches:
            if speech.interrupted_at_s is not None:
                printer.lines_of(interruption(received, speech.interrupted_at_s))
        is_well = bool(len(heard)) and not self._is_too_slow(turns) and not self._unanswered
        printer.end(is_well=is_well, answer_s=len(heard) / WIRE_HZ)
        return is_well

    def _is_too_slow(self, turns: Sequence[AnswerSteps]) -> bool:
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
        """Each text, when the one before it has been answered or was waited for long enough; that ends the
        conversation."""
        with suppress(ConnectionClosed):  # the listener tells of it
            for text in self._plan.texts:
                with anyio.move_on_after(self._plan.timeout_s) as patience:
                    await self._ask(text)
                if patience.cancelled_caught:
                    self._give_up(f'"{text}": ' if len(self._plan.texts) > 1 else "")
            conversation.cancel()

    async def _ask(self, text: str) -> None:
        """Type it, and wait for its answer. While the server speaks by itself, as when it greets, it answers nothing:
        the text is taken back then, and typed again when that is over. So it is with a late answer to a text that was
        given up."""
        self._printer.said("you", text)
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        while True:
            self._answered, self._is_refused = anyio.Event(), False
            asked = TypedText(f"typed_{len(self._asked) + 1}", anyio.current_time())
            self._asked.append(asked)
            await self._client.send("conversation.item.create", item={"id": asked.item_id, **item})
            await self._client.send("response.create", response={"metadata": {TYPED: asked.item_id}})
            await self._answered.wait()
            if not self._is_refused:
                return
            await self._client.send("conversation.item.delete", item_id=asked.item_id)

    async def _speak(self, conversation: anyio.CancelScope) -> None:
        """Each recording, when the one before it has been answered or was waited for long enough; that ends the
        conversation."""
        speeches, timeout_s = self._plan.speeches, self._plan.timeout_s
        with suppress(ConnectionClosed):  # which the listener tells
            await self._client.show_transcripts()
            for speech in speeches:
                self._saying = speech
                if len(speeches) > 1:
                    self._printer.note(f"{speech.name}:")
                with anyio.move_on_after(speech.length_s + timeout_s) as patience:
                    await self._converse(speech)
                if patience.cancelled_caught:
                    self._give_up(f"{speech.name}: " if len(speeches) > 1 else "")
            conversation.cancel()

    async def _converse(self, speech: PlannedSpeech) -> None:
        """The recording, silence, and once more the recording when it is time to interrupt; then silence until all is
        answered."""
        client, before = self._client, self._exchange.answers
        await self._say(speech)
        if speech.barge_in_after_ms is not None:
            while not speech.interrupts.is_set():
                await client.stay_silent(FRAME_MS / 1000)
            began_s = await self._say(speech)
            speech.interrupted_at_s = began_s + next((onset_s for onset_s, _ in speech.voiced_s), 0.0)
        await client.stay_silent(SETTLE_S)
        while self._exchange.answers == before or not self._exchange.is_settled:
            await client.stay_silent(FRAME_MS / 1000)

    def _give_up(self, what: str) -> None:
        """It was waited for long enough."""
        self._unanswered += 1
        self._exchange.give_up()
        self._printer.note(f"{what}no answer within {self._plan.timeout_s:g} s")

    async def _say(self, speech: PlannedSpeech) -> float:
        """The recording once. Tells when it began."""
        began_s = await self._client.speak(speech.samples, speech.rate_hz)
        speech.ends_s += [began_s + end_s for _, end_s in speech.voiced_s]
        self._sides.person(Resampler(speech.rate_hz, WIRE_HZ).process(speech.samples, last=True), began_s)
        return began_s

    def _puts_off(self, seen: Received) -> bool:
        """Whether the server says that the text comes while it speaks by itself."""
        is_busy = seen.type == "error" and seen.event["error"].get("code") == BUSY
        self._is_refused = self._is_refused or is_busy
        return is_busy and bool(self._plan.texts)

    def _is_awaited(self, response: Mapping[str, Any]) -> bool:
        """Whether this answer is to the newest text, as far as the server tells."""
        return not self._asked or text_of(response) in (None, self._asked[-1].item_id)

    async def _listen(self) -> None:
        client = self._client
        async with anyio.create_task_group() as tasks:

            async def interrupt(speech: PlannedSpeech, delay_ms: int) -> None:
                await anyio.sleep(delay_ms / 1000)
                self._printer.note("       (barging in)")
                speech.interrupts.set()

            while (seen := await client.receive()) is not None:
                self._exchange.take(seen.event)
                if not self._puts_off(seen):
                    self._printer.take(seen)
                if seen.type == DONE and (self._is_refused or self._is_awaited(seen.event["response"])):
                    self._answered.set()
                elif seen.type == STARTED:
                    self._sides.interrupted(seen.at_s)
                if seen.type not in AUDIO:
                    continue
                await self._keep(seen)
                speech = self._saying
                if speech is None or speech.is_answered:
                    continue
                if not self._exchange.is_awaited(seen.event["response_id"]):
                    continue
                speech.is_answered = True
                if speech.barge_in_after_ms is not None:
                    tasks.start_soon(interrupt, speech, speech.barge_in_after_ms)

    async def _keep(self, seen: Received) -> None:
        """A piece of an answer, for the files."""
        samples = self._client.call.audio[-1]
        self._sides.agent(samples, seen.at_s)
        if self._out is not None:
            await anyio.to_thread.run_sync(self._out.append, samples)
