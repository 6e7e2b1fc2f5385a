"""The official `openai` client, as it is published, in a whole conversation with the server.

Everything is done through the client's own methods and read from its own typed events; only the order of the
wire is checked on the wire.
"""

import base64
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import numpy as np
import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime.realtime_session_create_request_param import RealtimeSessionCreateRequestParam
from websockets.exceptions import InvalidStatus

from audio.files import read_audio
from audio.formats import Samples
from audio.resample import Resampler
from tests.support.audio_maker import SPEECH_DIR
from tests.support.certificate import self_signed
from tests.support.live_server import live_server
from tests.support.snippets import snippets
from tests.support.stock_agent import ANSWER, CITY, TOOL, StockAgent
from tests.support.trace_checker import check_trace
from tests.support.wire_tap import wire_tap

pytestmark = pytest.mark.e2e

WIRE_HZ = 24_000
FRAME = WIRE_HZ // 50
DEADLINE_S = 15.0

SESSION: RealtimeSessionCreateRequestParam = {
    "type": "realtime",
    "instructions": "Count.",
    "audio": {
        "input": {
            "transcription": {"model": "gpt-4o-mini-transcribe"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
        },
        "output": {"voice": "marin"},
    },
}


@dataclass
class Caller:
    """A person with a microphone that is always on, behind an `openai` connection."""

    connection: AsyncRealtimeConnection
    _to_say: Samples = field(default_factory=lambda: np.zeros(0, np.int16))

    async def keep_sending(self) -> None:
        """Send what is to be said, and otherwise silence, in real time."""
        started_s, frames = anyio.current_time(), 0
        while True:
            frame, self._to_say = self._to_say[:FRAME], self._to_say[FRAME:]
            frame = np.pad(frame, (0, FRAME - len(frame)))
            await self.connection.input_audio_buffer.append(audio=base64.b64encode(frame.tobytes()).decode())
            frames += 1
            await anyio.sleep_until(started_s + frames * 0.02)

    async def say(self, name: str) -> None:
        """Begin to say a recorded clip."""
        samples, rate_hz = await anyio.to_thread.run_sync(read_audio, SPEECH_DIR / name)
        self._to_say = Resampler(rate_hz, WIRE_HZ).process(samples, last=True)

    async def until(self, type: str) -> Any:
        """Everything up to the next event of a type."""
        with anyio.fail_after(DEADLINE_S):
            while True:
                event = await self.connection.recv()
                if event.type == type:
                    return event

    async def type(self, text: str) -> None:
        """Write instead of speaking."""
        item: Any = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self.connection.conversation.item.create(item=item)
        await self.connection.response.create()


@asynccontextmanager
async def caller() -> AsyncIterator[Caller]:
    """A call that has begun, and whose trace is checked when it is over."""
    async with live_server(StockAgent()) as server, wire_tap(server.port) as tap:
        client = AsyncOpenAI(api_key="any", base_url=f"http://127.0.0.1:{tap.port}/v1")
        async with client, client.realtime.connect(model="gpt-realtime-2.1") as connection:
            yield Caller(connection)
        check_trace(tap.calls[0].events(), ended=False)


@asynccontextmanager
async def speaking(person: Caller) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(person.keep_sending)
        yield
        tasks.cancel_scope.cancel()


async def test_a_conversation_by_voice_with_an_interruption() -> None:
    async with caller() as person, speaking(person):
        created = await person.until("session.created")
        await person.connection.session.update(session=SESSION)
        updated = await person.until("session.updated")
        assert created.session.model == "gpt-realtime-2.1"
        assert updated.session.audio.input.turn_detection.interrupt_response is True
        assert updated.session.audio.output.voice == "marin"

        await person.say("cards_001.wav")
        started = await person.until("input_audio_buffer.speech_started")
        heard = await person.until("conversation.item.input_audio_transcription.completed")
        assert (heard.transcript, heard.item_id) == ("hello there", started.item_id)
        first = await person.until("response.output_audio.delta")
        assert len(base64.b64decode(first.delta)) > 0

        await person.say("cards_003.wav")
        await person.until("input_audio_buffer.speech_started")
        done = await person.until("response.done")
        assert (done.response.status, done.response.status_details.reason) == ("cancelled", "turn_detected")
        await cut_off(person, first.item_id)

        second = await person.until("response.output_audio.delta")
        assert second.response_id != first.response_id
        done = await person.until("response.done")
        assert done.response.status == "completed"
        assert done.response.output[0].content[0].transcript.strip() == ANSWER.strip()


async def cut_off(person: Caller, item_id: str) -> None:
    """Tell what was heard of an answer, and see that the rest is forgotten."""
    item = person.connection.conversation.item
    await item.truncate(item_id=item_id, content_index=0, audio_end_ms=700)
    assert (await person.until("conversation.item.truncated")).audio_end_ms == 700
    await item.retrieve(item_id=item_id)
    kept = (await person.until("conversation.item.retrieved")).item.content[0].transcript
    assert 0 < len(kept) < len(ANSWER) / 2
    assert ANSWER.startswith(kept)


async def test_a_turn_in_writing_is_answered_in_writing() -> None:
    async with caller() as person:
        await person.connection.session.update(session={"type": "realtime", "output_modalities": ["text"]})
        await person.type("hello")
        text = await person.until("response.output_text.done")
        done = await person.until("response.done")
        assert text.text.strip() == ANSWER.strip()
        assert done.response.usage.output_tokens > 0


async def test_a_recorded_clip_is_recognised_and_answered() -> None:
    async with caller() as person:
        await person.connection.session.update(session={**SESSION, "output_modalities": ["text"]})
        samples, rate_hz = await anyio.to_thread.run_sync(read_audio, SPEECH_DIR / "cards_001.wav")
        audio = base64.b64encode(Resampler(rate_hz, WIRE_HZ).process(samples, last=True).tobytes()).decode()
        content = [{"type": "input_text", "text": "Who is this?"}, {"type": "input_audio", "audio": audio}]
        item: Any = {"type": "message", "role": "user", "content": content}
        await person.connection.conversation.item.create(item=item)
        await person.connection.response.create()
        added = await person.until("conversation.item.added")
        assert [part.type for part in added.item.content] == ["input_text", "input_audio"]
        assert added.item.content[1].transcript is None
        heard = await person.until("conversation.item.input_audio_transcription.completed")
        assert (heard.transcript, heard.content_index) == ("hello there", 1)
        assert heard.item_id == added.item.id
        assert (await person.until("response.done")).response.status == "completed"
        await person.connection.conversation.item.retrieve(item_id=added.item.id)
        kept = (await person.until("conversation.item.retrieved")).item.content
        assert [part.text or part.transcript for part in kept] == ["Who is this?", "hello there"]


async def test_a_mistake_is_told_with_the_id_of_the_event_and_the_session_goes_on() -> None:
    async with caller() as person:
        await person.connection.response.cancel(event_id="mine")
        error = (await person.until("error")).error
        assert (error.code, error.event_id) == ("response_cancel_not_active", "mine")
        await person.type("hello")
        await person.until("response.output_audio.delta")
        await person.type("and again")
        assert (await person.until("error")).error.code == "conversation_already_has_active_response"
        await person.connection.response.cancel()
        done = await person.until("response.done")
        assert done.response.status_details.reason == "client_cancelled"


async def test_a_wrong_key_is_refused_and_the_right_one_is_not() -> None:
    async with live_server(api_keys="right") as server:
        client = AsyncOpenAI(api_key="wrong", websocket_base_url=f"ws://127.0.0.1:{server.port}/v1")
        async with client:
            with pytest.raises(InvalidStatus) as refused:
                await client.realtime.connect(model="any").enter()
            assert refused.value.response.status_code == 401
            client.api_key = "right"
            async with client.realtime.connect(model="any") as connection:
                assert (await connection.recv()).type == "session.created"


async def test_it_connects_over_tls(tmp_path: Path) -> None:
    certificate = await anyio.to_thread.run_sync(self_signed, tmp_path)
    async with live_server(None, **certificate.settings()) as server:
        client = AsyncOpenAI(api_key="any", base_url=f"https://127.0.0.1:{server.port}/v1")
        trusting: Any = {"ssl": certificate.client_context()}
        async with (
            client,
            client.realtime.connect(model="any", websocket_connection_options=trusting) as call,
        ):
            assert (await call.recv()).type == "session.created"


async def test_a_client_secret_of_its_own_opens_a_session() -> None:
    async with live_server(api_keys="right") as server:
        client = AsyncOpenAI(api_key="right", base_url=f"http://127.0.0.1:{server.port}/v1")
        async with client:
            session: Any = {"type": "realtime", "instructions": "Sell shoes."}
            secret = await client.realtime.client_secrets.create(session=session)
            client.api_key = secret.value
            async with client.realtime.connect(model="any") as connection:
                created: Any = await connection.recv()
                assert created.session.instructions == "Sell shoes."


async def test_what_the_documentation_says_runs_as_it_stands(tmp_path: Path) -> None:
    code = snippets("docs/clients.md")["openai in Python"].code
    async with live_server() as server:
        program = code.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
        done = await anyio.run_process([sys.executable, "-c", program], check=False)
    assert done.stdout.decode().strip() == "You said: Hello!", done.stderr.decode()


async def test_the_model_calls_a_function_of_the_client() -> None:
    async with caller() as person:
        parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
        await person.connection.session.update(
            session={
                "type": "realtime",
                "tools": [{"type": "function", "name": TOOL, "parameters": parameters}],
            }
        )
        await person.until("session.updated")
        await person.type("What is the weather?")
        called = await person.until("response.function_call_arguments.done")
        assert (called.name, called.arguments) == (TOOL, f'{{"city": "{CITY}"}}')
        await person.until("response.done")
        output: Any = {"type": "function_call_output", "call_id": called.call_id, "output": "sunny"}
        await person.connection.conversation.item.create(item=output)
        await person.connection.response.create()
        said = await person.until("response.output_audio_transcript.done")
        assert said.transcript == "I was told: sunny"
