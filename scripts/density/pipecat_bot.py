"""The bot that `scripts/bench-density` measures beside ours: Pipecat's FastAPI WebSocket transport with Silero.

It hears and answers as our server does there: Silero's detector, a pause of 500 ms that ends a turn, a recogniser that
takes 100 ms, a model that begins after 200 ms and says 50 tokens a second, a voice that begins after 100 ms. Audio is
plain PCM of 16 kHz in binary messages both ways, which costs Pipecat less than its own protobuf messages and no
resampling. Each session is a pipeline of its own.

Runs in an environment of its own, which `scripts/bench-density` makes: nothing of our server is imported here.
"""

import asyncio
import socket
import sys
from array import array
from collections.abc import AsyncGenerator
from math import sin, tau

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.audio.vad.vad_analyzer import VADParams
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.stt_service import SegmentedSTTService
from pipecat.services.tts_service import TTSService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.workers.runner import WorkerRunner

RATE_HZ = 16_000
WORDS = "Your table for four people is booked for eight tonight."
RECOGNISED_S, FIRST_TOKEN_S, TOKEN_S, FIRST_AUDIO_S = 0.1, 0.2, 0.02, 0.1
SPOKEN_S = 3.84
"""How long the answer is, as our scripted voice says it."""
HUM = array("h", (int(8000 * sin(tau * 200 * n / RATE_HZ)) for n in range(RATE_HZ // 10))).tobytes()
"""A tenth of a second of the voice."""


class PlainSerializer(FrameSerializer):
    """PCM and nothing else, in binary messages."""

    async def serialize(self, frame: Frame) -> str | bytes | None:
        return frame.audio if isinstance(frame, OutputAudioRawFrame) else None

    async def deserialize(self, data: str | bytes) -> Frame | None:
        assert isinstance(data, bytes)
        return InputAudioRawFrame(audio=data, sample_rate=RATE_HZ, num_channels=1)


class ScriptedRecogniser(SegmentedSTTService):
    """Hears the same words in everything."""

    async def run_stt(self, audio: bytes) -> AsyncGenerator[Frame | None, None]:
        await asyncio.sleep(RECOGNISED_S)
        yield TranscriptionFrame(text="what time is it now", user_id="", timestamp="")


class ScriptedModel(FrameProcessor):
    """Says the same words to everything, token by token."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if not isinstance(frame, LLMContextFrame):
            await self.push_frame(frame, direction)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        await asyncio.sleep(FIRST_TOKEN_S)
        for word in WORDS.split():
            await self.push_frame(LLMTextFrame(f"{word} "))
            await asyncio.sleep(TOKEN_S)
        await self.push_frame(LLMFullResponseEndFrame())


class ScriptedVoice(TTSService):
    """Says everything in the same time, as a hum."""

    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame | None, None]:
        await asyncio.sleep(FIRST_AUDIO_S)
        for _ in range(int(SPOKEN_S * 10)):
            yield TTSAudioRawFrame(HUM, RATE_HZ, 1, context_id=context_id)


def turn_taking() -> LLMContextAggregatorPair:
    """Finds turns as our server does; the pair of what hears the person and what keeps the answer."""
    return LLMContextAggregatorPair(
        LLMContext(),
        user_params=LLMUserAggregatorParams(
            vad_analyzer=SileroVADAnalyzer(params=VADParams(stop_secs=0.2)),
            # Together with the detector's 200 ms, the pause of 500 ms that ends a turn at our server.
            user_turn_strategies=UserTurnStrategies(
                stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.3)]
            ),
        ),
    )


app = FastAPI()


@app.websocket("/v1/realtime")
async def talk(websocket: WebSocket) -> None:
    """One session."""
    await websocket.accept()
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(
            audio_in_enabled=True,
            audio_out_enabled=True,
            audio_out_10ms_chunks=2,
            serializer=PlainSerializer(),
        ),
    )
    users, assistants = turn_taking()
    stages = [
        transport.input(),
        ScriptedRecogniser(sample_rate=16_000),
        users,
        ScriptedModel(),
        ScriptedVoice(
            sample_rate=RATE_HZ, push_start_frame=True, push_stop_frames=True, stop_frame_timeout_s=0.5
        ),
        transport.output(),
        assistants,
    ]
    params = PipelineParams(audio_in_sample_rate=RATE_HZ, audio_out_sample_rate=RATE_HZ)
    worker = PipelineWorker(Pipeline(stages), params=params, enable_rtvi=False)

    @transport.event_handler("on_client_disconnected")
    async def gone(*_: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


async def main() -> None:
    """Serve on a port of the system's choice, and print it."""
    from loguru import logger

    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="warning", loop="uvloop", ws_per_message_deflate=False)
        )
        print(listener.getsockname()[1], flush=True)
        await server.serve(sockets=[listener])


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
