"""The words of a turn, spoken or typed, and turns without any."""

import anyio
import pytest

from stageflow.context import ContextSnapshot
from stageflow.core import StageStatus
from stageflow.stages.ports import AudioPorts, StagePorts
from stageflow.testing import run_stage
from stages.errors import ProviderBusy
from stages.stt import SttStage
from stages.testing.fakes import Conduct, Heard, ScriptedRecogniser
from stages.testing.virtual_time import virtual
from tests.support.listener import Listener, speak_into

NOTHING = ContextSnapshot()


async def test_what_was_said_goes_to_the_pipeline_and_to_the_client() -> None:
    listener = Listener()
    utterance = speak_into(ScriptedRecogniser("  What time is it? ").open())
    output = await run_stage(SttStage(), snapshot=NOTHING, ports=listener.ports(utterance))
    assert output.status is StageStatus.OK
    assert output.data["text"] == "What time is it?"
    assert (output.data["language"], output.data["no_speech"]) == ("en", 0.0)
    assert listener.transcripts == ["What time is it?"]


async def test_nobody_need_want_the_transcript() -> None:
    ports = StagePorts(audio=AudioPorts(audio_in=speak_into(ScriptedRecogniser("Yes.").open())))
    output = await run_stage(SttStage(), snapshot=NOTHING, ports=ports)
    assert output.data["text"] == "Yes."


async def test_typed_words_pass_and_are_no_transcript() -> None:
    listener = Listener()
    snapshot = ContextSnapshot(input_text="  Hi. ")
    output = await run_stage(SttStage(), snapshot=snapshot, ports=listener.ports())
    assert (output.status, output.data["text"]) == (StageStatus.OK, "Hi.")
    assert listener.transcripts == []


@pytest.mark.parametrize("heard", ["", "  ", "...", "\u2014 !"])
async def test_a_turn_without_words_declines(heard: str) -> None:
    listener = Listener()
    utterance = speak_into(ScriptedRecogniser(heard).open())
    output = await run_stage(SttStage(), snapshot=NOTHING, ports=listener.ports(utterance))
    assert output.status is StageStatus.CANCEL
    assert output.data["declined"] is True
    assert listener.transcripts == []


@pytest.mark.parametrize("typed", [None, "", " \n"])
async def test_a_turn_without_audio_and_text_declines(typed: str | None) -> None:
    output = await run_stage(SttStage(), snapshot=ContextSnapshot(input_text=typed))
    assert (output.status, output.data["declined"]) == (StageStatus.CANCEL, True)


async def test_an_agent_that_is_to_speak_first_needs_no_words() -> None:
    unprompted = {"unprompted": True}
    output = await run_stage(SttStage(), snapshot=ContextSnapshot(input_text=""), config=unprompted)
    assert (output.status, output.data["text"]) == (StageStatus.OK, "")
    utterance = speak_into(ScriptedRecogniser("").open())
    spoken = Listener().ports(utterance)
    output = await run_stage(SttStage(), snapshot=NOTHING, ports=spoken, config=unprompted)
    assert output.status is StageStatus.CANCEL


async def test_a_recogniser_that_fails_is_named() -> None:
    utterance = speak_into(ScriptedRecogniser(Heard("Hi.", conduct=Conduct(fails=ProviderBusy))).open())
    output = await run_stage(SttStage(), snapshot=NOTHING, ports=Listener().ports(utterance))
    assert (output.status, output.data["error_type"]) == (StageStatus.FAIL, "ProviderBusy")


@virtual
async def test_cancelled_it_leaves_the_utterance_as_it_was() -> None:
    utterance = speak_into(ScriptedRecogniser(Heard("Hi.", conduct=Conduct(delay_s=0.05))).open())
    with anyio.move_on_after(0.01) as scope:
        await run_stage(SttStage(), snapshot=NOTHING, ports=Listener().ports(utterance))
    assert scope.cancelled_caught
    assert (await utterance.final()).text == "Hi."
