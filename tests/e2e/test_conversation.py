"""Real sockets, real models, real speech: a server started by the test, and what a person would hear."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.to_thread
import numpy as np
import pytest

from audio.files import read_audio
from audio.formats import SPEECH_HZ, Samples
from audio.resample import Resampler
from server.app import App
from server.client.client import WIRE_HZ, RealtimeClient
from server.config.environment import load_settings
from server.config.providers import Providers, load_providers
from server.config.settings import Settings
from stages.demo.agent import DemoAgent
from stages.testing.wer import word_error_rate
from tests.support.live_server import ask
from tests.support.patience import PATIENCE_S
from tests.support.trace_checker import check_trace

ANSWER_WER = 0.15
"""Of an answer's words, as many may be heard otherwise than they are written: two in a long sentence. Numbers and
times are compared as they are said (`stages.testing.wer`)."""

QUESTIONS = (
    "What time is it?",
    "What is the date today?",
    "What is twelve times seven?",
    "What can you do?",
    "I'd like to book a table for four tomorrow at half past seven.",
)

AFTERNOON = datetime(2026, 11, 25, 15, 30, tzinfo=UTC)
"""Some times of day are misheard whoever says them ("4:30" as "for 30"), so it is always the same."""

SPEECH = Path(__file__).parents[1] / "data" / "speech"
pytestmark = [pytest.mark.e2e, pytest.mark.models]


@asynccontextmanager
async def server(**settings: object) -> AsyncIterator[tuple[str, Providers]]:
    """A server on a free port, with the embedded models."""
    chosen: Settings = load_settings({"port": 0, **settings}, env_file=None)
    async with load_providers(chosen, lambda text: None) as providers:
        if isinstance(providers.model, DemoAgent):
            providers.model.now = lambda: AFTERNOON
        async with App(chosen, providers).listening() as listening:
            port = listening.sockets[0].getsockname()[1]
            yield f"ws://127.0.0.1:{port}/v1/realtime", providers


async def say(client: RealtimeClient, name: str, silence_s: float = 0.8) -> None:
    samples, rate_hz = await anyio.to_thread.run_sync(read_audio, SPEECH / name)
    await client.speak(samples, rate_hz)
    await client.stay_silent(silence_s)


async def test_speech_is_recognised_and_answered_aloud() -> None:
    async with server() as (url, providers), RealtimeClient(url) as client:
        await client.show_transcripts()
        await say(client, "ps_goforward.wav")
        done = await client.receive_until("response.done", timeout_s=PATIENCE_S)
        call = client.call
        transcript = call.texts("conversation.item.input_audio_transcription.completed", "transcript")
        assert (
            transcript[0].lower().replace("ten", "10").replace("metres", "meters").strip(".")
            == "go forward 10 meters"
        )
        assert done.event["response"]["status"] == "completed"
        text = call.texts("response.output_audio_transcript.done", "transcript")[0]
        assert "".join(call.texts("response.output_audio_transcript.delta", "delta")) == text
        heard = await recognised(providers, call.samples())
        assert word_error_rate(text, heard) <= ANSWER_WER, f"{text!r} was heard as {heard!r}"
        check_trace(call.events(), ended=False)


async def test_answers_to_typed_questions_are_spoken_as_they_are_written() -> None:
    rates: dict[str, float] = {}

    async def hear(url: str, providers: Providers, question: str) -> None:
        content = [{"type": "input_text", "text": question}]
        async with RealtimeClient(url) as client:
            await client.send(
                "conversation.item.create", item={"type": "message", "role": "user", "content": content}
            )
            await client.send("response.create")
            await client.receive_until("response.done", timeout_s=PATIENCE_S)
            text = client.call.texts("response.output_audio_transcript.done", "transcript")[0]
            rates[text] = word_error_rate(text, await recognised(providers, client.call.samples()))

    async with server() as (url, providers), anyio.create_task_group() as tasks:
        for question in QUESTIONS:
            tasks.start_soon(hear, url, providers, question)
    assert len(rates) == len(QUESTIONS)
    assert max(rates.values()) <= ANSWER_WER, rates


async def test_audio_that_is_cut_between_two_words_holds_the_words_before() -> None:
    said = "The restaurant is open from noon until ten, and there is a table free on Sunday evening."
    async with server(agent="scripted") as (url, providers), RealtimeClient(url, voice=True) as client:
        await ask(client, said)
        item = (await client.receive_until("response.output_item.added", timeout_s=PATIENCE_S)).event["item"][
            "id"
        ]
        await client.receive_until("response.done", timeout_s=PATIENCE_S)
        call = client.call
        words, audio, rates = call.words(item), call.samples(), {}
        text = "".join(word.text for word in words)
        assert text == call.texts("response.output_audio_transcript.done", "transcript")[0]
        for count in (5, 9, 12, 17):
            heard = "".join(word.text for word in words[:count])
            cut = await recognised(providers, audio[: words[count - 1].end_sample])
            rates[heard, cut] = word_error_rate(heard, cut)
    assert sum(rates.values()) / len(rates) <= ANSWER_WER, rates


async def test_talking_over_the_answer_silences_it() -> None:
    async with server() as (url, _), RealtimeClient(url) as client:
        await say(client, "ps_goforward.wav")
        await client.receive_until("response.output_audio.delta", timeout_s=PATIENCE_S)
        await say(client, "ps_something.wav", 0.0)
        done = await client.receive_until("response.done", timeout_s=PATIENCE_S)
        assert done.event["response"]["status"] == "cancelled"
        assert done.event["response"]["status_details"]["reason"] == "turn_detected"
        interrupted = [seen.type for seen in client.call.received]
        started = len(interrupted) - 1 - interrupted[::-1].index("input_audio_buffer.speech_started")
        assert "response.output_audio.delta" not in interrupted[started:]
        check_trace(client.call.events(), ended=False)


async def test_blocked_words_are_refused_aloud() -> None:
    async with server(guard_words="forward", guard_refusal="No, thank you.") as (url, _):
        async with RealtimeClient(url) as client:
            await say(client, "ps_goforward.wav")
            await client.receive_until("response.done", timeout_s=PATIENCE_S)
            said = client.call.texts("response.output_audio_transcript.done", "transcript")
            assert said == ["No, thank you."]
            assert len(client.call.samples()) > WIRE_HZ // 2


async def test_silence_and_noise_are_no_turn() -> None:
    async with server() as (url, _), RealtimeClient(url) as client:
        noise = np.random.default_rng(1).normal(0, 300, 2 * WIRE_HZ).astype(np.int16)
        await client.stay_silent(1.0)
        await client.speak(noise, WIRE_HZ)
        await client.send("conversation.item.retrieve", item_id="none")
        await client.receive_until("error", timeout_s=PATIENCE_S)
        assert {seen.type for seen in client.call.received} == {"session.created", "error"}


async def test_two_sessions_at_once_do_not_mix() -> None:
    heard: dict[str, str] = {}

    async def converse(url: str, name: str) -> None:
        async with RealtimeClient(url) as client:
            await client.show_transcripts()
            await say(client, name)
            seen = await client.receive_until(
                "conversation.item.input_audio_transcription.completed", timeout_s=PATIENCE_S
            )
            heard[name] = str(seen.event["transcript"]).lower()

    async with server() as (url, _), anyio.create_task_group() as tasks:
        tasks.start_soon(converse, url, "ps_goforward.wav")
        tasks.start_soon(converse, url, "cards_003.wav")
    assert "forward" in heard["ps_goforward.wav"]
    assert "clubs" in heard["cards_003.wav"]


async def test_bad_input_gets_an_error_and_the_session_goes_on() -> None:
    async with server() as (url, _), RealtimeClient(url) as client:
        for frame in ("{", "[]", '{"type":"no.such"}', b"\x00\x01", '{"type":"input_audio_buffer.commit"}'):
            await client.send_raw(frame)
            seen = await client.receive_until("error", timeout_s=PATIENCE_S)
            assert seen.event["error"]["code"]
            assert seen.event["error"]["message"]
        await client.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
        await client.receive_until("session.updated", timeout_s=PATIENCE_S)


async def recognised(providers: Providers, samples: Samples) -> str:
    """What the recogniser makes of the answer."""
    recognition = providers.recogniser.open()
    recognition.push(Resampler(WIRE_HZ, SPEECH_HZ).process(samples, last=True))
    return (await recognition.final()).text
