"""An agent of one's own, as docs/turn-taking.md has it, says what it expects to hear, and the turn ends accordingly."""

import logging

import anyio
import pytest

from stageflow.core import StageContext, StageKind, StageOutput
from stages.ports import Expects
from stages.testing.fakes import ScriptedRecogniser
from tests.support.snippets import snippets
from tests.support.stage import Microphone, Stage, play, voice_v1
from tests.support.theatre import SEMANTIC

SAYS = "Then tell me how we get hold of you."


class FrontDesk:
    """Asks for a number, in words from which that cannot be told."""

    name = "agent"
    kind = StageKind.AGENT

    def __init__(self, expects: object) -> None:
        self._expects = expects

    async def execute(self, ctx: StageContext) -> StageOutput:
        assert ctx.ports.llm.send_token is not None
        await ctx.ports.llm.send_token(SAYS)
        await ctx.stream.send(SAYS)
        return StageOutput.ok(response=SAYS, expects=self._expects)


async def say_two_digits(stage: Stage) -> None:
    stage.ask("hello")
    await stage.wire.until("response.done")
    await anyio.sleep(3)  # the answer is played out
    await Microphone(stage.wire).speak(0.6, silence_s=2.0)
    await stage.wire.until("input_audio_buffer.committed")


def wait_ms(agent: FrontDesk) -> int:
    """How long, in the audio, the turn that says two digits lasts."""
    stage = play(
        lambda: Stage(heard="two nine", agent=agent, config=SEMANTIC, dialect=voice_v1), say_two_digits
    )
    (started, stopped) = (
        next(event for event in stage.wire.events() if event["type"] == f"input_audio_buffer.speech_{what}")
        for what in ("started", "stopped")
    )
    return int(stopped["audio_end_ms"]) - int(started["audio_start_ms"])


def test_a_phone_number_is_waited_for_when_the_agent_says_so() -> None:
    unsaid = wait_ms(FrontDesk(None))
    assert wait_ms(FrontDesk("phone")) >= unsaid + 250
    assert wait_ms(FrontDesk("free")) == unsaid


def test_the_recogniser_is_told_what_the_agent_expects_as_soon_as_the_person_speaks() -> None:
    recogniser = ScriptedRecogniser("two nine")
    play(
        lambda: Stage(recogniser=recogniser, agent=FrontDesk("phone"), config=SEMANTIC, dialect=voice_v1),
        say_two_digits,
    )
    assert [hints.expects for hints in recogniser.hints] == [Expects.PHONE]


@pytest.mark.parametrize(
    ("talks_over_s", "expects"),
    [(0.5, Expects.YES_NO), (2.5, Expects.PHONE)],
    ids=["before it is asked", "after it was asked"],
)
def test_who_talks_over_an_answer_answers_the_newest_question_that_was_heard(
    talks_over_s: float, expects: Expects
) -> None:
    recogniser = ScriptedRecogniser("two nine")

    async def story(stage: Stage) -> None:
        stage.ask("hello")
        await stage.wire.until("response.done")
        await anyio.sleep(5)  # the first question is played out
        stage.ask("yes")
        await anyio.sleep(talks_over_s)
        await Microphone(stage.wire).speak(0.6, silence_s=2.0)
        await stage.wire.until("input_audio_buffer.committed")

    new = "Good. And what is your phone number? " + "We keep it and tell nobody of it, " * 9
    play(
        lambda: Stage("Shall I?", new, recogniser=recogniser, config=SEMANTIC, dialect=voice_v1),
        story,
    )
    assert [hints.expects for hints in recogniser.hints] == [expects]


def test_the_agent_of_the_documentation_is_waited_for_alike() -> None:
    (snippet,) = snippets("docs/turn-taking.md").values()
    assert wait_ms(snippet.run({})["FrontDesk"]()) == wait_ms(FrontDesk("phone"))


def test_a_kind_of_answer_that_does_not_exist_is_logged_and_the_answer_stands(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello")
        await stage.wire.until("response.done")

    with caplog.at_level(logging.ERROR):
        stage = play(lambda: Stage(agent=FrontDesk("fone")), story)
    (done,) = (event for event in stage.wire.events() if event["type"] == "response.done")
    assert done["response"]["status"] == "completed"
    (said,) = (item["content"][0]["transcript"] for item in done["response"]["output"])
    assert said == SAYS, "nobody is asked to say it again"
    (record,) = caplog.records
    told = record.__dict__["pii.error"]
    assert "expects is 'fone'; use one of free, yes_no, number, phone, email, or leave it out" in told
