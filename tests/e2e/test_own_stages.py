"""The stages of Building Stages, as they are written there, in the live pipeline of a server behind a real socket."""

import runpy
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import anyio
import numpy as np
import pytest

from server.client.client import RealtimeClient
from stageflow import Pipeline, StageContext, StageKind, StageOutput
from stages.contract import PipelineHook
from stages.guard import REFUSAL
from stages.testing.fakes import ScriptedModel
from stages.tts import TtsStage
from tests.support.live_server import LiveServer, ask, live_server
from tests.support.patience import PATIENCE_S
from tests.support.snippets import ROOT
from tests.support.stage import voiced

pytestmark = pytest.mark.e2e

PREPARED = 2
"""Sentences that are spoken ahead when a server starts."""


class TextToUpperStage:
    name = "text_to_upper"
    kind = StageKind.TRANSFORM

    async def execute(self, ctx: StageContext) -> StageOutput:
        text = ctx.snapshot.input_text or ""
        return StageOutput.ok(text=text.upper())


class ProfileEnrichStage:
    name = "profile_enrich"
    kind = StageKind.ENRICH

    def __init__(self, profile_service: Any) -> None:
        self.profile_service = profile_service

    async def execute(self, ctx: StageContext) -> StageOutput:
        user_id = ctx.snapshot.user_id
        if not user_id:
            return StageOutput.skip(reason="No user_id provided")

        profile = await self.profile_service.get_profile(user_id)
        return StageOutput.ok(
            profile={
                "display_name": profile.display_name,
                "preferences": profile.preferences,
            }
        )


class RouterStage:
    name = "router"
    kind = StageKind.ROUTE

    async def execute(self, ctx: StageContext) -> StageOutput:
        input_text = ctx.snapshot.input_text or ""

        # Simple keyword-based routing
        if "help" in input_text.lower():
            route = "support"
        elif "buy" in input_text.lower():
            route = "sales"
        else:
            route = "general"

        return StageOutput.ok(
            route=route,
            confidence=0.9,
        )


class InputGuardStage:
    name = "input_guard"
    kind = StageKind.GUARD

    async def execute(self, ctx: StageContext) -> StageOutput:
        input_text = ctx.snapshot.input_text or ""

        # Check for blocked content
        blocked_words = ["spam", "abuse"]
        for word in blocked_words:
            if word in input_text.lower():
                return StageOutput.cancel(
                    reason=f"Blocked content detected: {word}",
                    data={"blocked": True},
                )

        return StageOutput.ok(validated=True)


class PersistStage:
    name = "persist"
    kind = StageKind.WORK

    def __init__(self, db: Any) -> None:
        self.db = db

    async def execute(self, ctx: StageContext) -> StageOutput:
        inputs = ctx.config.get("inputs")
        response = inputs.get("response") if inputs else None

        if response:
            await self.db.save_interaction(
                session_id=ctx.snapshot.session_id,
                response=response,
            )

        return StageOutput.ok(persisted=True)


class ChatAgentStage:
    name = "chat_agent"
    kind = StageKind.AGENT

    def __init__(self, llm_client: Any, tool_registry: Any) -> None:
        self.llm_client = llm_client
        self.tool_registry = tool_registry

    async def execute(self, ctx: StageContext) -> StageOutput:
        messages: list[Any] = list(ctx.snapshot.messages)
        if ctx.snapshot.input_text:
            messages.append({"role": "user", "content": ctx.snapshot.input_text})

        # Call LLM
        response = await self.llm_client.chat(messages)

        # Execute any tool calls
        tool_results = []
        for tool_call in response.tool_calls:
            result = await self.tool_registry.execute(tool_call)
            tool_results.append(result)

        return StageOutput.ok(
            response=response.content,
            tool_results=tool_results,
        )


# --- what they are given --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Profile:
    display_name: str
    preferences: tuple[str, ...]


class Profiles:
    async def get_profile(self, user_id: str) -> Profile:
        return Profile(f"Ada of {user_id}", ("tea",))


@dataclass
class Database:
    """Keeps what is saved; each save may take its time."""

    delay_s: float = 0.0
    saved: list[tuple[str, str]] = field(default_factory=list)
    has_saved: anyio.Event = field(default_factory=anyio.Event)

    async def save_interaction(self, *, session_id: str, response: str) -> None:
        await anyio.sleep(self.delay_s)
        self.saved.append((session_id, response))
        self.has_saved.set()


@dataclass(frozen=True)
class Reply:
    content: str
    tool_calls: tuple[str, ...] = ("look",)


@dataclass
class Client:
    asked: list[Any] = field(default_factory=list)

    async def chat(self, messages: list[Any]) -> Reply:
        self.asked = messages
        return Reply("All of it at once. And a second sentence.")


@dataclass
class Tools:
    ran: list[str] = field(default_factory=list)

    async def execute(self, call: str) -> str:
        self.ran.append(call)
        return "seen"


# --- what a client sees ---------------------------------------------------------------------------------------


def serving(
    model: ScriptedModel, *, pipeline: PipelineHook, db: object = None, **settings: object
) -> AbstractAsyncContextManager[LiveServer]:
    """A server whose pipeline the hook has edited."""
    return live_server(model, pipeline=pipeline, db=db, **settings)


@dataclass(frozen=True)
class Answer:
    """One answer, as the client was told of it, and all that was spoken."""

    status: str
    metadata: dict[str, Any]
    transcript: str
    deltas: str
    spoken: str
    events: list[dict[str, Any]]


async def answer(
    live: LiveServer, text: str, *, modality: str = "audio", api_key: str | None = None, voice: bool = False
) -> Answer:
    """What is answered to a typed text."""
    async with RealtimeClient(live.url, api_key=api_key, voice=voice) as client:
        with anyio.fail_after(PATIENCE_S):
            await ask(client, text, modality)
            await client.receive_until("response.done")
        return seen(client, live)


def seen(client: RealtimeClient, live: LiveServer) -> Answer:
    events = client.call.events()
    done = next(event["response"] for event in events if event["type"] == "response.done")
    deltas = "".join(
        event["delta"]
        for event in events
        if event["type"] in ("response.output_audio_transcript.delta", "response.output_text.delta")
    )
    content = done["output"][-1]["content"][0] if done["output"] else {}
    words = content.get("transcript") or content.get("text") or ""
    requests = list(live.voice.requests)[PREPARED:]
    spoken = " ".join(request.text.strip() for request in requests)
    return Answer(done["status"], done.get("metadata") or {}, words, deltas, spoken, events)


def told(model: ScriptedModel) -> list[str]:
    """What the model was told last, but for its instructions."""
    messages = [f"{message.role}: {message.content}" for message in model.requests[-1].messages]
    return [message for message in messages if not message.startswith("system: You are")]


# --- the six --------------------------------------------------------------------------------------------------


async def test_the_transform_changes_what_the_agent_is_asked() -> None:
    model = ScriptedModel("Fine.")

    def hook(pipeline: Pipeline) -> Pipeline:
        return pipeline.insert("text_to_upper", TextToUpperStage, between=("stt", "agent"))

    async with serving(model, pipeline=hook) as live:
        heard = await answer(live, "how are you")
    assert told(model) == ["user: HOW ARE YOU"]
    assert heard.deltas == heard.transcript == "Fine."


async def test_a_spoken_turn_shows_its_words_to_the_stages() -> None:
    model = ScriptedModel("Fine.")

    def hook(pipeline: Pipeline) -> Pipeline:
        return pipeline.insert("text_to_upper", TextToUpperStage, between=("stt", "agent"))

    async with serving(model, pipeline=hook) as live, RealtimeClient(live.url) as client:
        with anyio.fail_after(PATIENCE_S):
            await client.speak(np.concatenate([voiced(1.0), np.zeros(48_000, np.int16)]), 24_000)
            await client.receive_until("response.done")
        assert seen(client, live).transcript == "Fine."
    assert told(model) == ["user: HELLO THERE"]


async def test_what_enriches_reaches_the_agents_prompt() -> None:
    model = ScriptedModel("Tea, Ada?")

    def hook(pipeline: Pipeline) -> Pipeline:
        return pipeline.insert("profile_enrich", ProfileEnrichStage(Profiles()), between=("stt", "agent"))

    async with serving(model, pipeline=hook, api_keys=("sesame",)) as live:
        await answer(live, "what do I like", api_key="sesame")
    known, asked = told(model)
    assert '"display_name": "Ada of key' in known
    assert '"preferences": ["tea"]' in known
    assert asked == "user: what do I like"


async def test_an_optional_stage_that_fails_does_not_cost_the_answer() -> None:
    async def fails(ctx: StageContext) -> StageOutput:
        raise ConnectionError("no profiles today")

    def hook(pipeline: Pipeline) -> Pipeline:
        return pipeline.insert("profile", fails, ("stt", "agent"), StageKind.ENRICH, optional=True)

    async with serving(ScriptedModel("All the same."), pipeline=hook) as live:
        heard = await answer(live, "hello")
    assert (heard.status, heard.transcript) == ("completed", "All the same.")


async def test_the_router_leads_to_agents_of_its_own() -> None:
    class Says:
        kind = StageKind.AGENT

        def __init__(self, words: str) -> None:
            self.words = words

        async def execute(self, ctx: StageContext) -> StageOutput:
            return StageOutput.ok(response=self.words)

    names = ("support", "sales", "general")

    def hook(pipeline: Pipeline) -> Pipeline:
        pipeline = pipeline.without("tts").without("agent").replace("router", RouterStage())
        for name in names:
            agent = Says(f"This is {name}.")
            pipeline = pipeline.with_stage(name, agent, dependencies=("router",), when=("router", name))
        return pipeline.with_stage("tts", TtsStage(source=names), streams=names)

    async with serving(ScriptedModel(), pipeline=hook) as live:
        assert (await answer(live, "Please help me")).transcript == "This is support."
        assert (await answer(live, "I want to buy tea", modality="text")).deltas == "This is sales."
        assert live.voice.requests[-1].text.strip() == "This is support."


async def test_a_guard_that_cancels_is_heard() -> None:
    model = ScriptedModel("Never.", "Fine.")

    def hook(pipeline: Pipeline) -> Pipeline:
        return pipeline.with_stage("input_guard", InputGuardStage, dependencies=("stt",))

    async with serving(model, pipeline=hook) as live:
        heard = await answer(live, "buy my spam")
    assert heard.transcript == heard.deltas == heard.spoken == REFUSAL
    assert heard.metadata == {"x_guard": "blocked"}


async def test_what_persists_is_never_waited_for() -> None:
    db = Database(delay_s=3600)

    def hook(pipeline: Pipeline) -> Pipeline:
        return pipeline.with_stage("persist", PersistStage(db), dependencies=("agent",))

    async with serving(ScriptedModel("Kept."), pipeline=hook) as live:
        assert (await answer(live, "hello")).transcript == "Kept."
    assert db.saved == []


async def test_what_was_answered_is_persisted() -> None:
    db = Database()

    async def persist(ctx: StageContext) -> StageOutput:
        return await PersistStage(ctx.ports.db).execute(ctx)

    def hook(pipeline: Pipeline) -> Pipeline:
        return pipeline.with_stage("persist", persist, StageKind.WORK, dependencies=("agent",))

    async with (
        serving(ScriptedModel("Kept."), pipeline=hook, db=db) as live,
        RealtimeClient(live.url) as client,
    ):
        with anyio.fail_after(PATIENCE_S):
            await ask(client)
            await client.receive_until("response.done")
            await db.has_saved.wait()
    [(session_id, response)] = db.saved
    assert session_id.startswith("sess_")
    assert response == "Kept."


async def test_an_agent_that_only_returns_its_answer_is_spoken() -> None:
    llm, tools = Client(), Tools()

    def hook(pipeline: Pipeline) -> Pipeline:
        return pipeline.replace("agent", ChatAgentStage(llm, tools))

    async with serving(ScriptedModel(), pipeline=hook) as live:
        heard = await answer(live, "hello")
        shown = await answer(live, "hello", modality="text")
    whole = "All of it at once. And a second sentence."
    assert heard.transcript == heard.deltas == heard.spoken == whole
    assert shown.transcript == shown.deltas == whole
    assert llm.asked[-1] == {"role": "user", "content": "hello"}
    assert tools.ran == ["look", "look"]


# --- between the agent and the voice ----------------------------------------------------------------------------


async def swap(ctx: StageContext) -> StageOutput:
    async for token in ctx.inputs.stream("agent"):
        await ctx.stream.send(token.replace("heck", "oh dear"))
    return StageOutput.ok()


def with_filter(pipeline: Pipeline) -> Pipeline:
    return pipeline.insert("filter", swap, ("agent", "tts"), StageKind.TRANSFORM)


async def test_a_filter_changes_what_is_said_shown_and_remembered() -> None:
    model = ScriptedModel("What the heck is that.", "Bye.")
    async with serving(model, pipeline=with_filter) as live, RealtimeClient(live.url) as client:
        with anyio.fail_after(PATIENCE_S):
            await ask(client, "hello")
            await client.receive_until("response.done")
            heard = seen(client, live)
            await ask(client, "and then", "text")
            await client.receive_until("response.done")
    assert heard.transcript == heard.deltas == heard.spoken == "What the oh dear is that."
    assert told(model)[:2] == ["user: hello", "assistant: What the oh dear is that."]


class OutputGuard:
    """Judges whole sentences, and passes on what may be said."""

    kind = StageKind.GUARD

    async def execute(self, ctx: StageContext) -> StageOutput:
        sentence = ""
        async for token in ctx.inputs.stream("agent"):
            sentence += token
            if sentence.rstrip().endswith("."):
                if "secret" in sentence:
                    return StageOutput.cancel("a secret", {"refusal": "I may not say that."})
                await ctx.stream.send(sentence)
                sentence = ""
        await ctx.stream.send(sentence)
        return StageOutput.ok()


def guarded(pipeline: Pipeline) -> Pipeline:
    return pipeline.insert("output_guard", OutputGuard(), between=("agent", "tts"))


async def test_an_output_guard_judges_before_a_word_is_audible() -> None:
    model = ScriptedModel("It is noon. The secret is out. Nothing of this.", "Bye.")
    async with serving(model, pipeline=guarded) as live, RealtimeClient(live.url) as client:
        with anyio.fail_after(PATIENCE_S):
            await ask(client, "hello")
            await client.receive_until("response.done")
            heard = seen(client, live)
            await ask(client, "and then", "text")
            await client.receive_until("response.done")
    assert "secret" not in heard.spoken + heard.deltas
    assert heard.deltas.endswith("I may not say that.")
    assert heard.transcript == "I may not say that."
    assert told(model)[0] == "user: hello", "the person has said nothing wrong"


LONG = " ".join(f"Sentence {number} has just six words." for number in range(100))


async def test_an_answer_of_600_words_is_heard_from_its_first_sentence_on() -> None:
    async with serving(ScriptedModel(LONG), pipeline=guarded) as live, RealtimeClient(live.url) as client:
        with anyio.fail_after(PATIENCE_S):
            await ask(client, "hello")
            await client.receive_until("response.output_audio.delta")
            assert "response.done" not in {event["type"] for event in client.call.events()}


class WholeAnswerGuard:
    """Decides when all of the answer has been written."""

    kind = StageKind.GUARD

    def __init__(self) -> None:
        self.words = 0

    async def execute(self, ctx: StageContext) -> StageOutput:
        self.words = len(ctx.inputs.get_from("agent", "text").split())
        return StageOutput.ok()


async def test_a_guard_that_judges_the_whole_answer_does_not_wait_for_itself() -> None:
    guard = WholeAnswerGuard()

    def hook(pipeline: Pipeline) -> Pipeline:
        return pipeline.with_stage("whole", guard, dependencies=("agent",))

    async with (
        serving(ScriptedModel(LONG), pipeline=hook) as live,
        RealtimeClient(live.url) as client,
    ):
        with anyio.fail_after(PATIENCE_S):
            await ask(client, "hello")
            await client.receive_until("response.output_audio.delta")
    assert guard.words == 600


async def test_what_stages_tell_reaches_the_client() -> None:
    async def chart(ctx: StageContext) -> StageOutput:
        ctx.emit_event("chart.drawn", {"points": 3})
        ctx.add_artifact("chart", {"data": [1, 2, 3]})
        await ctx.ports.send_status("chart", "completed", {"data": {"result": 1}})
        return StageOutput.ok(chart_generated=True)

    def hook(pipeline: Pipeline) -> Pipeline:
        return pipeline.insert("chart", chart, between=("stt", "agent"))

    async with serving(ScriptedModel("Look."), pipeline=hook) as live:
        heard = await answer(live, "draw", voice=True)
        plain = await answer(live, "draw")
    [event, status] = [event for event in heard.events if event["type"] == "x_event"]
    assert (event["stage"], event["name"], event["data"]) == ("chart", "chart.drawn", {"points": 3})
    assert (status["name"], status["data"]["status"]) == ("status", "completed")
    [artifact] = [event for event in heard.events if event["type"] == "x_artifact"]
    assert (artifact["name"], artifact["data"]) == ("chart", {"data": [1, 2, 3]})
    assert not any(event["type"].startswith("x_") for event in plain.events)


# --- the documents' examples ------------------------------------------------------------------------------------


async def example(name: str) -> PipelineHook:
    path = str(ROOT / "docs" / "examples" / name)
    hook: PipelineHook = (await anyio.to_thread.run_sync(runpy.run_path, path))["pipeline"]
    return hook


async def test_the_example_of_own_stages(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "own_stage")
    model = ScriptedModel("Please utilize the door.")
    async with serving(model, pipeline=await example("own_stage.py")) as live:
        heard = await answer(live, "how do I get in")
    assert heard.deltas == heard.spoken == "Please use the door."
    assert told(model)[0].endswith('profile: {"name": "Ada", "likes": ["tea"]}')
    assert "'how do I get in' was answered by 'Please utilize the door.'" in caplog.text


async def test_the_example_of_an_output_guard() -> None:
    hook = await example("guard_output.py")
    async with serving(ScriptedModel("It is GUARANTEED to rise."), pipeline=hook) as live:
        heard = await answer(live, "should I buy")
    assert heard.deltas == heard.spoken == "I cannot promise that."
    async with serving(ScriptedModel("It may rise."), pipeline=hook) as live:
        assert (await answer(live, "should I buy")).spoken == "It may rise."
