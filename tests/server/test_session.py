"""A whole session in virtual time: scripted providers, the real dialect, a wire that is two queues."""

import base64
import json
from collections import deque
from collections.abc import Callable
from typing import Any

import anyio
import numpy as np
import pytest

from audio.vad import WebRtcVad
from server.answer import Pipelines
from server.dialects.realtime import RealtimeDialect
from server.events import SessionConfig
from server.session import Services, Session
from server.settings import Limits
from stageflow.core import StageContext, StageKind, StageOutput
from stageflow.pipeline import Pipeline, PipelineGraph
from stageflow.stages.ports import AudioPorts, LLMPorts, StagePorts
from stageflow.tools import Tool, ToolCall, ToolRegistry
from stages.agent import AgentProfile, AgentStage
from stages.errors import ProviderError
from stages.fakes import Conduct, Said, ScriptedModel, ScriptedRecogniser, ScriptedVoice
from stages.guard import GuardPolicy, GuardRule
from stages.pipeline import (
    VoicePipelineConfig,
    build_say_pipeline,
    build_text_pipeline,
    build_voice_pipeline,
)
from stages.router import Route, RouterStage
from stages.stt import SttStage
from stages.tts import TtsStage
from tests.support.trace_checker import check_trace
from tests.support.virtual_time import run_virtual

LONG = "One two three four five six seven eight nine ten. " * 6


class QueueWire:
    """The client's end of a wire without a socket."""

    latency_s = 0.0

    def __init__(self) -> None:
        self.closed: tuple[int, str] | None = None
        self.seen: list[tuple[float, dict[str, Any]]] = []
        self._frames: deque[str | None] = deque()
        self._changed = anyio.Event()

    def say(self, type: str, **fields: Any) -> None:
        self._frames.append(json.dumps({"type": type, **fields}))
        self._wake()

    def hang_up(self) -> None:
        self._frames.append(None)
        self._wake()

    async def receive(self) -> str | bytes | None:
        while not self._frames:
            await self._change()
        return self._frames.popleft()

    async def send(self, frame: str | bytes) -> None:
        self.seen.append((anyio.current_time(), json.loads(frame)))
        self._wake()

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    async def until(self, type: str, count: int = 1) -> dict[str, Any]:
        """The `count`th event of a type."""
        while len(found := [event for _, event in self.seen if event["type"] == type]) < count:
            await self._change()
        return found[count - 1]

    def types(self) -> list[str]:
        return [event["type"] for _, event in self.seen]

    def events(self) -> list[dict[str, Any]]:
        return [event for _, event in self.seen]

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _change(self) -> None:
        await self._changed.wait()


class SlowGuard:
    """Takes its time to decide, so that the agent is long ahead of it."""

    name = "slow_guard"
    kind = StageKind.GUARD

    def __init__(self, *, blocks: bool, delay_s: float = 1.0) -> None:
        self._blocks = blocks
        self._delay_s = delay_s

    async def execute(self, ctx: StageContext) -> StageOutput:
        await anyio.sleep(self._delay_s)
        if self._blocks:
            return StageOutput.cancel("blocked", {"blocked": True, "refusal": "I must not."})
        return StageOutput.ok(passed=True)


def guarded_by(guard: SlowGuard, model: ScriptedModel, speaker: ScriptedVoice) -> PipelineGraph:
    return (
        Pipeline()
        .with_stage("stt", SttStage())
        .with_stage("guard", guard, dependencies=("stt",))
        .with_stage("router", RouterStage((Route("assistant"),), "assistant"), dependencies=("stt",))
        .with_stage("agent", AgentStage((AgentProfile("assistant", model),)), dependencies=("stt", "router"))
        .with_stage("tts", TtsStage(speaker), streams=("agent",))
        .build()
    )


class Stage:
    """A session with scripted providers, and what the test may look at afterwards."""

    def __init__(
        self,
        *answers: str | Said,
        voice: Conduct = Conduct(),
        blocked: tuple[str, ...] = (),
        tools: tuple[Tool, ...] = (),
        guard: SlowGuard | None = None,
    ) -> None:
        self.wire = QueueWire()
        self.model = ScriptedModel(*answers)
        speaker = ScriptedVoice(voice)
        rules = (GuardRule("blocked", blocked),) if blocked else ()
        config = VoicePipelineConfig(
            (AgentProfile("assistant", self.model),), policy=GuardPolicy(rules, "I must not.")
        )
        ports = StagePorts(llm=LLMPorts(tool_registry=ToolRegistry(tools)), audio=AudioPorts())
        voice_pipeline = build_voice_pipeline(config, speaker)
        if guard is not None:
            voice_pipeline = guarded_by(guard, self.model, speaker)
        services = Services(
            recogniser=ScriptedRecogniser("hello there"),
            new_vad=WebRtcVad,
            pipelines=Pipelines(
                voice=voice_pipeline,
                text=build_text_pipeline(config),
                say=build_say_pipeline(speaker),
                say_text=build_say_pipeline(None),
            ),
            new_ports=lambda session: ports,
            limits=Limits(max_session_s=3600),
        )
        session_config = SessionConfig()
        self.session = Session(self.wire, RealtimeDialect(session_config), services, session_config)

    def ask(self, text: str, modality: str = "audio") -> None:
        """Type something and ask for a reply."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        self.wire.say("conversation.item.create", item=item)
        self.wire.say("response.create", response={"output_modalities": [modality]})


def play(stage_of: Callable[[], Stage], story: Callable[[Stage], Any]) -> Stage:
    """Run the story beside the session, hang up at its end, and hand back what there is to see."""

    async def main() -> Stage:
        stage = stage_of()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.session.run)
            with anyio.fail_after(300):
                await story(stage)
            stage.wire.hang_up()
        return stage

    return run_virtual(main)


def speech(seconds: float) -> list[str]:
    """Base64 frames of 20 ms of something that the detector takes for speech."""
    at = np.arange(int(24_000 * seconds)) / 24_000
    tone = sum(np.sin(2 * np.pi * 140 * n * at) / n for n in range(1, 20))
    samples = (6_000 * tone * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * at))).astype("<i2")
    return [
        base64.b64encode(samples[start : start + 480].tobytes()).decode()
        for start in range(0, len(samples), 480)
    ]


async def speak(stage: Stage, seconds: float, silence_s: float = 0.7) -> None:
    silence = base64.b64encode(bytes(960)).decode()
    for audio in [*speech(seconds), *[silence] * int(silence_s * 50)]:
        stage.wire.say("input_audio_buffer.append", audio=audio)
        await anyio.sleep(0.02)


def test_a_spoken_turn_is_answered_and_the_trace_is_in_order() -> None:
    async def story(stage: Stage) -> None:
        await speak(stage, 1.0)
        await stage.wire.until("response.done")

    stage = play(lambda: Stage("Hello to you."), story)
    check_trace(stage.wire.events())
    assert stage.model.requests[0].messages[-1].content == "hello there"
    assert stage.wire.closed == (1000, "")


def test_barge_in_lets_no_audio_out_though_the_voice_does_not_obey() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until("response.output_audio.delta")
        await speak(stage, 1.0, 0.0)
        await stage.wire.until("response.done")
        await anyio.sleep(6.0)

    stage = play(lambda: Stage(LONG, "Yes?", voice=Conduct(gap_s=0.05, stubborn_s=5.0)), story)
    types = stage.wire.types()
    started = types.index("input_audio_buffer.speech_started")
    assert "response.output_audio.delta" in types[:started]
    assert "response.output_audio.delta" not in types[started:]
    done = stage.wire.events()[types.index("response.done")]
    assert done["response"]["status"] == "cancelled"


def test_the_model_is_given_only_what_was_heard_of_an_interrupted_answer() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until("response.output_audio.delta")
        await anyio.sleep(2.0)
        await speak(stage, 1.0)
        await stage.wire.until("response.done", 2)

    stage = play(lambda: Stage(LONG, "Yes?"), story)
    remembered = next(message for message in stage.model.requests[1].messages if message.role == "assistant")
    assert remembered.content.endswith("[interrupted by the user]")
    heard = remembered.content.removesuffix(" [interrupted by the user]")
    assert LONG.startswith(heard)
    assert 0 < len(heard) < len(LONG) / 2


@pytest.mark.parametrize("blocks", [False, True])
def test_a_tool_with_effects_waits_for_the_guard(blocks: bool) -> None:
    called_at: dict[str, float] = {}

    async def look() -> str:
        """Look for a table."""
        called_at["look"] = anyio.current_time()
        return "free"

    async def book() -> str:
        """Book a table."""
        called_at["book"] = anyio.current_time()
        return "booked"

    async def story(stage: Stage) -> None:
        stage.ask("a table")
        await stage.wire.until("response.done")

    calls = (ToolCall("c1", "look", "{}"), ToolCall("c2", "book", "{}"))
    tools = (Tool.of(look, effect="none"), Tool.of(book, effect="irreversible"))
    play(lambda: Stage(Said(calls=calls), "Done.", tools=tools, guard=SlowGuard(blocks=blocks)), story)
    assert called_at.pop("look") < 1.0
    assert ("book" in called_at) == (not blocks)
    assert called_at.get("book", 1.0) >= 1.0


@pytest.mark.parametrize("blocks", [False, True])
def test_nothing_of_an_answer_leaves_before_the_guard_has_passed(blocks: bool) -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello")
        await stage.wire.until("response.done")

    stage = play(lambda: Stage("Hello to you.", guard=SlowGuard(blocks=blocks)), story)
    deltas = ("response.output_audio_transcript.delta", "response.output_audio.delta")
    assert min(at for at, event in stage.wire.seen if event["type"] in deltas) >= 1.0
    said = [event["delta"] for event in stage.wire.events() if event["type"] == deltas[0]]
    assert "".join(said) == ("I must not." if blocks else "Hello to you.")
    check_trace(stage.wire.events())


def test_typed_words_that_were_blocked_never_reach_the_model() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("a forbidden word", "text")
        await stage.wire.until("response.done")
        stage.ask("hello", "text")
        await stage.wire.until("response.done", 2)

    stage = play(lambda: Stage("One.", "Two.", blocked=("forbidden",)), story)
    contents = [message.content for message in stage.model.requests[-1].messages]
    assert "a forbidden word" not in contents


def test_a_text_reply_refuses_in_text() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("a forbidden word", "text")
        await stage.wire.until("response.done")

    stage = play(lambda: Stage("No.", blocked=("forbidden",)), story)
    said = [event["delta"] for event in stage.wire.events() if event["type"] == "response.output_text.delta"]
    assert "".join(said) == "I must not."
    assert "response.output_audio.delta" not in stage.wire.types()
    check_trace(stage.wire.events())


def test_a_failing_model_is_apologised_for_and_the_session_goes_on() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello")
        first = await stage.wire.until("response.done")
        assert first["response"]["status"] == "failed"
        await anyio.sleep(10)
        stage.ask("again")
        assert (await stage.wire.until("response.done", 2))["response"]["status"] == "completed"

    broken = Said(text="", conduct=Conduct(fails=ProviderError))
    stage = play(lambda: Stage(broken, "Better."), story)
    apology = next(e for e in stage.wire.events() if e["type"] == "response.output_audio_transcript.done")
    assert "Sorry" in apology["transcript"]


def test_a_model_that_never_answers_is_given_up_and_said_so() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello")
        first = await stage.wire.until("response.done")
        assert first["response"]["status"] == "failed"

    hanging = Said(text="", conduct=Conduct(hangs=True))
    stage = play(lambda: Stage(hanging), story)
    assert "response.output_audio.delta" in stage.wire.types()


def test_a_turn_that_is_stuck_fails_and_is_apologised_for_aloud() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello")
        await stage.wire.until("response.done", 2)

    stage = play(lambda: Stage("Hello.", guard=SlowGuard(blocks=False, delay_s=1000)), story)
    first, second = (event["response"] for event in stage.wire.events() if event["type"] == "response.done")
    assert (first["status"], first["output"]) == ("failed", [])
    assert "Sorry" in second["output"][0]["content"][0]["transcript"]
    check_trace(stage.wire.events())


@pytest.mark.parametrize("state", ["listening", "hearing", "thinking", "speaking"])
def test_hanging_up_in_any_state_ends_the_session(state: str) -> None:
    async def story(stage: Stage) -> None:
        await stage.wire.until("session.created")
        if state == "hearing":
            await speak(stage, 1.0, 0.0)
            await stage.wire.until("input_audio_buffer.speech_started")
        if state in ("thinking", "speaking"):
            stage.ask("talk")
            await stage.wire.until("response.created")
        if state == "speaking":
            await stage.wire.until("response.output_audio.delta")

    answer = Said(text="late", conduct=Conduct(delay_s=5.0)) if state == "thinking" else Said(text=LONG)
    stage = play(lambda: Stage(answer), story)  # returns only when every task of the session has ended
    assert stage.wire.closed == (1000, "")
    assert stage.wire.types()[0] == "session.created"


def test_a_session_that_is_too_old_is_told_and_closed() -> None:
    async def main() -> Stage:
        stage = Stage("hello")
        await stage.session.run()
        return stage

    stage = run_virtual(main)
    assert stage.wire.closed is not None
    assert stage.wire.closed[0] == 1001
    assert stage.wire.events()[-1]["error"]["code"] == "session_expired"


def test_a_second_reply_while_one_is_active_is_refused_by_the_requests_id() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("talk")
        await stage.wire.until("response.output_audio.delta")
        stage.wire.say("response.create", event_id="mine")
        error = (await stage.wire.until("error"))["error"]
        assert error["code"] == "conversation_already_has_active_response"
        assert error["event_id"] == "mine"
        stage.wire.say("response.cancel")
        await stage.wire.until("response.done")

    stage = play(lambda: Stage(LONG), story)
    check_trace(stage.wire.events())
