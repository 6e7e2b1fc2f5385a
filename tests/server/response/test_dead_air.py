"""Whatever is late or hangs, the person is told aloud, in time, and by a voice that needs nobody."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import anyio
import pytest

from server.domain.deadlines import Deadlines
from server.response.prepared import Prepared, prepare
from stageflow import Pipeline, StageContext, StageKind, StageOutput
from stages.agent_profile import AgentLimits
from stages.errors import ProviderBusy, ProviderError, ProviderRejected
from stages.testing.fakes import Conduct, Said, ScriptedVoice
from stages.testing.virtual_time import run_virtual
from tests.support.stage import SlowGuard, Stage, play, realtime, speak, voice_v1
from tests.support.trace_checker import check_trace

DONE, AUDIO = "response.done", "response.output_audio.delta"
APOLOGY = "Sorry, something went wrong on my side. Please say that again."
FILLER = "One moment, please."
HANGS = Conduct(hangs=True)


def spoken_ahead() -> dict[str, Prepared]:
    async def main() -> dict[str, Prepared]:
        return dict(await prepare(ScriptedVoice(), (APOLOGY, FILLER), 10.0))

    return run_virtual(main)


PREPARED = spoken_ahead()
AheadStage = partial(Stage, prepared=PREPARED)


async def ask(stage: Stage, modality: str = "audio") -> None:
    stage.ask("hello", modality)
    await stage.wire.until(DONE)


def done(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = next(event for event in stage.wire.events() if event["type"] == DONE)
    return dict(found["response"])


def done_at(stage: Stage) -> float:
    return next(at for at, event in stage.wire.seen if event["type"] == DONE)


def said(stage: Stage) -> list[str]:
    parts = [item["content"][0] for item in done(stage)["output"]]
    return [part.get("transcript") or part.get("text") for part in parts]


class HungGuard(SlowGuard):
    def __init__(self) -> None:
        super().__init__(blocks=False, delay_s=3600.0)


def test_a_guard_that_hangs_is_told_of_and_lets_nothing_out() -> None:
    stage = play(lambda: AheadStage("Secret.", guard=HungGuard()), ask)
    assert done(stage)["status"] == "failed"
    assert said(stage)[-1] == APOLOGY
    assert "Secret." not in said(stage)
    assert done_at(stage) < 16


class HungRouter:
    """Never says whose the answer is, or fails after a while."""

    name, kind = "router", StageKind.ROUTE

    def __init__(self, fails_after_s: float = 3600.0) -> None:
        self._fails_after_s = fails_after_s

    async def execute(self, ctx: StageContext) -> StageOutput:
        await anyio.sleep(self._fails_after_s)
        return StageOutput.fail("no route")


def routed_by(router: HungRouter) -> Callable[[Pipeline], Pipeline]:
    return lambda pipeline: pipeline.replace("router", router)


def first_audio_at(stage: Stage) -> float:
    return next(at for at, event in stage.wire.seen if event["type"] == AUDIO)


def test_a_guard_that_hangs_beside_a_quick_model_is_filled_in_for_with_nothing_of_the_answer() -> None:
    stage = play(lambda: AheadStage("Secret.", guard=HungGuard()), ask)
    assert first_audio_at(stage) < 3.0
    assert said(stage) == [FILLER, APOLOGY]
    assert "Secret" not in str(stage.wire.events())
    check_trace(stage.wire.events())


async def speak_and_hear(stage: Stage) -> None:
    await speak(stage, 1.0)
    await stage.wire.until(DONE)
    stage.wire.say("input_audio_buffer.clear")


@pytest.mark.parametrize("begins", [ask, speak_and_hear])
def test_a_router_that_hangs_is_filled_in_for_and_apologised_for(begins: Any) -> None:
    stage = play(lambda: AheadStage("Never said.", hook=routed_by(HungRouter())), begins)
    turn_at = next(
        (at for at, event in stage.wire.seen if event["type"] == "input_audio_buffer.speech_stopped"), 0.0
    )
    assert first_audio_at(stage) - turn_at < 3.0
    assert (done(stage)["status"], said(stage)) == ("failed", [FILLER, APOLOGY])
    assert done_at(stage) - turn_at < 20
    assert not stage.model.requests
    check_trace(stage.wire.events())


def test_a_router_that_fails_late_is_apologised_for_and_the_next_question_is_answered() -> None:
    async def story(stage: Stage) -> None:
        await ask(stage)
        await ask(stage)
        await stage.wire.until(DONE, 2)

    stage = play(lambda: AheadStage(hook=routed_by(HungRouter(fails_after_s=6.0))), story)
    ends = [event["response"]["status"] for event in stage.wire.events() if event["type"] == DONE]
    assert ends == ["failed", "failed"]
    assert first_audio_at(stage) < 3.0
    check_trace(stage.wire.events())


async def hung(ctx: StageContext) -> None:
    await anyio.sleep(3600.0)


async def halts(ctx: StageContext) -> None:
    text = ""
    async for token in ctx.inputs.stream("agent"):
        text += token
        await ctx.stream.send(token)
        if "Three" in text:
            await anyio.sleep(3600.0)


OwnStages = Callable[[Pipeline], Pipeline]


def looked_up(*, optional: bool = False, timeout_s: float | None = None) -> OwnStages:
    def hook(pipeline: Pipeline) -> Pipeline:
        looking = pipeline.with_stage(
            "look_up", hung, StageKind.ENRICH, ("stt",), optional=optional, timeout_s=timeout_s
        )
        return looking.rewire("agent", dependencies=("stt", "router", "look_up"))

    return hook


def beside(after: str) -> OwnStages:
    return lambda pipeline: pipeline.with_stage("look_up", hung, StageKind.ENRICH, (after,), optional=True)


@pytest.mark.parametrize("begins", [ask, speak_and_hear])
@pytest.mark.parametrize(
    ("hook", "status", "words", "by_s"),
    [
        (looked_up(), "failed", [FILLER, APOLOGY], 10.0),
        (looked_up(optional=True), "completed", [FILLER, "Here it is."], 8.0),
        (looked_up(optional=True, timeout_s=0.5), "completed", ["Here it is."], 2.0),
        (beside("stt"), "completed", ["Here it is."], 6.0),
        (beside("agent"), "completed", ["Here it is."], 6.0),
        (lambda pipeline: pipeline.replace("stt", hung), "failed", [FILLER, APOLOGY], 15.0),
    ],
)
def test_a_stage_of_ones_own_that_hangs_costs_seconds(
    hook: OwnStages, status: str, words: list[str], by_s: float, begins: Any
) -> None:
    stage = play(lambda: AheadStage("Here it is.", hook=hook), begins)
    turn_at = next(
        (at for at, event in stage.wire.seen if event["type"] == "input_audio_buffer.speech_stopped"), 0.0
    )
    assert first_audio_at(stage) - turn_at < 3.0
    assert (done(stage)["status"], said(stage)) == (status, words)
    assert done_at(stage) - turn_at < by_s
    check_trace(stage.wire.events())


def test_a_stage_that_hangs_in_the_middle_of_what_is_said_is_apologised_for() -> None:
    def halting(pipeline: Pipeline) -> Pipeline:
        return pipeline.insert("halting", halts, ("agent", "tts"), StageKind.TRANSFORM)

    limit_s = Deadlines().think_s
    stage = play(lambda: AheadStage("One. Two. Three. Four.", hook=halting), ask)
    assert (done(stage)["status"], said(stage)) == ("failed", ["One. Two. Three.", APOLOGY])
    assert limit_s < done_at(stage) < limit_s + 6.0
    check_trace(stage.wire.events())


def test_what_was_held_behind_the_filler_is_told_after_it_when_the_guard_lets_it_pass() -> None:
    slow = SlowGuard(blocks=False, delay_s=6.0)
    stage = play(lambda: AheadStage("Here it is.", guard=slow), ask)
    assert first_audio_at(stage) < 3.0
    assert (done(stage)["status"], said(stage)) == ("completed", [FILLER, "Here it is."])
    check_trace(stage.wire.events())


def test_what_was_held_behind_the_filler_is_told_after_it_in_a_spoken_turn_too() -> None:
    async def story(stage: Stage) -> None:
        await speak(stage, 1.0)
        await stage.wire.until(DONE)

    stage = play(lambda: AheadStage("Here it is.", guard=SlowGuard(blocks=False, delay_s=6.0)), story)
    assert (done(stage)["status"], said(stage)) == ("completed", [FILLER, "Here it is."])
    assert stage.wire.types().count("response.created") == 1
    check_trace(stage.wire.events())


def test_a_voice_ten_times_slower_begins_with_the_filler() -> None:
    stage = play(lambda: AheadStage("Here it is.", voice=Conduct(delay_s=4.5)), ask)
    assert first_audio_at(stage) < 3.0
    assert (done(stage)["status"], said(stage)) == ("completed", [f"{FILLER} Here it is."])
    check_trace(stage.wire.events())


def test_a_voice_that_hangs_after_the_text_began_is_filled_in_for_and_apologised_for() -> None:
    stage = play(lambda: AheadStage("Here it is.", voice=HANGS), ask)
    assert first_audio_at(stage) < 3.0
    assert said(stage) == [f"{FILLER} ", APOLOGY]
    check_trace(stage.wire.events())


def test_a_voice_that_hangs_is_apologised_for_aloud() -> None:
    stage = play(lambda: AheadStage("Fine.", voice=HANGS), ask)
    assert said(stage)[-1] == APOLOGY
    assert done(stage)["status"] == "failed"
    sent = sum(len(event["delta"]) for event in stage.wire.events() if event["type"] == AUDIO)
    assert sent * 3 / 4 >= len(PREPARED[APOLOGY].data)


def test_a_model_that_stalls_is_waited_for_while_there_is_something_to_hear_and_no_longer() -> None:
    stalls = Said("One two three four five. And then", conduct=Conduct(hangs=True, after=7))
    stage = play(lambda: AheadStage(stalls), ask)
    assert done(stage)["status"] == "failed"
    assert said(stage)[-1] == APOLOGY
    times = [at for at, event in stage.wire.seen if event["type"] == AUDIO]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert 4.5 < max(gaps) < 7.0, "less than the lead more"


def test_a_model_that_pauses_while_it_is_heard_is_no_error() -> None:
    pauses = Said("One two three four five six seven eight. " * 3 + "Nine.", conduct=Conduct(gap_s=0.01))
    late = Said(pauses.text, conduct=Conduct(gap_s=0.3))
    stage = play(lambda: AheadStage(late), ask)
    assert done(stage)["status"] == "completed"


def test_an_answer_without_an_end_is_cut_at_its_limit() -> None:
    endless = "One two three four five six seven eight nine ten. " * 100
    stage = play(lambda: AheadStage(endless, "Better.", deadlines=Deadlines(speak_s=20.0)), ask)
    assert done(stage)["status"] == "incomplete"
    assert done(stage)["status_details"]["reason"] == "max_output_tokens"
    assert 18 < done_at(stage) < 22


def test_an_answer_in_writing_may_take_long_and_one_that_hangs_is_not_apologised_for_aloud() -> None:
    slow = Said("word " * 45, conduct=Conduct(gap_s=1.0))
    stage = play(lambda: AheadStage(slow), partial(ask, modality="text"))
    assert (done(stage)["status"], done_at(stage) > 40) == ("completed", True)

    async def story(stage: Stage) -> None:
        await ask(stage, "text")
        await anyio.sleep(60)

    stage = play(lambda: AheadStage("Never.", guard=HungGuard()), partial(ask, modality="text"))
    assert AUDIO not in stage.wire.types()


@pytest.mark.parametrize(
    ("error", "requests"), [(ProviderError, 2), (ProviderBusy, 2), (ProviderRejected, 1)]
)
def test_a_request_that_fails_before_its_first_sign_is_made_once_more(
    error: type[ProviderError], requests: int
) -> None:
    stage = play(lambda: AheadStage(Said("", conduct=Conduct(fails=error)), "Here."), ask)
    assert len(stage.model.requests) == requests
    assert said(stage) == (["Here."] if requests == 2 else [APOLOGY])


def test_a_request_that_fails_twice_or_after_its_first_sign_is_not() -> None:
    stage = play(lambda: AheadStage(Said("", conduct=Conduct(fails=ProviderError))), ask)
    assert len(stage.model.requests) == 2
    assert said(stage) == [APOLOGY]
    breaks = Said("One two", conduct=Conduct(fails=ProviderError, after=1))
    assert len(play(lambda: AheadStage(breaks), ask).model.requests) == 1
    assert AgentLimits().first_token_s > 1.0


SLOW = Said("Here it is.", conduct=Conduct(delay_s=7.0))


@pytest.mark.parametrize("dialect", [realtime, voice_v1])
def test_something_is_heard_within_three_seconds_and_the_answer_after_it(dialect: Any) -> None:
    stage = play(lambda: AheadStage(SLOW, dialect=dialect), ask)
    kind = AUDIO if dialect is realtime else "audio frame"
    times = [at for at, event in stage.wire.seen if event["type"] == kind]
    assert times[0] == pytest.approx(2.5, abs=0.1)
    assert max(times) > 6.9
    assert (done(stage)["status"], said(stage)) == ("completed", [FILLER, "Here it is."])
    if dialect is realtime:
        check_trace(stage.wire.events())


def test_the_answer_waits_until_the_filler_has_been_heard() -> None:
    soon = Said("Here it is.", conduct=Conduct(delay_s=2.6))
    stage = play(lambda: AheadStage(soon), ask)
    length_s = PREPARED[FILLER].duration_ms / 1000
    sent = [at for at, event in stage.wire.seen if event["type"] == AUDIO]
    assert min(at for at in sent if at > 2.55) >= 2.5 + length_s - 0.001
    check_trace(stage.wire.events())


@pytest.mark.parametrize("at_s", [3.2, 5.0])
def test_who_cancels_after_the_filler_is_told(at_s: float) -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello")
        await anyio.sleep(at_s)
        stage.wire.say("response.cancel")
        await stage.wire.until(DONE)
        await anyio.sleep(20)

    stage = play(lambda: AheadStage(SLOW), story)
    assert (done(stage)["status"], len(said(stage))) == ("cancelled", 1)
    check_trace(stage.wire.events())


def test_the_filler_of_a_spoken_turn_ends_with_its_answer_or_its_apology() -> None:
    async def story(stage: Stage) -> None:
        await speak(stage, 1.0)
        await stage.wire.until(DONE)

    for answer, status in ((SLOW, "completed"), (Said("", conduct=HANGS), "failed")):
        stage = play(partial(AheadStage, answer), story)
        assert (done(stage)["status"], said(stage)[0]) == (status, FILLER)
        assert stage.wire.types().count("response.created") == 1
        check_trace(stage.wire.events())


def test_an_answer_in_writing_has_no_filler() -> None:
    stage = play(lambda: AheadStage(SLOW), partial(ask, modality="text"))
    assert said(stage) == ["Here it is."]
