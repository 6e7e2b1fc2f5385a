"""The conversations that voice agents get wrong, one story each; `test_stories.py` plays them."""

from dataclasses import replace

from server.domain.values import TurnDetection
from server.turntaking.interruption import InterruptionPolicy
from stageflow.tools import Tool, ToolCall
from stages.errors import ProviderError
from stages.ports import Expects, TurnsFailed
from stages.testing.fakes import Conduct, Said
from stages.testing.turn_fakes import At, turn
from tests.support.theatre import FIXED, Do, Say, Story

ASKED = "what time is it"
ASK = Say(0.5, 1.5, ASKED)
LONG = "Your table for four people is booked for eight tonight. I will send you a reminder an hour before."
LONG_ANSWER = Story(says=(ASK,), answers=(LONG, "Very well."), until_s=14.0, ends=(1.0, None))
_OVER: tuple[tuple[str, ...], ...] = ((), ("mhm",), (), ("stop",))
TEN_MINUTES = Story(
    says=tuple(
        Say(15 * number + start_s, 15 * number + end_s, words)
        for number in range(40)
        for start_s, end_s, words in [
            (0.5, 2.0, "what time is it"),
            *((5.0, 5.5, words) for words in _OVER[number % 4]),
        ]
    ),
    answers=("It is noon now.", LONG, "It is one.", LONG, "Very well."),
    until_s=600.0,
)
"""Forty questions; every fourth answer is acknowledged, and every fourth interrupted."""
STOCK = replace(LONG_ANSWER, holds_voice=False, config=FIXED)


def over(*says: Say, story: Story = LONG_ANSWER) -> Story:
    """The same story, with these sounds made over the answer."""
    return replace(story, says=(*story.says, *says))


def asking(story: Story, **detection: object) -> Story:
    """The same story, with these settings of turn detection."""
    kept = story.config.turn_detection or TurnDetection()
    return replace(story, config=replace(story.config, turn_detection=replace(kept, **detection)))  # type: ignore[arg-type]


ASKS_FOR_NUMBER = Said("Go ahead with it.", conduct=Conduct(delay_s=0.3, gap_s=0.02), expects=Expects.PHONE)
ASKED_FOR_A_NUMBER = Story(
    says=(ASK, Say(5.0, 5.6, "two nine"), Say(6.5, 7.1, "three four")),
    answers=(ASKS_FOR_NUMBER, "Thank you.", "Thank you."),
    until_s=11.0,
)
"""Nothing in the agent's words says that a number is wanted, and the two digits do not say that more will come."""


async def look_up() -> str:
    """Look it up."""
    return "eight"


async def pay() -> str:
    """Pay."""
    return "paid"


LOOKS_UP = Said("", (ToolCall("call_1", "look_up"),), conduct=Conduct(delay_s=0.2))
PAYS = Said("", (ToolCall("call_1", "pay"),), conduct=Conduct(delay_s=0.1))

STORIES: dict[str, Story] = {
    # --- ends of turns ---
    "a question and its answer": Story(says=(ASK,), answers=("It is noon now.",), until_s=5.0),
    "an end that the model hears is early": Story(
        says=(ASK,), answers=("It is noon.",), until_s=5.0, ends=(1.0,)
    ),
    "a pause inside a sentence is one turn": Story(
        says=(Say(0.5, 2.5, "i would like to"), Say(2.9, 3.9, "book a table")), answers=(LONG,), until_s=14.0
    ),
    "three pauses are one turn": Story(
        says=(
            Say(0.5, 1.0, "my number is"),
            Say(1.5, 2.0, "two nine"),
            Say(2.6, 3.1, "three four"),
            Say(3.6, 4.0, "z"),
        ),
        answers=("Thank you.",),
        until_s=9.0,
    ),
    "a number that the agent asks for is waited for": ASKED_FOR_A_NUMBER,
    "a number that nobody knows to be asked for is cut": replace(
        ASKED_FOR_A_NUMBER, answers=(replace(ASKS_FOR_NUMBER, expects=None), "Thank you.", "Thank you.")
    ),
    "going on after a false end joins the words": Story(
        says=(ASK, Say(1.95, 2.6, "in london")),
        answers=("It is noon.", "It is one."),
        until_s=8.0,
        ends=(1.0, 1.0),
        model_s=0.8,
    ),
    "one short word is answered": Story(says=(Say(0.5, 0.8, "yes"),), answers=("Good.",), until_s=4.0),
    "a recogniser that is late gives one answer": Story(
        says=(ASK,), answers=("It is noon.",), until_s=8.0, recogniser_s=1.5, ends=(1.0,)
    ),
    "a recogniser that fails is apologised for": Story(says=(ASK,), until_s=8.0, recogniser_fails=True),
    "audio that stops coming ends the turn": Story(
        says=(Say(0.5, 3.0, "what time is it in london"),),
        answers=("It is noon.",),
        until_s=8.0,
        silent_from_s=2.0,
    ),
    "a fixed silence is kept to": Story(says=(ASK,), answers=("It is noon.",), until_s=5.0, config=FIXED),
    "the client wants to ask for answers itself": asking(
        Story(says=(ASK,), answers=("It is noon.",), until_s=6.0, does=(Do(4.0, "response.create"),)),
        create_response=False,
    ),
    "the client ends turns itself": Story(
        says=(ASK,),
        answers=("It is noon.",),
        until_s=6.0,
        config=replace(FIXED, turn_detection=None),
        does=(Do(1.8, "input_audio_buffer.commit"), Do(1.9, "response.create")),
    ),
    "nobody speaks after the answer": asking(
        Story(says=(ASK,), answers=("It is noon.", "Are you still there?"), until_s=14.0, config=FIXED),
        idle_timeout_ms=5000,
    ),
    # --- sounds that are no words ---
    "silence is no turn": Story(until_s=4.0),
    "noise is no turn": Story(says=(Say(0.5, 3.0, sound="noise"),), until_s=6.0),
    "music is no turn": Story(says=(Say(0.5, 3.0, sound="music"),), until_s=8.0),
    "a voice without words is declined": Story(
        says=(Say(0.5, 1.5), Say(5.0, 6.0, "hello")), answers=("Hello.",), until_s=10.0
    ),
    # --- sounds made over an answer ---
    "a backchannel does not interrupt": over(Say(4.0, 4.4, "mhm")),
    "two backchannels do not interrupt": over(Say(4.0, 4.4, "okay right"), Say(5.5, 5.9, "mhm")),
    "a cough does not interrupt": over(Say(4.0, 4.3)),
    "a click is dismissed unread": over(Say(4.0, 4.06), story=replace(LONG_ANSWER, recogniser_s=1.0)),
    "a click at the very end of an answer": over(Say(8.78, 8.84)),
    "a word that begins with a click is heard whole": over(
        Say(4.0, 4.06, "stop"), Say(4.18, 4.5, "it now"), story=replace(LONG_ANSWER, recogniser_s=0.2)
    ),
    "noise does not interrupt": over(Say(4.0, 6.0, sound="noise")),
    "stop takes the floor": over(Say(4.0, 4.4, "stop")),
    "words take the floor": over(Say(4.0, 5.2, "make it five please")),
    "words after a backchannel take the floor": over(
        Say(4.0, 4.4, "okay"), Say(4.7, 5.7, "but make it five")
    ),
    "a long voice takes the floor before its words are known": over(
        Say(4.0, 6.0), story=replace(LONG_ANSWER, recogniser_s=1.0)
    ),
    "two interruptions in a row": replace(
        over(Say(4.0, 4.6, "stop"), Say(7.0, 7.6, "wait")), answers=(LONG, LONG, "Yes?"), ends=(1.0, 1.0, 1.0)
    ),
    "an interruption before the first audio": replace(
        LONG_ANSWER, says=(ASK, Say(2.2, 3.0, "no in london")), model_s=2.0, ends=(1.0, 1.0)
    ),
    "a cough before the first audio": replace(
        LONG_ANSWER, says=(ASK, Say(2.2, 2.5)), model_s=1.0, ends=(1.0, None)
    ),
    "speech at the very end of an answer": Story(
        says=(ASK, Say(2.62, 3.6, "and in london")),
        answers=("It is noon now.", "It is one."),
        until_s=8.0,
        ends=(1.0, 1.0),
    ),
    "the agent's own voice comes back": over(Say(4.2, 6.2, "four people is booked for eight tonight")),
    "an interruption during a tool call": replace(
        LONG_ANSWER,
        says=(ASK, Say(2.3, 3.1, "stop it please")),
        answers=(LOOKS_UP, "At eight.", "Very well."),
        tools=(Tool.of(look_up, effect="none"),),
        model_s=1.0,
        ends=(1.0, 1.0),
    ),
    "the answer may not be interrupted": asking(
        over(Say(4.0, 5.2, "make it five please")), interrupt_response=False
    ),
    "the beginning of the answer is protected": replace(
        over(Say(2.6, 3.6, "make it five please")), policy=InterruptionPolicy(protect_ms=3000)
    ),
    "as many words as configured are needed": replace(
        over(Say(4.0, 4.8, "make it")), policy=InterruptionPolicy(min_words=3)
    ),
    "a sound that is never decided gives the floor back": replace(
        over(Say(4.0, 9.5), story=replace(LONG_ANSWER, answers=(LONG * 2,))),
        policy=InterruptionPolicy(min_words=2),
    ),
    "a stock client is interrupted at once": over(Say(4.0, 5.2, "make it five please"), story=STOCK),
    "a cough before the first audio costs a stock client nothing": over(
        Say(2.2, 2.5), story=replace(STOCK, model_s=1.5)
    ),
    "words before the first audio take the floor from a stock client too": over(
        Say(2.2, 3.2, "in london please"), story=replace(STOCK, model_s=3.0)
    ),
    "a long sound without words before the first audio leads back to the question": replace(
        over(Say(2.2, 4.6), story=replace(STOCK, model_s=6.0, recogniser_s=2.0)), until_s=24.0
    ),
    "the client cancels": replace(LONG_ANSWER, does=(Do(4.0, "response.cancel"),)),
    # --- providers that misbehave ---
    "the voice does not stop when told to": replace(
        over(Say(4.0, 4.8, "stop it")), voice=Conduct(delay_s=0.1, gap_s=0.05, stubborn_s=5.0)
    ),
    "the voice fails": replace(LONG_ANSWER, voice=Conduct(fails=ProviderError), until_s=8.0),
    "the model hangs": replace(LONG_ANSWER, answers=(Said("", conduct=Conduct(hangs=True)),), until_s=45.0),
    # --- a recogniser that finds the ends of turns itself ---
    "the recogniser ends the turn": Story(
        says=(ASK,), answers=("It is noon now.",), until_s=6.0, turns=turn(ASKED, 0.6, 2.2)
    ),
    "an early end of the recogniser's prepares the answer": Story(
        says=(ASK,), answers=("It is noon now.",), until_s=6.0, turns=turn(ASKED, 0.6, 2.6, early_s=(1.85,))
    ),
    "an early end that the recogniser takes back is none": Story(
        says=(Say(0.5, 1.5, "what time is it"), Say(2.2, 3.2, "in london")),
        answers=("It is one.",),
        until_s=8.0,
        turns=turn(f"{ASKED} in london", 0.6, 4.0, early_s=(1.85, 3.6), gap_s=0.35),
    ),
    "words take the floor before the recogniser ends the turn": replace(
        over(Say(4.0, 5.2, "make it five please")),
        turns=(*turn(ASKED, 0.6, 2.0), *turn("make it five please", 4.2, 6.0)),
    ),
    "a stock client is interrupted before the recogniser says a word": replace(
        over(Say(4.0, 5.2, "make it five please"), story=STOCK),
        turns=(*turn(ASKED, 0.6, 2.0), *turn("make it five please", 4.8, 6.5)),
    ),
    "a backchannel that the recogniser ends does not interrupt": replace(
        over(Say(4.0, 4.4, "mhm")), turns=(*turn(ASKED, 0.6, 2.0), *turn("mhm", 4.2, 5.0, early_s=(4.7,)))
    ),
    "a cough of which the recogniser says nothing does not interrupt": replace(
        over(Say(4.0, 4.3)), turns=turn(ASKED, 0.6, 2.0)
    ),
    "a cough of which the recogniser says nothing is no turn": Story(
        says=(Say(0.5, 0.9), Say(4.0, 5.0, ASKED)),
        answers=("It is noon.",),
        until_s=8.0,
        turns=turn(ASKED, 4.1, 5.8),
    ),
    "what only the recogniser hears is a turn": Story(
        answers=("It is noon.",), until_s=6.0, turns=turn(ASKED, 0.6, 2.2)
    ),
    "the agent's own voice that only the recogniser hears is none": replace(
        LONG_ANSWER, turns=(*turn(ASKED, 0.6, 2.0), *turn("for four people", 3.5, 5.0))
    ),
    "a recogniser that fails in a turn leaves it to the server": replace(
        LONG_ANSWER,
        turns=(*turn(ASKED, 0.6, None)[:3], At(1.3, TurnsFailed(ProviderError("scripted to fail")))),
    ),
    "a recogniser that never ends a turn is not waited for": Story(
        says=(ASK,), answers=("It is noon.",), until_s=18.0, turns=turn(ASKED, 0.6, None)
    ),
    "a turn that the recogniser ends late has not swallowed the next": Story(
        says=(ASK, Say(2.0, 3.0, "in london please")),
        answers=(LONG, "It is one."),
        until_s=9.0,
        turns=(*turn(ASKED, 0.6, 2.5, early_s=(1.9,)), *turn("in london please", 2.6, 3.8)),
    ),
    "the client ends a turn before the recogniser does": Story(
        says=(Say(0.5, 2.5, ASKED),),
        answers=("It is noon.", "It is one."),
        until_s=10.0,
        turns=turn(ASKED, 0.6, 4.0),
        does=(Do(2.0, "input_audio_buffer.commit"), Do(2.1, "response.create")),
    ),
    "the client ends all turns and the recogniser gives the words": Story(
        says=(ASK,),
        answers=("It is noon.",),
        until_s=6.0,
        config=replace(FIXED, turn_detection=None),
        turns=turn(ASKED, 0.6, 2.4),
        does=(Do(2.0, "input_audio_buffer.commit"), Do(2.1, "response.create")),
    ),
    # --- what is prepared may be thrown away ---
    "an irreversible tool does not run for a pause": Story(
        says=(Say(0.5, 1.2, "pay now"), Say(1.7, 2.3, "no don't")),
        answers=(PAYS, PAYS, "Done."),
        tools=(Tool.of(pay, effect="irreversible"),),
        until_s=8.0,
    ),
    "blocked words are refused": Story(says=(ASK,), blocked=("time",), until_s=6.0),
}
