"""What providers must do that keep connections, open utterances or own the turns; beside `stages.testing.contracts`."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from typing import TypeVar

import anyio
import numpy as np

from audio.formats import Samples
from stages.errors import ProviderError
from stages.ports import (
    HasSessions,
    Speech,
    Synthesiser,
    SynthesiserCapabilities,
    TurnBegan,
    TurnEndsEarly,
    TurnEvent,
    TurnHeard,
    TurnOver,
    TurnRecogniser,
    TurnResumed,
    TurnsFailed,
    UtteranceSynthesiser,
    VoiceOption,
)
from stages.testing.cancelling import CANCEL_WITHIN_S, Stopwatch, is_quick
from stages.testing.kit import Check
from stages.testing.recogniser_checks import KnownSpeech
from stages.testing.voice_checks import voice_checks
from stages.testing.wer import word_error_rate

T = TypeVar("T")

ENTERS_WITHIN_S = 0.5
_ENDS_WITHIN_S = 10.0
_FRAME_MS = 20
_PIECES = ("The first of two sentences.", " And this is the second one.")


async def check_sessions(provider: HasSessions[T], check: Callable[[T], Awaitable[None]]) -> None:
    """Two sessions at once pass `check`, entering does not wait, and an error of a session's own leaves it alone."""

    async def enter() -> float:
        since = Stopwatch()
        async with provider.session():
            return since.took_s()

    await is_quick(enter, ENTERS_WITHIN_S, "entering a session waited")
    async with provider.session() as one, provider.session() as other:
        await check(one)
        await check(other)
    said = ""
    try:
        async with provider.session():
            raise ProviderError("mine")
    except ProviderError as error:
        said = str(error)
    assert said == "mine", "an error of the block's own leaves it as it is"


# --- utterances -------------------------------------------------------------------------------------------


async def check_utterances(voice: UtteranceSynthesiser) -> None:
    """What `check_synthesiser` asks, one utterance a text; and text in pieces, and cancelling."""
    for check in utterance_checks():
        await check.run(voice)


def utterance_checks() -> tuple[Check[UtteranceSynthesiser], ...]:
    """All checks of a voice that opens utterances."""

    def as_one_shot(check: Check[Synthesiser]) -> Check[UtteranceSynthesiser]:
        return Check(check.name, check.about, lambda voice: check.run(_OneShot(voice)), check.may_hold)

    return (
        *map(as_one_shot, voice_checks()),
        Check("pieces", "text in pieces: word times and places on one clock", _check_pieces),
        Check("cut_off", "cancel(), twice, in the middle: no audio afterwards, at once", _check_cancel),
        Check("after_cancel", "push and finish after cancel(): nothing, or a ProviderError", _after_cancel),
        Check("left", "the block is left while audio is coming", _left),
        Check("no_text", "an utterance without text makes no sound", _without_text),
    )


async def _without_text(voice: UtteranceSynthesiser) -> None:
    async with voice.utterance() as utterance:
        await utterance.finish()
        async with aclosing(utterance.audio()) as stream:
            assert await anext(stream, None) is None, "an utterance without text made sound"


async def _after_cancel(voice: UtteranceSynthesiser) -> None:
    async with voice.utterance() as utterance:
        await utterance.push(_PIECES[0])
        utterance.cancel()
        with suppress(ProviderError):
            await utterance.push(_PIECES[1])
            await utterance.finish()
        async with aclosing(utterance.audio()) as stream:
            assert await anext(stream, None) is None, "audio came after the cancel"


async def _left(voice: UtteranceSynthesiser) -> None:
    async def leave() -> float:
        async with voice.utterance() as utterance:
            await utterance.push(_PIECES[0])
            async with aclosing(utterance.audio()) as stream:
                await anext(stream)
            since = Stopwatch()
        return since.took_s()

    await is_quick(leave, CANCEL_WITHIN_S, "leaving the block waited")


class _OneShot:
    """An utterance for each text; implements `stages.ports.Synthesiser`."""

    def __init__(self, voice: UtteranceSynthesiser) -> None:
        self._voice = voice

    @property
    def voices(self) -> Sequence[VoiceOption]:
        return self._voice.voices

    @property
    def rate_hz(self) -> int:
        return self._voice.rate_hz

    @property
    def capabilities(self) -> SynthesiserCapabilities:
        return getattr(self._voice, "capabilities", SynthesiserCapabilities())

    async def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        async with self._voice.utterance(voice=voice, speed=speed) as utterance:
            await utterance.push(text)
            await utterance.finish()
            async with aclosing(utterance.audio()) as stream:
                async for speech in stream:
                    yield speech
            assert not utterance.waiting_chars, f"{utterance.waiting_chars} characters wait after the end"


async def _check_pieces(voice: UtteranceSynthesiser) -> None:
    speeches: list[Speech] = []
    async with voice.utterance() as utterance:
        async with anyio.create_task_group() as tasks:

            async def hear() -> None:
                async with aclosing(utterance.audio()) as stream:
                    async for speech in stream:
                        speeches.append(speech)

            tasks.start_soon(hear)
            for piece in _PIECES:
                await utterance.push(piece)
            await utterance.finish()
    at = 0
    for word in [word for speech in speeches for word in speech.words]:
        assert at <= word.start_sample <= word.end_sample, f"{word} is not on the utterance's clock"
        at = word.start_sample
    words = [word.text for speech in speeches for word in speech.words]
    assert words in ([], "".join(_PIECES).split()), f"all words have times, or none: {words}"
    begins = [speech.begins for speech in speeches if speech.begins is not None]
    assert begins == sorted(begins), f"the text goes forward only: {begins}"
    assert all(begin <= len("".join(_PIECES)) for begin in begins), f"{begins} is beyond the text"


async def _check_cancel(voice: UtteranceSynthesiser) -> None:
    async def cut_off() -> float:
        async with voice.utterance() as utterance:
            await utterance.push(_PIECES[0])
            async with aclosing(utterance.audio()) as stream:
                await anext(stream)
                since = Stopwatch()
                utterance.cancel()
                utterance.cancel()
                assert await anext(stream, None) is None, "audio came after the cancel"
                return since.took_s()

    await is_quick(cut_off, CANCEL_WITHIN_S, "the audio went on after the cancel,")


# --- turns ------------------------------------------------------------------------------------------------


async def check_turn_recogniser(
    recogniser: TurnRecogniser,
    speech: Samples,
    expected: str,
    *,
    within_s: float = 20.0,
    max_word_errors: float = 0.0,
) -> None:
    """`speech` is one turn, `int16[n]` at the recogniser's rate, in which `expected` is said. It is pushed twice,
    each time with silence until it ends; two turns must come, in order, each with one end."""
    events: list[TurnEvent] = []
    silence = np.zeros(recogniser.rate_hz // 5, np.int16)
    stream = recogniser.open_turns(events.append)
    with anyio.move_on_after(within_s):
        for _ in range(2):
            turns = len(_overs(events))
            await _push(stream.push, speech, recogniser.rate_hz)
            while len(_overs(events)) == turns:
                assert not any(isinstance(event, TurnsFailed) for event in events), f"it failed: {events[-1]}"
                await _push(stream.push, silence, recogniser.rate_hz)
                await anyio.sleep(0.02)
    stream.close()
    stream.close()
    check_turn_order(events)
    texts = [event.transcript.text for event in _overs(events)]
    assert len(texts) == 2, f"two turns were said, {len(texts)} ended: {texts}"
    for text in texts:
        errors = word_error_rate(expected, text)
        assert errors <= max_word_errors, f"heard {text!r} for {expected!r}: word error rate {errors:.2f}"
    told = len(events)
    stream.push(speech)
    await anyio.sleep(0.05)
    assert len(events) == told, "an event came after close"


def check_turn_order(events: Sequence[TurnEvent]) -> None:
    """Events come as `TurnRecogniser` says; positions do not go back."""
    state: type | None = None
    follows: dict[type, tuple[type | None, ...]] = {
        TurnBegan: (None, TurnOver),
        TurnHeard: (TurnBegan, TurnHeard, TurnResumed),
        TurnEndsEarly: (TurnBegan, TurnHeard, TurnResumed),
        TurnResumed: (TurnEndsEarly,),
        TurnOver: (TurnBegan, TurnHeard, TurnEndsEarly, TurnResumed),
    }
    at = 0
    for event in events:
        if isinstance(event, TurnsFailed):
            continue
        assert state in follows[type(event)], f"{event} came after {state}"
        if isinstance(event, TurnBegan | TurnEndsEarly | TurnOver):
            assert event.at_sample >= at, f"{event} is before {at}"
            at = event.at_sample
        state = type(event)


def _overs(events: Sequence[TurnEvent]) -> list[TurnOver]:
    return [event for event in events if isinstance(event, TurnOver)]


async def _push(push: Callable[[Samples], None], samples: Samples, rate_hz: int) -> None:
    frame = rate_hz * _FRAME_MS // 1000
    for start in range(0, len(samples), frame):
        push(samples[start : start + frame])
        await anyio.sleep(0.001)


def turn_checks(said: KnownSpeech) -> tuple[Check[TurnRecogniser], ...]:
    """All checks of a recogniser that finds the ends of turns itself, by one turn of speech."""

    async def turns(recogniser: TurnRecogniser) -> None:
        await check_turn_recogniser(recogniser, said.samples, said.text, max_word_errors=said.max_word_errors)

    async def silence(recogniser: TurnRecogniser) -> None:
        events: list[TurnEvent] = []
        stream = recogniser.open_turns(events.append)
        await _push(stream.push, np.zeros(2 * recogniser.rate_hz, np.int16), recogniser.rate_hz)
        stream.end_turn()
        await anyio.sleep(0.2)
        stream.close()
        texts = [event.transcript.text for event in _overs(events) if event.transcript.text]
        assert not texts, f"silence was heard as {texts}"

    async def ended(recogniser: TurnRecogniser) -> None:
        events, over = list[TurnEvent](), anyio.Event()

        def keep(event: TurnEvent) -> None:
            events.append(event)
            if isinstance(event, TurnOver | TurnsFailed):
                over.set()

        stream = recogniser.open_turns(keep)
        await _push(stream.push, said.samples, recogniser.rate_hz)
        stream.end_turn()
        with anyio.move_on_after(_ENDS_WITHIN_S):
            await over.wait()
        stream.close()
        assert not any(isinstance(event, TurnsFailed) for event in events), f"it failed: {events[-1]}"
        began = any(isinstance(event, TurnBegan) for event in events)
        assert _overs(events) or not began, f"end_turn() was not followed by TurnOver in {_ENDS_WITHIN_S:g} s"
        check_turn_order(events)

    return (
        Check("turns", "two turns, in order, each with one end; nothing after close()", turns),
        Check("ended", "end_turn() ends the running turn", ended),
        Check("silence", "no words in silence; end_turn() without a turn does no harm", silence),
    )
