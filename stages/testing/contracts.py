"""What every recogniser, language model, voice and server of tools must do, fake or real: `stages.ports` as checks.

Each check takes a provider and raises AssertionError with what it got wrong. They run in real time, because
real models compute in threads; a provider has several tries at being quick, because machines are shared.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

import anyio
import numpy as np

from audio.formats import Samples
from stageflow.context import Message
from stages.errors import ProviderError, ProviderRejected
from stages.ports import (
    Finished,
    LanguageModel,
    ModelEvent,
    Partial,
    Recogniser,
    Speech,
    Synthesiser,
    SynthesiserCapabilities,
    TextDelta,
    ToolConnection,
    ToolOutput,
    ToolServers,
)
from stages.testing.wer import heard_words, word_error_rate

CANCEL_WITHIN_S = 0.05
TRIES = 5
_FRAME_MS = 20
_UNDER_WAY_S = 0.01


async def _cancel(call: Callable[[], Awaitable[object]], what: str) -> None:
    """Cancel `call` while it is under way; one of several tries must end in time."""

    async def under_way() -> None:
        await call()

    lateness_s = []
    for _ in range(TRIES):
        async with anyio.create_task_group() as group:
            group.start_soon(under_way)
            await anyio.sleep(_UNDER_WAY_S)
            began = anyio.current_time()
            group.cancel_scope.cancel()
        lateness_s.append(anyio.current_time() - began)
        if lateness_s[-1] <= CANCEL_WITHIN_S:
            return
    late_ms = 1000 * min(lateness_s)
    raise AssertionError(f"{what} went on for {late_ms:.0f} ms after it was cancelled")


async def _twice_at_once(call: Callable[[], Awaitable[object]]) -> list[object]:
    results: list[object] = []

    async def keep() -> None:
        results.append(await call())

    async with anyio.create_task_group() as group:
        group.start_soon(keep)
        group.start_soon(keep)
    return results


# --- recognisers ----------------------------------------------------------------------------------------


async def check_recogniser(
    recogniser: Recogniser, speech: Samples, expected: str, *, max_word_errors: float = 0.0
) -> None:
    """`speech` is `int16[n]` at the recogniser's rate in which `expected` is said.

    Of its words the share `max_word_errors` may be wrong, missing or too many.
    """
    await _check_hearing(recogniser, speech, expected, max_word_errors)
    await _check_silence(recogniser)
    await _check_cancelled_hearing(recogniser, speech, expected, max_word_errors)

    async def hear() -> str:
        return await _hear(recogniser, speech, [])

    for text in await _twice_at_once(hear):
        _check_words(str(text), expected, max_word_errors)


async def _check_hearing(recogniser: Recogniser, speech: Samples, expected: str, max_errors: float) -> None:
    partials: list[Partial] = []
    text = await _hear(recogniser, speech, partials)
    _check_words(text, expected, max_errors)
    reported = len(partials)
    stable = ""
    for partial in partials:
        assert partial.text.startswith(partial.stable), f"{partial} does not start with its stable part"
        assert partial.stable.startswith(stable), f"stable text {stable!r} was changed: {partial}"
        stable = partial.stable
    told = heard_words(stable)
    assert heard_words(text)[: len(told)] == told, f"stable {stable!r} is not in {text!r}"
    await _hear(recogniser, speech, [])
    assert len(partials) == reported, "a partial was reported after close"


async def _check_silence(recogniser: Recogniser) -> None:
    for nothing in (np.zeros(0, np.int16), np.zeros(recogniser.rate_hz, np.int16)):
        text = await _hear(recogniser, nothing, [])
        assert text == "", f"{len(nothing)} samples of silence were heard as {text!r}"


async def _check_cancelled_hearing(
    recogniser: Recogniser, speech: Samples, expected: str, max_errors: float
) -> None:
    recognition = recogniser.open()
    recognition.push(speech)
    await _cancel(recognition.final, "final()")
    _check_words((await recognition.final()).text, expected, max_errors)
    _check_words((await recognition.final()).text, expected, max_errors)
    recognition.push(np.zeros(recogniser.rate_hz // 2, np.int16))
    _check_words((await recognition.final()).text, expected, max_errors)
    recognition.close()
    recognition.close()


async def _hear(recogniser: Recogniser, speech: Samples, partials: list[Partial]) -> str:
    recognition = recogniser.open(partials.append)
    frame = recogniser.rate_hz * _FRAME_MS // 1000
    for start in range(0, len(speech), frame):
        recognition.push(speech[start : start + frame])
    transcript = await recognition.final()
    recognition.close()
    assert 0.0 <= transcript.no_speech <= 1.0
    assert transcript.log_probability <= 0.0
    return transcript.text


def _check_words(text: str, expected: str, max_errors: float) -> None:
    errors = word_error_rate(expected, text)
    assert errors <= max_errors, f"heard {text!r} for {expected!r}: word error rate {errors:.2f}"


# --- language models ------------------------------------------------------------------------------------

_GREETING = (Message(role="user", content="Hello, what can you do for me?"),)


async def check_language_model(model: LanguageModel) -> None:
    """A greeting must be answered in words, by a stream that ends with exactly one `Finished`."""

    async def answer() -> str:
        return _check_events([event async for event in model.stream(_GREETING)])

    assert (await answer()).strip(), "a greeting was answered with nothing"
    assert all(str(text).strip() for text in await _twice_at_once(answer)), "two at once: one got nothing"
    await _cancel(answer, "the stream")
    await _check_closing(model)
    for odd in _ODD_CONVERSATIONS:
        try:
            _check_events([event async for event in model.stream(odd, max_tokens=1)])
        except ProviderError:
            continue


_ODD_CONVERSATIONS: Sequence[tuple[Message, ...]] = (
    (),
    (Message(role="user", content=""),),
    (Message(role="assistant", content="I spoke last."),),
    (Message(role="user", content="\u0000 \U0001f389 " + "long " * 200),),
)


def _check_events(events: Sequence[ModelEvent]) -> str:
    finished = [at for at, event in enumerate(events) if isinstance(event, Finished)]
    assert finished == [len(events) - 1], (
        f"Finished came at {finished} of {len(events)} events, not once at the end"
    )
    return "".join(event.text for event in events if isinstance(event, TextDelta))


async def _check_closing(model: LanguageModel) -> None:
    stream = model.stream(_GREETING)
    await anext(stream)
    began = anyio.current_time()
    await stream.aclose()
    took_s = anyio.current_time() - began
    assert took_s <= CANCEL_WITHIN_S * TRIES, f"closing took {1000 * took_s:.0f} ms"
    assert await anext(stream, None) is None, "an event came after the stream was closed"


# --- voices ---------------------------------------------------------------------------------------------

_SENTENCE = "Your table for four is booked, and we look forward to seeing you."
_NOTHING_TO_SAY = ("", "   \n", "...", "\u2014")


async def check_synthesiser(voice: Synthesiser) -> None:
    """A sentence must be spoken, audibly, at about its length; and nothing must be nothing."""

    async def speak() -> int:
        return _check_speech(await _speak(voice, _SENTENCE), voice.rate_hz)

    spoken = await speak()
    for samples in await _twice_at_once(speak):
        assert isinstance(samples, int)
        assert 0.5 * spoken <= samples <= 2 * spoken, "two at once: the lengths differ"
    await _cancel(speak, "the stream")
    await _check_closing_voice(voice)
    for nothing in _NOTHING_TO_SAY:
        assert _length(await _speak(voice, nothing)) == 0, f"{nothing!r} has nothing to say, but made sound"
    assert _length(await _speak(voice, "Yes.")) < spoken, "one word lasts as long as a sentence"
    if getattr(voice, "capabilities", SynthesiserCapabilities()).speed:
        assert _length(await _speak(voice, _SENTENCE, speed=1.5)) < spoken, "speaking faster takes as long"
    await _check_names(voice)


async def _check_names(voice: Synthesiser) -> None:
    """Voices that are offered speak, and not alike; whatever else is asked for speaks too."""
    names = [option.name for option in voice.voices]
    assert names, "there is always a voice"
    assert all(names), "a voice has a name"
    assert len({*names}) == len(names), f"the names of voices must differ: {names}"
    assert "default" not in names, "to clients 'default' is the first voice, whatever its name"
    sounds = [await _sound(voice, name) for name in names]
    assert all(sounds), "a voice is silent"
    assert len({*sounds}) == len(names), "two voices sound the same"
    assert await _sound(voice, "no such voice"), "an unknown voice is silent"


async def _sound(voice: Synthesiser, name: str | None) -> bytes:
    return b"".join(speech.samples.tobytes() for speech in await _speak(voice, _SENTENCE, name=name))


async def _speak(
    voice: Synthesiser, text: str, *, name: str | None = None, speed: float = 1.0
) -> list[Speech]:
    async with aclosing(voice.stream(text, voice=name, speed=speed)) as stream:
        return [speech async for speech in stream]


def _length(speeches: Sequence[Speech]) -> int:
    return sum(len(speech.samples) for speech in speeches)


def _check_speech(speeches: Sequence[Speech], rate_hz: int) -> int:
    kinds = {(str(speech.samples.dtype), speech.samples.ndim) for speech in speeches}
    assert kinds == {("int16", 1)}, f"speech is int16[n], this one is {kinds}"
    length = _length(speeches)
    letters = sum(map(str.isalpha, _SENTENCE))
    letter_ms = 1000 * length / rate_hz / letters
    assert 20 < letter_ms < 200, f"{letter_ms:.0f} ms a letter is not how people speak"
    loudest = max(int(np.abs(speech.samples.astype(np.int32)).max(initial=0)) for speech in speeches)
    assert loudest > 1000, f"nobody hears a voice whose loudest sample is {loudest}"
    at = 0
    words = [word for speech in speeches for word in speech.words]
    for word in words:
        assert at <= word.start_sample <= word.end_sample <= length, (
            f"{word} is out of order or out of the audio"
        )
        at = word.start_sample
    assert [word.text for word in words] in ([], _SENTENCE.split()), "all words have times, or none"
    return length


async def _check_closing_voice(voice: Synthesiser) -> None:
    stream = voice.stream(_SENTENCE)
    await anext(stream)
    began = anyio.current_time()
    await stream.aclose()
    took_s = anyio.current_time() - began
    assert took_s <= CANCEL_WITHIN_S * TRIES, f"closing took {1000 * took_s:.0f} ms"
    assert await anext(stream, None) is None, "audio came after the stream was closed"


# --- servers of tools -------------------------------------------------------------------------------------


async def check_tool_servers(servers: ToolServers, url: str, nowhere: str) -> None:
    """At `url` there are `stock` (read-only; has no "hats", and is slow about "nothing") and `buy`; at `nowhere` is
    no server."""
    async with servers.connect(url, {}) as shop:
        await _check_offer(shop)
        await _check_calls(shop)
        await _cancel(lambda: shop.call("stock", {"what": "nothing"}), "a call")
        assert (await shop.call("buy", {"what": "shoes"})).text == "bought shoes", (
            "after one that was cancelled"
        )
    try:
        await shop.call("buy", {"what": "shoes"})
    except ProviderError:
        pass
    else:
        raise AssertionError("a call went out over a connection that is closed")
    try:
        async with servers.connect(url, {}):
            raise ProviderRejected("mine")
    except ProviderRejected as error:
        said = str(error)
    assert said == "mine", "an error of the block's own leaves it as it is"
    said = ""
    try:
        async with servers.connect(nowhere, {}):
            raise AssertionError("connected to nothing")
    except ProviderError as error:
        said = str(error)
    assert said, "an error says what is wrong"


async def _check_offer(shop: ToolConnection) -> None:
    tools = {tool.name: tool for tool in await shop.tools()}
    assert set(tools) == {"stock", "buy"}
    assert tools["stock"].description == "How many there are."
    assert (tools["stock"].read_only, tools["buy"].read_only) == (True, False)
    for tool in tools.values():
        assert tool.parameters["type"] == "object", "parameters are a JSON schema of an object"
        assert tool.annotations.get("readOnlyHint", False) == tool.read_only


async def _check_calls(shop: ToolConnection) -> None:
    async def shoes() -> ToolOutput:
        return await shop.call("stock", {"what": "shoes"})

    for output in await _twice_at_once(shoes):
        assert output == ToolOutput("7 shoes")
    hats = await shop.call("stock", {"what": "hats"})
    assert hats.failed, "the tool has failed"
    assert "no hats" in hats.text, "a model must be told why"
    for name in ("stock", "no such tool"):
        try:
            output = await shop.call(name, {})
        except ProviderError:
            continue
        assert output.failed, f"{name} without arguments cannot go well"
