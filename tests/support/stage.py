"""A whole session in virtual time: scripted providers, the real dialect, a wire that is two queues.

A test tells a story, `play` runs it beside the session: everything the client was told is in `stage.wire`.
"""

import asyncio
import base64
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial
from typing import Any

import anyio
import numpy as np

from audio.formats import Samples
from audio.vad import Detector, WebRtcVad
from server.config.languages import PHRASES
from server.dialects.realtime.dialect import RealtimeDialect
from server.dialects.realtime.limits import RealtimeLimits
from server.dialects.voice.dialect import VoiceDialect
from server.dialects.voice.frames import Stream, pack_frame, unpack_frame
from server.domain.deadlines import Deadlines
from server.domain.ids import Ids
from server.domain.limits import Limits
from server.domain.loop_share import LoopShare
from server.domain.values import SessionConfig
from server.domain.wire import Dialect, Wire
from server.journal.detectors import door_vad
from server.journal.door import Door
from server.journal.seams import (
    DoorModel,
    DoorRecogniser,
    DoorToolServers,
    DoorTurnEnds,
    door_voice,
)
from server.journal.tools import door_tools
from server.journal.wires import DoorWire
from server.output.outbound import STEPS_A_TURN
from server.response.context import Pipelines
from server.response.prepared import Prepared
from server.session.services import Services
from server.session.session import Session
from server.session.turn_reports import NoObserver, Observer
from server.tools.mcp_policy import McpPolicy
from server.turntaking.echo_path import EchoCancellation
from server.turntaking.interruption import InterruptionPolicy
from stageflow.core import Stage as Answering
from stageflow.core import StageContext, StageKind, StageOutput
from stageflow.pipeline import Pipeline, PipelineGraph
from stageflow.stages.ports import AudioPorts, LLMPorts, StagePorts
from stageflow.tools import Tool, ToolRegistry
from stages.agent import AgentStage
from stages.agent_profile import AgentProfile
from stages.contract import PipelineHook
from stages.guard import GuardPolicy, GuardRule
from stages.pipeline import (
    StageWaits,
    VoicePipelineConfig,
    build_say_pipeline,
    live_pipelines,
    standard_pipeline,
)
from stages.ports import EndOfTurnModel, LanguageModel, Recogniser, ToolServers
from stages.router import Route, RouterStage
from stages.stt import SttStage
from stages.testing.fakes import Conduct, Heard, Said, ScriptedModel, ScriptedRecogniser, ScriptedVoice
from stages.testing.virtual_time import run_virtual, virtual_loop
from stages.tts import TtsStage

LONG = "One two three four five six seven eight nine ten. " * 6


AUDIO = "audio frame"
"""The type under which a wire shows binary frames among the events."""


def realtime(config: SessionConfig) -> Dialect:
    return RealtimeDialect(config)


def hosting(config: SessionConfig) -> Dialect:
    """A dialect whose client may name the servers of tools at `http://<name>/mcp`."""
    return RealtimeDialect(config, RealtimeLimits(hosting=McpPolicy(("http://tools", "http://other"))))


def voice_v1(config: SessionConfig) -> Dialect:
    return VoiceDialect(RealtimeDialect(config))


class QueueWire:
    """The client's end of a wire without a socket."""

    latency_s = 0.0
    buffered_bytes = 0
    close_code: int | None = None
    unsent_bytes = 0

    def __init__(self, is_prompt: bool = True) -> None:
        """One that `is_prompt` has frames heard as they come, as a socket does; a recorded one does not."""
        self.is_prompt = is_prompt
        self.closed: tuple[int, str] | None = None
        self.seen: list[tuple[float, dict[str, Any]]] = []
        self._frames: deque[str | bytes | None] = deque()
        self._listener: asyncio.Future[None] | None = None
        self._hear: Callable[[str | bytes], bool] | None = None
        self._has_seen = asyncio.Event()

    def say(self, type: str, **fields: Any) -> None:
        self.say_raw(json.dumps({"type": type, **fields}))

    def say_raw(self, frame: str | bytes) -> None:
        listener = self._listener
        if listener is None or listener.done():
            self._frames.append(frame)
        elif self._hear is None or not self._hear(frame):
            self._frames.append(frame)
            listener.set_result(None)

    def hear_by(self, hear: Callable[[str | bytes], bool]) -> None:
        self._hear = hear if self.is_prompt else None

    async def stream(self, frames: Iterable[str | bytes], every_s: float) -> None:
        """Say one after the other, the first in `every_s`.

        By timers, because a task that sleeps for each costs as much as a session that hears it.
        """
        loop, ahead, over = asyncio.get_running_loop(), iter(frames), asyncio.Event()
        began = loop.time()
        timer: asyncio.TimerHandle | None = None

        def plan(number: int) -> None:
            nonlocal timer
            frame = next(ahead, None)
            if frame is None:
                over.set()
            else:
                timer = loop.call_at(began + number * every_s, say, number, frame)

        def say(number: int, frame: str | bytes) -> None:
            self.say_raw(frame)
            plan(number + 1)

        plan(1)
        try:
            await over.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def hang_up(self) -> None:
        self._frames.append(None)
        self._wake_listener()

    async def receive(self) -> str | bytes | None:
        while not self._frames:
            self._listener = self._running_loop.create_future()
            await self._listener
        return self._frames.popleft()

    async def send(self, frame: str | bytes) -> None:
        event = {"type": AUDIO, **unpack_frame(frame)._asdict()} if isinstance(frame, bytes) else None
        self.seen.append((self._running_loop.time(), event or json.loads(frame)))
        self._has_seen.set()

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    async def until(self, type: str, count: int = 1) -> dict[str, Any]:
        """The `count`th event of a type."""
        while len(found := [event for _, event in self.seen if event["type"] == type]) < count:
            self._has_seen.clear()
            await self._has_seen.wait()
        return found[count - 1]

    def _wake_listener(self) -> None:
        if self._listener is not None and not self._listener.done():
            self._listener.set_result(None)

    @cached_property
    def _running_loop(self) -> asyncio.AbstractEventLoop:
        """To be asked for each frame, it costs as much as a tenth of hearing it."""
        return asyncio.get_running_loop()

    def types(self) -> list[str]:
        return [event["type"] for _, event in self.seen]

    def events(self) -> list[dict[str, Any]]:
        return [event for _, event in self.seen]


class SlowGuard:
    """Takes its time to decide, so that the agent is long ahead of it."""

    name = "slow_guard"
    kind = StageKind.GUARD

    def __init__(self, *, blocks: bool, delay_s: float = 1.0) -> None:
        self.blocks = blocks
        self._delay_s = delay_s

    async def execute(self, ctx: StageContext) -> StageOutput:
        await anyio.sleep(self._delay_s)
        if self.blocks:
            return StageOutput.cancel("blocked", {"blocked": True, "refusal": "I must not."})
        return StageOutput.ok(passed=True)


def guarded_by(guard: SlowGuard, config: VoicePipelineConfig, speaker: ScriptedVoice) -> PipelineGraph:
    return live_pipelines(
        Pipeline()
        .with_stage("stt", SttStage())
        .with_stage("guard", guard, dependencies=("stt",))
        .with_stage("router", RouterStage(config.routes, config.routes[0].name), dependencies=("stt",))
        .with_stage("agent", AgentStage(config.profiles), dependencies=("stt", "router"))
        .with_stage("tts", TtsStage(speaker), streams=("agent",))
    ).voice


def answered_by(agent: Answering, speaker: ScriptedVoice) -> PipelineGraph:
    """The pipeline of somebody who has written an agent of their own."""
    return live_pipelines(
        Pipeline()
        .with_stage("stt", SttStage())
        .with_stage("agent", agent, dependencies=("stt",))
        .with_stage("tts", TtsStage(speaker), streams=("agent",))
    ).voice


class Stage:
    """A session with scripted providers, and what the test may look at afterwards."""

    def __init__(
        self,
        *answers: str | Said,
        voice: Conduct = Conduct(),
        blocked: tuple[str, ...] = (),
        tools: tuple[Tool, ...] = (),
        guard: SlowGuard | None = None,
        agent: Answering | None = None,
        hook: PipelineHook | None = None,
        routes: tuple[Route, ...] = (Route("assistant"),),
        heard: str | Heard = "hello there",
        recogniser: Recogniser | None = None,
        chat: LanguageModel | None = None,
        speaker: Any = None,
        end_of_turn: EndOfTurnModel | None = None,
        new_vad: Callable[[], Detector] = WebRtcVad,
        interruption: InterruptionPolicy = InterruptionPolicy(),  # noqa: B008 - frozen
        config: SessionConfig = SessionConfig(),  # noqa: B008 - frozen
        dialect: Callable[[SessionConfig], Dialect] = realtime,
        observer: Observer | None = None,
        tool_servers: ToolServers | None = None,
        unreported_lead_ms: int = 1300,
        deadlines: Deadlines = Deadlines(),  # noqa: B008 - frozen
        prepared: Mapping[str, Prepared] | None = None,
        raises_impossible: bool = True,
        grace_s: float = 0.0,
        ids: Ids | None = None,
        share: LoopShare | None = None,
        door: Door | None = None,
        languages: tuple[str, ...] = ("en",),
        phrases: tuple[str, ...] = (),
        echo_cancellation: EchoCancellation | None = None,
        is_prompt: bool = True,
    ) -> None:
        self.wire = QueueWire(is_prompt)
        self.model = ScriptedModel(*answers)
        self.speaker = ScriptedVoice(voice)
        speaker, chat = speaker or self.speaker, chat or self.model
        recogniser = recogniser or ScriptedRecogniser(heard)
        wire: Wire = self.wire
        if door is not None:
            speaker, chat = door_voice(door, speaker), DoorModel(door, chat)
            recogniser, new_vad = DoorRecogniser(door, recogniser), partial(door_vad, door, new_vad)
            end_of_turn = None if end_of_turn is None else DoorTurnEnds(door, end_of_turn)
            tools = door_tools(door, "crew", partial(tuple[Tool, ...], tools))
            wire = DoorWire(door, 0, self.wire)
            tool_servers = None if tool_servers is None else DoorToolServers(door, tool_servers)
        rules = (GuardRule("blocked", blocked),) if blocked else ()
        stages = VoicePipelineConfig(
            tuple(AgentProfile(route.name, chat, f"You are the {route.name}.") for route in routes),
            routes,
            policy=GuardPolicy(
                rules, "I must not.", refusals={code: PHRASES[code].refusal for code in languages[1:]}
            ),
        )
        ports = StagePorts(llm=LLMPorts(tool_registry=ToolRegistry(tools)), audio=AudioPorts())
        waits = StageWaits(deadlines.recognise_s, deadlines.prepare_s, deadlines.first_token_s)
        live = live_pipelines(standard_pipeline(stages, speaker), hook, waits)
        voice_pipeline = live.voice
        if guard is not None:
            voice_pipeline = guarded_by(guard, stages, speaker)
        if agent is not None:
            voice_pipeline = answered_by(agent, speaker)
        services = Services(
            unreported_lead_ms=unreported_lead_ms,
            recogniser=recogniser,
            new_vad=new_vad,
            pipelines=Pipelines(
                voice=voice_pipeline,
                text=live.text,
                work=live.work,
                say=build_say_pipeline(speaker),
                say_text=build_say_pipeline(None),
                prepared=prepared or {},
                apologies={code: PHRASES[code].apology for code in languages},
                fillers={code: PHRASES[code].filler for code in languages},
            ),
            languages=languages,
            phrases=phrases,
            echo_cancellation=echo_cancellation,
            deadlines=deadlines,
            new_ports=lambda remind, owner: ports,
            limits=Limits(max_session_s=3600, max_idle_s=3600, max_unused_s=3600),
            voices=speaker.voices,
            end_of_turn=end_of_turn,
            tool_servers=tool_servers,
            interruption=interruption,
            observer=observer or NoObserver(),
            raises_impossible=raises_impossible,
            grace_s=grace_s,
            share=share or LoopShare(STEPS_A_TURN),
        )
        self.services = services
        self.session = Session(wire, dialect(config), services, config, ids=ids if door is None else door.ids)
        self.loop_turns = 0
        """How often the loop went round while the story was told."""

    def ask(self, text: str, modality: str = "audio") -> None:
        """Type something and ask for a response."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        self.wire.say("conversation.item.create", item=item)
        self.wire.say("response.create", response={"output_modalities": [modality]})


def play(stage_of: Callable[[], Stage], story: Callable[[Stage], Any]) -> Stage:
    """Run the story beside the session, hang up at its end, and hand back what there is to see."""

    async def main() -> Stage:
        stage = stage_of()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.session.run)
            with anyio.fail_after(3600):
                await story(stage)
            stage.loop_turns = virtual_loop().turns
            stage.wire.hang_up()
        return stage

    return run_virtual(main)


def voiced(seconds: float, rate_hz: int = 24_000) -> Samples:
    """Something that the detector takes for speech."""
    at = np.arange(int(rate_hz * seconds)) / rate_hz
    tone = np.sum([np.sin(2 * np.pi * 140 * n * at) / n for n in range(1, 20)], axis=0)
    return np.asarray(6_000 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * at))).astype("<i2")


def speech(seconds: float) -> list[str]:
    """The same as base64 frames of 20 ms."""
    samples = voiced(seconds)
    return [
        base64.b64encode(samples[start : start + 480].tobytes()).decode()
        for start in range(0, len(samples), 480)
    ]


async def speak(stage: Stage, seconds: float, silence_s: float = 0.7) -> None:
    silence = base64.b64encode(bytes(960)).decode()
    for audio in [*speech(seconds), *[silence] * int(silence_s * 50)]:
        stage.wire.say("input_audio_buffer.append", audio=audio)
        await anyio.sleep(0.02)


class Microphone:
    """The binary frames of one voice.v1 client's microphone."""

    def __init__(self, wire: QueueWire) -> None:
        self._wire = wire
        self._sent_samples = 0

    async def send(self, samples: Samples) -> None:
        """`int16[n]` at 24 kHz in frames of 20 ms, in real time."""
        for start in range(0, len(samples), 480):
            frame = samples[start : start + 480]
            data = frame.astype("<i2").tobytes()
            self._wire.say_raw(pack_frame(Stream.MICROPHONE, 0, self._sent_samples, data))
            self._sent_samples += len(frame)
            await anyio.sleep(0.02)

    async def speak(self, seconds: float, silence_s: float = 0.7) -> None:
        await self.send(voiced(seconds))
        await self.send(np.zeros(int(24_000 * silence_s), np.int16))
