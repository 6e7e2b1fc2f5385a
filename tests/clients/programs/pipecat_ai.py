"""A Pipecat pipeline around `OpenAIRealtimeLLMService`: python pipecat_ai.py SCENE URL CLIP (see
tests/clients/README.md)."""

import asyncio
import json
import sys
import time
from pathlib import Path

from loguru import logger
from pipecat.frames.frames import InputAudioRawFrame, LLMRunFrame, OutputAudioRawFrame, StartFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.realtime import events
from pipecat.services.openai.realtime.llm import OpenAIRealtimeLLMService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

HZ = 24_000
FRAME_BYTES = 2 * HZ // 50

scene, url, clip = sys.argv[1], sys.argv[2], Path(sys.argv[3]).read_bytes()
report = {"heard": [], "said": [], "audio_bytes": 0, "interrupted": 0, "tool": None, "errors": []}
to_say = b""


class Microphone(BaseInputTransport):
    """Always on; silent unless there is something to say."""

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self._listening = self.create_task(self._listen())

    async def cleanup(self) -> None:
        await self.cancel_task(self._listening)
        await super().cleanup()

    async def _listen(self) -> None:
        global to_say
        while True:
            frame, to_say = to_say[:FRAME_BYTES], to_say[FRAME_BYTES:]
            await self.push_audio_frame(InputAudioRawFrame(frame.ljust(FRAME_BYTES, b"\0"), HZ, 1))
            await asyncio.sleep(0.02)


class Loudspeaker(BaseOutputTransport):
    """Plays in real time; the person talks over the first two answers, one of which is the greeting."""

    answers, silent_since_s = 0, 0.0

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        global to_say
        if time.monotonic() - self.silent_since_s > 0.3:
            self.answers += 1
            to_say = clip if scene == "talk" and self.answers <= 2 else b""
        report["audio_bytes"] += len(frame.audio)
        await asyncio.sleep(len(frame.audio) / (2 * HZ))
        self.silent_since_s = time.monotonic()
        return True


async def get_weather(params: FunctionCallParams, city: str) -> None:
    """How the weather is in a city.

    Args:
        city: The city.
    """
    report["tool"] = city
    await params.result_callback("sunny")


async def main() -> None:
    session = events.SessionProperties(
        instructions="Count.",
        audio=events.AudioConfiguration(
            input=events.AudioInput(transcription=events.InputAudioTranscription())
        ),
    )
    llm = OpenAIRealtimeLLMService(
        api_key="any", base_url=url, settings=OpenAIRealtimeLLMService.Settings(session_properties=session)
    )
    first = "What is the weather?" if scene == "tool" else "Greet the caller."
    context = LLMContext([{"role": "user", "content": first}], tools=[get_weather])
    aggregators = LLMContextAggregatorPair(context)
    params = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    pipeline = Pipeline(
        [Microphone(params), aggregators.user(), llm, Loudspeaker(params), aggregators.assistant()]
    )
    worker = PipelineWorker(
        pipeline, params=PipelineParams(audio_in_sample_rate=HZ, audio_out_sample_rate=HZ)
    )

    @worker.event_handler("on_pipeline_started")
    async def on_started(worker, frame) -> None:
        await worker.queue_frames([LLMRunFrame()])

    @worker.event_handler("on_pipeline_error")
    async def on_error(worker, frame) -> None:
        report["errors"].append(frame.error)

    @aggregators.user().event_handler("on_user_turn_message_added")
    async def on_heard(aggregator, message) -> None:
        report["heard"].append(message.content)

    @aggregators.assistant().event_handler("on_assistant_turn_stopped")
    async def on_said(aggregator, message) -> None:
        report["said"].append(message.content)
        report["interrupted"] += message.interrupted
        told = report["tool"] and message.content
        if len(report["said"]) == 3 if scene == "talk" else told:
            await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    print(json.dumps(report))


logger.remove()
logger.add(sys.stderr, level="WARNING")
asyncio.run(asyncio.wait_for(main(), 120))
