"""What a client configures, for the session or for one response, is what model, voice and router are given."""

from typing import Any

import anyio
import pytest

from stages.ports import NOTHING_SAID
from stages.router import Route
from stages.testing.fakes import Conduct, Said
from tests.support.stage import LONG, SlowGuard, Stage, play, speak
from tests.support.trace_checker import check_trace


def told(stage: Stage, request: int = -1) -> list[tuple[str, str]]:
    """What the model was told, by whom."""
    return [(message.role, message.content) for message in stage.model.requests[request].messages]


def profile_of(stage: Stage, request: int) -> str:
    """The instructions of the agent that was asked."""
    return told(stage, request)[0][1]


def configured(**session: Any) -> Stage:
    async def story(stage: Stage) -> None:
        stage.wire.say("session.update", session=session)
        stage.ask("hello")
        await stage.wire.until("response.done")

    return play(lambda: Stage("One two three four."), story)


def asked_for(session: dict[str, Any], response: dict[str, Any]) -> Stage:
    """A response that is asked for with settings of its own."""

    async def story(stage: Stage) -> None:
        stage.wire.say("session.update", session=session)
        stage.wire.say("response.create", response=response)
        await stage.wire.until("response.done")

    return play(lambda: Stage("One two three four."), story)


def test_the_voice_speaks_by_the_sessions_settings() -> None:
    stage = configured(audio={"output": {"voice": "marin", "speed": 1.25}})
    assert [(request.voice, request.speed) for request in stage.speaker.requests] == [("marin", 1.25)]


def test_without_a_voice_of_the_clients_the_server_chooses() -> None:
    assert configured().speaker.requests[0].voice is None


def test_refusals_and_apologies_are_spoken_by_the_same_voice() -> None:
    async def story(stage: Stage) -> None:
        stage.wire.say("session.update", session={"audio": {"output": {"voice": "marin", "speed": 1.25}}})
        stage.ask("a forbidden word")
        await stage.wire.until("response.done")

    stage = play(lambda: Stage("No.", blocked=("forbidden",)), story)
    spoken = stage.speaker.requests[-1]
    assert (spoken.text, spoken.voice, spoken.speed) == ("I must not.", "marin", 1.25)


def test_an_answer_ends_at_the_sessions_limit_of_tokens_and_says_why() -> None:
    stage = configured(max_output_tokens=2)
    assert stage.model.requests[0].max_tokens == 2
    done = next(event["response"] for event in stage.wire.events() if event["type"] == "response.done")
    assert done["status"] == "incomplete"
    assert done["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert done["output"][0]["content"][0]["transcript"] == "One two"
    assert done["output"][0]["status"] == "incomplete"
    check_trace(stage.wire.events())


@pytest.mark.parametrize(("wanted", "given"), [(3, 3), ("inf", None)])
def test_one_response_may_have_a_limit_of_its_own(wanted: int | str, given: int | None) -> None:
    stage = asked_for({"max_output_tokens": 2}, {"max_output_tokens": wanted})
    assert stage.model.requests[0].max_tokens == given
    created = next(event["response"] for event in stage.wire.events() if event["type"] == "response.created")
    assert created["max_output_tokens"] == wanted


def test_one_response_may_have_a_voice_and_instructions_of_its_own() -> None:
    session = {"instructions": "Be brief.", "audio": {"output": {"voice": "marin"}}}
    output = {"voice": "cedar", "speed": 0.75}
    stage = asked_for(session, {"instructions": "Greet.", "audio": {"output": output}})
    assert ("system", "Greet.") in told(stage)
    assert ("system", "Be brief.") not in told(stage)
    spoken = stage.speaker.requests[0]
    assert (spoken.voice, spoken.speed) == ("cedar", 0.75)
    created = next(event["response"] for event in stage.wire.events() if event["type"] == "response.created")
    assert created["audio"]["output"]["voice"] == "cedar"


def test_a_response_to_nothing_is_the_models_to_give() -> None:
    stage = asked_for({}, {"instructions": "Greet the caller."})
    assert told(stage)[-2:] == [("system", "Greet the caller."), ("user", NOTHING_SAID)]
    done = next(event["response"] for event in stage.wire.events() if event["type"] == "response.done")
    assert done["output"][0]["content"][0]["transcript"] == "One two three four."
    check_trace(stage.wire.events())


def test_after_an_answer_the_model_may_be_asked_to_go_on() -> None:
    async def story(stage: Stage) -> None:
        stage.ask("hello", "text")
        await stage.wire.until("response.done")
        stage.wire.say("response.create", response={"output_modalities": ["text"]})
        await stage.wire.until("response.done", 2)

    stage = play(lambda: Stage("One.", "Two."), story)
    assert told(stage)[-3:] == [("user", "hello"), ("assistant", "One."), ("user", NOTHING_SAID)]


def test_speech_without_words_still_gets_no_answer() -> None:
    async def story(stage: Stage) -> None:
        await speak(stage, 1.0)
        await stage.wire.until("conversation.item.done")
        await anyio.sleep(5)

    stage = play(lambda: Stage("Hello.", heard=""), story)
    assert not stage.model.requests
    assert "response.created" not in stage.wire.types()


# --- routes -----------------------------------------------------------------------------------------------

ROUTES = (Route("assistant"), Route("concierge", ("table",)), Route("weather", ("forbidden",)))


def test_a_conversation_stays_on_its_route() -> None:
    async def story(stage: Stage) -> None:
        for count, words in enumerate(("hello", "a table please", "for four"), 1):
            stage.ask(words, "text")
            await stage.wire.until("response.done", count)

    stage = play(lambda: Stage("Yes.", routes=ROUTES), story)
    assert [profile_of(stage, n) for n in range(3)] == [
        "You are the assistant.",
        "You are the concierge.",
        "You are the concierge.",
    ]


@pytest.mark.parametrize("until", ["response.created", "response.output_audio.delta"])
def test_a_turn_that_was_interrupted_has_chosen_the_route_all_the_same(until: str) -> None:
    async def story(stage: Stage) -> None:
        stage.ask("a table please")
        await stage.wire.until(until)
        await anyio.sleep(0.5)
        await speak(stage, 1.0)
        await stage.wire.until("response.done", 2)

    slow = Said(LONG, conduct=Conduct(delay_s=2.0 if until == "response.created" else 0.0))
    stage = play(lambda: Stage(slow, "Yes.", routes=ROUTES, heard="for four"), story)
    assert profile_of(stage, -1) == "You are the concierge."


def test_a_response_beside_the_conversation_chooses_no_route_for_it() -> None:
    async def story(stage: Stage) -> None:
        item = {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "a table please"}],
        }
        stage.wire.say("conversation.item.create", item=item)
        stage.wire.say("response.create", response={"conversation": "none", "output_modalities": ["text"]})
        await stage.wire.until("response.done")
        stage.ask("for four", "text")
        await stage.wire.until("response.done", 2)

    stage = play(lambda: Stage("Yes.", routes=ROUTES), story)
    assert [profile_of(stage, n) for n in range(2)] == ["You are the concierge.", "You are the assistant."]


def test_blocked_words_choose_no_route() -> None:
    guard = SlowGuard(blocks=False)  # slow, so that the router has long decided

    async def story(stage: Stage) -> None:
        for count, words in enumerate(("a table please", "a forbidden word", "for four"), 1):
            guard.blocks = count == 2
            stage.ask(words)
            await stage.wire.until("response.done", count)
            await anyio.sleep(10)

    stage = play(lambda: Stage("Yes.", routes=ROUTES, guard=guard), story)
    assert profile_of(stage, -1) == "You are the concierge."
