"""Whatever befalls a provider, alone or in a chain: the turn ends aloud, in time, and no word is said twice."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from server.domain.deadlines import Deadlines
from server.response.prepared import Prepared, prepare
from stages.errors import ErrorKind, ProviderBusy, ProviderError, ProviderRejected
from stages.ports import Speech, Transcript, TurnBegan, TurnHeard, TurnOver
from stages.providers.cut_turns import as_recogniser
from stages.providers.failover import model as models
from stages.providers.failover import recogniser as recognisers
from stages.providers.failover import voice as voices
from stages.testing.fakes import Conduct, Heard, Said, ScriptedModel, ScriptedRecogniser, ScriptedVoice
from stages.testing.turn_fakes import At, ScriptedTurns
from stages.testing.virtual_time import run_virtual
from tests.support.stage import Stage, play, realtime, speak, voice_v1
from tests.support.trace_checker import check_trace

AUDIO, DONE = "response.output_audio.delta", "response.done"
HEARD, ANSWER = "hello there", "Your table for four is booked."
APOLOGY = "Sorry, something went wrong on my side. Please say that again."
FILLER = "One moment, please."
SPEECH_S, SILENCE_S = 1.5, 0.7
TIME_ON_TOP_S = 0.5
FILLER_S = 1.7
"""An answer waits for its end where it has begun."""
WAITS = Deadlines()
DEADLINES = {"stt": WAITS.recognise_s, "llm": WAITS.first_token_s, "tts": WAITS.voice_s}
LATE = {"stt": recognisers.LATE_S, "llm": models.LATE_S, "tts": voices.LATE_S}
"""After which the next of a chain is asked."""


def failing(
    kind: ErrorKind, error: type[ProviderError] = ProviderError, after: int = 0, **more: Any
) -> Conduct:
    return Conduct(gap_s=0.01, fails=partial(error, kind=kind, **more), after=after)


FAULTS = {
    "refused": failing(ErrorKind.NETWORK),
    "401": failing(ErrorKind.AUTH, ProviderRejected),
    "429": failing(ErrorKind.RATE, ProviderBusy, retry_after_s=7.0),
    "500": failing(ErrorKind.SERVER),
    "hangs": Conduct(hangs=True),
    "cut": failing(ErrorKind.NETWORK, after=3),
    "garbage": failing(ErrorKind.PROTOCOL),
    "slow": Conduct(delay_s=4.0),
    "nothing": Conduct(),
}
"""What befalls the first. `nothing`: all is well, and there is no sound, no word and no text."""


def spoken_ahead() -> dict[str, Prepared]:
    async def main() -> dict[str, Prepared]:
        return dict(await prepare(ScriptedVoice(), (APOLOGY, FILLER), 10.0))

    return run_virtual(main)


PREPARED = spoken_ahead()


class Mute(ScriptedVoice):
    """Says that all is well, and gives no sound."""

    async def stream(self, text: str, *, voice: str | None = None, speed: float = 1.0) -> Any:
        nothing: tuple[Speech, ...] = ()
        for speech in nothing:
            yield speech


def faulty(kind: str, fault: str) -> Any:
    conduct, is_empty = FAULTS[fault], fault == "nothing"
    if kind == "stt":
        return ScriptedRecogniser(Heard("" if is_empty else HEARD, conduct=conduct))
    if kind == "llm":
        return ScriptedModel(Said("" if is_empty else ANSWER, conduct=conduct))
    return Mute() if is_empty else ScriptedVoice(conduct)


CHAINS = {
    "stt": recognisers.FailoverRecogniser,
    "llm": models.FailoverModel,
    "tts": voices.FailoverVoice,
}
GOOD: dict[str, Callable[[], Any]] = {
    "stt": lambda: ScriptedRecogniser(HEARD),
    "llm": lambda: ScriptedModel(ANSWER),
    "tts": ScriptedVoice,
}


def told(
    kind: str, fault: str, *, chained: bool, second: str | None = None, dialect: Any = realtime
) -> Stage:
    """A spoken turn with that fault, alone or before another, which may have a fault of its own."""

    def stage_of() -> Stage:
        made: dict[str, Any] = {one: make() for one, make in GOOD.items()}
        made[kind] = faulty(kind, fault)
        other = GOOD[kind]() if second is None else faulty(kind, second)
        if chained:
            made[kind] = CHAINS[kind].of({"first": made[kind], "second": other})  # type: ignore[attr-defined]
        return Stage(
            recogniser=made["stt"], chat=made["llm"], speaker=made["tts"], prepared=PREPARED, dialect=dialect
        )

    async def story(stage: Stage) -> None:
        await speak(stage, SPEECH_S, SILENCE_S)
        await stage.wire.until(DONE)
        if dialect is voice_v1:
            await stage.wire.until("x_metrics")

    return play(stage_of, story)


def said(stage: Stage) -> str:
    done = next(event["response"] for event in stage.wire.events() if event["type"] == DONE)
    return " ".join(part["transcript"] for item in done["output"] for part in item["content"])


def turn_ended_at(stage: Stage) -> float:
    return next(at for at, event in stage.wire.seen if event["type"] == "input_audio_buffer.speech_stopped")


def first_audio_s(stage: Stage) -> float:
    """From the end of the turn."""
    return next(at for at, event in stage.wire.seen if event["type"] == AUDIO) - turn_ended_at(stage)


def begun_s(stage: Stage, text: str) -> float:
    """From the end of the turn to the first of these words, which the filler may have gone before."""
    told = "response.output_audio_transcript.delta"
    first = text.partition(" ")[0]
    deltas = [(at, event["delta"]) for at, event in stage.wire.seen if event["type"] == told]
    return next(at for at, delta in deltas if first in delta) - turn_ended_at(stage)


ALONE = [(kind, fault) for kind in CHAINS for fault in FAULTS if (kind, fault) != ("stt", "nothing")]
"""A recogniser that hears nothing where there is no other has heard noise, for all that anybody knows."""


@pytest.mark.no_cover
@pytest.mark.parametrize(("kind", "fault"), ALONE)
def test_alone_it_ends_in_the_answer_or_in_an_apology_and_never_in_silence(kind: str, fault: str) -> None:
    stage = told(kind, fault, chained=False)
    assert first_audio_s(stage) <= WAITS.audible_s + TIME_ON_TOP_S
    parts = said(stage).removeprefix(FILLER).strip()
    assert parts == (ANSWER if fault == "slow" else APOLOGY)
    begins_s = begun_s(stage, ANSWER if fault == "slow" else APOLOGY)
    assert begins_s <= DEADLINES[kind] + TIME_ON_TOP_S
    check_trace(stage.wire.events())


@pytest.mark.no_cover
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", CHAINS)
def test_before_another_that_one_answers_and_no_word_is_said_twice(kind: str, fault: str) -> None:
    stage = told(kind, fault, chained=True)
    parts = said(stage).removeprefix(FILLER).strip()
    # A model that breaks off has begun an answer, which another cannot go on with.
    assert parts == (APOLOGY if (kind, fault) == ("llm", "cut") else ANSWER)
    begins_s = begun_s(stage, parts)
    assert begins_s <= LATE[kind] + TIME_ON_TOP_S + FILLER_S
    check_trace(stage.wire.events())


@pytest.mark.parametrize(("first", "second"), [("refused", "hangs"), ("hangs", "500"), ("401", "garbage")])
@pytest.mark.parametrize("kind", ["llm", "tts", "stt"])
def test_where_all_fail_the_apology_is_heard_in_time(kind: str, first: str, second: str) -> None:
    stage = told(kind, first, chained=True, second=second)
    assert said(stage).removeprefix(FILLER).strip() == APOLOGY
    assert first_audio_s(stage) <= WAITS.audible_s + TIME_ON_TOP_S
    assert begun_s(stage, APOLOGY) <= DEADLINES[kind] + TIME_ON_TOP_S
    check_trace(stage.wire.events())


@pytest.mark.parametrize("fault", [name for name in FAULTS if name not in ("slow", "nothing")])
def test_words_that_are_lost_are_not_answered_where_the_client_asks_for_the_answer(fault: str) -> None:
    def stage_of() -> Stage:
        recogniser = faulty("stt", fault)
        return Stage(recogniser=recogniser, chat=GOOD["llm"](), speaker=ScriptedVoice(), prepared=PREPARED)

    async def story(stage: Stage) -> None:
        audio = {"input": {"turn_detection": None}}
        stage.wire.say("session.update", session={"type": "realtime", "audio": audio})
        await speak(stage, SPEECH_S, 0.1)
        stage.wire.say("input_audio_buffer.commit")
        stage.wire.say("response.create")
        await stage.wire.until(DONE)

    stage = play(stage_of, story)
    assert said(stage).removeprefix(FILLER).strip() == APOLOGY
    check_trace(stage.wire.events())


def test_who_was_asked_and_what_went_wrong_is_told_with_the_times_of_the_turn() -> None:
    stage = told("llm", "429", chained=True, dialect=voice_v1)
    metrics = next(event for event in stage.wire.events() if event["type"] == "x_metrics")
    first_s = Conduct().delay_s
    assert metrics["providers"] == [
        {"kind": "llm", "provider": "first", "first_ms": None, "error": "rate", "hedge": False},
        {
            "kind": "llm",
            "provider": "second",
            "first_ms": round(1000 * first_s),
            "error": None,
            "hedge": False,
        },
    ]
    stage = told("stt", "hangs", chained=True, dialect=voice_v1)
    metrics = next(event for event in stage.wire.events() if event["type"] == "x_metrics")
    assert [(use["provider"], use["error"]) for use in metrics["providers"]] == [
        ("first", "timeout"),
        ("second", None),
    ]


def test_a_recogniser_that_finds_the_ends_of_turns_is_told_of_too() -> None:
    over = At(1.5, TurnOver(Transcript(HEARD), 24_000))
    script = (At(0.3, TurnBegan(4_800)), At(0.8, TurnHeard("hello")), over)

    def stage_of() -> Stage:
        chain = recognisers.FailoverRecogniser.of(
            {"theirs": as_recogniser(ScriptedTurns(*script)), "ours": ScriptedRecogniser("wrong")}
        )
        return Stage(ANSWER, recogniser=chain, dialect=voice_v1, prepared=PREPARED)

    async def story(stage: Stage) -> None:
        await speak(stage, SPEECH_S, SILENCE_S)
        await stage.wire.until("x_metrics")

    stage = play(stage_of, story)
    metrics = next(event for event in stage.wire.events() if event["type"] == "x_metrics")
    assert [(use["kind"], use["provider"], use["error"]) for use in metrics["providers"]] == [
        ("stt", "theirs", None)
    ]
