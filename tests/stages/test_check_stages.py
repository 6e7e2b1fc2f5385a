"""Every stage of the voice pipeline keeps the rules of a stage, as `stageflow.testing.check_stage` has them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from stageflow import ContextSnapshot, Message, Stage, StagePorts, Tool, ToolCall, ToolRegistry
from stageflow.testing import check_stage, run_stage
from stages.agent import AgentStage
from stages.agent_profile import AgentProfile
from stages.errors import ProviderBusy
from stages.guard import GuardPolicy, GuardRule, GuardStage
from stages.router import Route, RouterStage
from stages.say import SayStage
from stages.stt import SttStage
from stages.testing.fakes import (
    Conduct,
    EchoModel,
    Heard,
    Said,
    ScriptedModel,
    ScriptedRecogniser,
    ScriptedVoice,
)
from stages.tts import TtsStage
from tests.support.listener import Listener, speak_into

SLOW = Conduct(delay_s=0.005, gap_s=0.002)
BREAKS = Conduct(fails=ProviderBusy, after=1)
STUBBORN = Conduct(delay_s=0.1, stubborn_s=0.15)
ASKED = ContextSnapshot(
    input_text="What time is it?", messages=(Message("user", "Hello."), Message("assistant", "Hello!"))
)
WORDS = ("What ", "time ", "is ", "it? ", "It ", "is ", "noon.")
HEARD = {"stt": {"text": "What time is it?"}}


async def clock() -> str:
    """Tells the time."""
    return "noon"


def speaking(heard: Heard) -> StagePorts:
    """Somebody listens, and has just said this."""
    return Listener().ports(speak_into(ScriptedRecogniser(heard).open()))


@dataclass(frozen=True)
class Situation:
    """A stage, and what it meets. `ports` are made anew for each test."""

    stage: Stage
    ports: Callable[[], StagePorts] = lambda: Listener().ports()
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    streams: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    snapshot: ContextSnapshot = ASKED

    @property
    def given(self) -> dict[str, Any]:
        """The keywords of `check_stage` and `run_stage`."""
        return {
            "ports": self.ports(),
            "inputs": self.inputs,
            "streams": self.streams,
            "snapshot": self.snapshot,
        }


def agent(model: Any, *tools: Tool) -> AgentStage:
    return AgentStage((AgentProfile("general", model, tools=ToolRegistry(tools)),))


TO_AGENT = {**HEARD, "router": {"route": "general"}}
SPAM = GuardPolicy((GuardRule("adverts", words=("spam",)),))
CALLS = ScriptedModel(Said("Let me see.", (ToolCall("1", "clock"),), conduct=SLOW), "It is noon.")

SITUATIONS = {
    "stt, typed": Situation(SttStage()),
    "stt, spoken": Situation(SttStage(), lambda: speaking(Heard("What time is it?", conduct=SLOW))),
    "stt, silence": Situation(SttStage(), lambda: speaking(Heard(""))),
    "stt, breaks": Situation(SttStage(), lambda: speaking(Heard("Hi.", conduct=Conduct(fails=ProviderBusy)))),
    "guard, passes": Situation(GuardStage(SPAM), inputs=HEARD),
    "guard, blocks": Situation(GuardStage(SPAM), inputs={"stt": {"text": "Buy my spam!"}}),
    "router": Situation(
        RouterStage((Route("general"), Route("billing", ("invoice",))), "general"), inputs=HEARD
    ),
    "agent": Situation(agent(EchoModel(conduct=SLOW)), inputs=TO_AGENT),
    "agent, with a tool": Situation(agent(CALLS, Tool.of(clock, effect="none")), inputs=TO_AGENT),
    "agent, breaks": Situation(agent(ScriptedModel(Said("One, two.", conduct=BREAKS))), inputs=TO_AGENT),
    "tts": Situation(TtsStage(ScriptedVoice(SLOW)), streams={"agent": WORDS}),
    "tts, nobody listens": Situation(TtsStage(ScriptedVoice()), StagePorts, streams={"agent": WORDS}),
    "tts, breaks": Situation(TtsStage(ScriptedVoice(BREAKS)), streams={"agent": WORDS}),
    "say": Situation(SayStage()),
    "say, nothing": Situation(SayStage(), snapshot=ContextSnapshot()),
}

OUTCOMES = {
    "stt, silence": "cancel", "stt, breaks": "fail", "guard, blocks": "cancel", "agent, breaks": "fail",
    "tts, nobody listens": "skip", "tts, breaks": "fail",
}  # fmt: skip
"""How they end that do not end well, so that each situation is the one that it claims to be."""


@pytest.mark.parametrize("name", SITUATIONS)
async def test_a_stage_keeps_the_rules(name: str) -> None:
    situation = SITUATIONS[name]
    await check_stage(situation.stage, **situation.given)
    output = await run_stage(situation.stage, **situation.given)
    assert output.status == OUTCOMES.get(name, "ok")


def test_every_stage_of_the_package_is_checked() -> None:
    kinds = {type(situation.stage) for situation in SITUATIONS.values()}
    assert kinds == {SttStage, GuardStage, RouterStage, AgentStage, TtsStage, SayStage}


@pytest.mark.parametrize(
    "situation",
    [
        Situation(SttStage(), lambda: speaking(Heard("Hi.", conduct=STUBBORN))),
        Situation(agent(EchoModel(conduct=STUBBORN)), inputs=TO_AGENT),
        Situation(TtsStage(ScriptedVoice(STUBBORN)), streams={"agent": WORDS}),
    ],
    ids=["stt", "agent", "tts"],
)
async def test_a_provider_that_does_not_stop_is_found_out(situation: Situation) -> None:
    with pytest.raises(AssertionError, match=r"cancelled: after .* it ends \d+ ms later; 50 ms are allowed"):
        await check_stage(situation.stage, **situation.given)


async def test_a_stage_that_takes_its_ports_for_granted_is_found_out() -> None:
    class Careless(SayStage):
        async def execute(self, ctx: Any) -> Any:
            await ctx.ports.llm.send_token(ctx.snapshot.input_text)

    with pytest.raises(
        AssertionError, match="stage 'agent' breaks the rules:\n- without ports: it raises TypeError"
    ):
        await check_stage(Careless(), ports=Listener().ports())
