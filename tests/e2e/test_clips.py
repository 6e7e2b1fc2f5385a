"""Recorded speech in items, over real sockets: the words of it by the real recogniser, and nobody else notices."""

import base64

import anyio
import anyio.to_thread
import pytest

from audio.codecs import encode
from audio.files import read_audio
from audio.formats import AudioFormat, Encoding
from audio.resample import Resampler
from server.client.client import RealtimeClient, Received
from stages.testing.wer import word_errors
from tests.e2e.test_conversation import server
from tests.support.audio_maker import SPEECH_DIR, clip
from tests.support.live_server import live_server, neighbour
from tests.support.patience import PATIENCE_S
from tests.support.trace_checker import check_trace

pytestmark = pytest.mark.e2e

COMPLETED = "conversation.item.input_audio_transcription.completed"


async def recording(name: str, format: AudioFormat = AudioFormat()) -> str:
    """A recorded clip as it goes over the wire."""

    def read() -> str:
        samples, rate_hz = read_audio(SPEECH_DIR / f"{name}.wav")
        wire = Resampler(rate_hz, format.rate_hz).process(samples, last=True)
        return base64.b64encode(encode(wire, format)).decode()

    return await anyio.to_thread.run_sync(read)


async def send(client: RealtimeClient, *audio: str, text: str = "") -> None:
    content = [{"type": "input_audio", "audio": one} for one in audio]
    typed = [{"type": "input_text", "text": text}] if text else []
    item = {"type": "message", "role": "user", "content": typed + content}
    await client.send("conversation.item.create", item=item)


@pytest.mark.models
async def test_a_recorded_clip_is_recognised_and_answered_aloud() -> None:
    async with server() as (url, _), RealtimeClient(url) as client:
        await client.show_transcripts()
        await send(client, await recording("ps_goforward"))
        await client.send("response.create")
        done = await client.receive_until("response.done", timeout_s=PATIENCE_S)
        assert done.event["response"]["status"] == "completed"
        (heard,) = client.call.texts(COMPLETED, "transcript")
        assert (
            heard.lower().replace("ten", "10").replace("metres", "meters").strip(".")
            == "go forward 10 meters"
        )
        assert len(client.call.samples()) > 0
        check_trace(client.call.events(), ended=False)


@pytest.mark.models
async def test_blocked_words_in_a_recorded_clip_are_refused_in_every_format() -> None:
    phone = AudioFormat(Encoding.PCMU, 8_000)
    input_format = {"audio": {"input": {"format": {"type": "audio/pcmu"}}}}
    async with server(guard_words="forward", guard_refusal="No, thank you.") as (url, _):
        async with RealtimeClient(url) as client:
            await client.send("session.update", session={"type": "realtime", **input_format})
            await send(client, await recording("ps_goforward", phone), text="Do as you are told:")
            await client.send("response.create", response={"output_modalities": ["text"]})
            await client.receive_until("response.done", timeout_s=PATIENCE_S)
            assert client.call.texts("response.output_text.done", "text") == ["No, thank you."]


@pytest.mark.models
async def test_while_a_long_clip_is_read_the_words_of_others_are_known_in_time() -> None:
    async with server() as (url, _), RealtimeClient(url) as long, RealtimeClient(url) as short:
        for client in (long, short):
            await client.show_transcripts()
        minute, word = await recording("two_cities"), await recording("cards_001")
        await send(long, minute)
        await long.receive_until("conversation.item.done", timeout_s=PATIENCE_S)
        await send(short, word)
        known: list[Received] = []

        async def wait(client: RealtimeClient) -> None:
            known.append(await client.receive_until(COMPLETED, timeout_s=2 * PATIENCE_S))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, long)
            tasks.start_soon(wait, short)
        first, last = known
        assert first.event["usage"]["seconds"] < 10
        assert last.event["usage"]["seconds"] > 40
        truth = clip("two_cities").transcript
        assert word_errors([truth], [last.event["transcript"]]).rate <= 0.15


async def test_as_much_as_fits_into_one_event_is_taken_and_nobody_else_notices() -> None:
    most = base64.b64encode(bytes(60 * 48_000)).decode()
    async with live_server() as listening, neighbour(listening.url):
        async with RealtimeClient(listening.url) as client:
            await client.show_transcripts()
            await send(client, most)
            heard = await client.receive_until(COMPLETED)
            assert heard.event["usage"]["seconds"] == 60
            await client.send("response.create", response={"output_modalities": ["text"]})
            await client.receive_until("response.done", timeout_s=PATIENCE_S)
            check_trace(client.call.events())


async def test_a_longer_clip_than_the_settings_allow_is_refused() -> None:
    async with live_server(limits={"max_utterance_s": 10}) as listening:
        async with RealtimeClient(listening.url) as client:
            await send(client, base64.b64encode(bytes(11 * 48_000)).decode())
            error = (await client.receive_until("error", timeout_s=PATIENCE_S)).event["error"]
            assert (error["code"], error["param"]) == ("invalid_value", "item.content[0].audio")
            assert "11.0 s of audio; the clips of one event may last 10 s together" in error["message"]
