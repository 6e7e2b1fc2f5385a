"""The agent's own voice in the microphone: told by when its words were audible, and by how loud it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pytest

from audio.levels import loud_dbfs
from server.conversation.heard import SpokenPiece
from server.conversation.utterance import Utterance, WordNews
from server.domain.values import ConfigInForce, SessionConfig
from server.turntaking.echo import EchoEar, Levels
from server.turntaking.interruption import Loudness
from stages.ports import Transcript, WordTime
from stages.testing.fakes import Heard, ScriptedRecogniser
from tests.support.audio_maker import dbfs, voice

HZ = 24_000
SAID = "Your table for four people is booked for eight tonight."


@dataclass
class Answer:
    """Speaks a word every 400 ms; the person hears it up to `heard_ms`."""

    text: str = SAID
    heard_ms: int = 0

    @property
    def spoken(self) -> tuple[Sequence[SpokenPiece], int]:
        return _pieces(self.text), HZ


@cache
def _pieces(text: str) -> Sequence[SpokenPiece]:
    """The same list each time, as an answer has it."""
    step = HZ * 400 // 1000
    words = tuple(WordTime(word + " ", at * step, (at + 1) * step) for at, word in enumerate(text.split()))
    return [SpokenPiece(text, 0, step * len(words), words)]


@dataclass
class Clock:
    """What the ear is asked."""

    position_ms: int = 10_000
    agent_quiet_ms: int | None = 0


class Nobody:
    """Is told of words."""

    def hear_words(self, utterance: Utterance, news: WordNews) -> None:
        """Forget it."""


@dataclass
class Scene:
    """An ear, and sounds that it hears."""

    answer: Answer = field(default_factory=Answer)
    clock: Clock = field(default_factory=Clock)
    config: ConfigInForce = field(default_factory=lambda: ConfigInForce(SessionConfig()))

    def __post_init__(self) -> None:
        self.ear = EchoEar(self.answer, self.clock, self.config)

    def sound(self, ms: int, dbfs: float = -30.0) -> Utterance:
        utterance = Utterance("item", ScriptedRecogniser(Heard("")), Nobody())
        utterance.push(voice(ms, dbfs))
        self.ear.began(utterance, self.clock.position_ms)
        return utterance

    def words_left(self, text: str, heard_ms: int, ms: int = 800, dbfs: float = -30.0) -> str:
        self.answer.heard_ms = heard_ms
        return self.sound(ms, dbfs).reading.sift(Transcript(text)).text


def test_only_what_was_audible_just_then_is_compared() -> None:
    scene = Scene()
    assert scene.words_left("for four people", 1000) == ""
    assert scene.words_left("for eight tonight", 1000) == "for eight tonight"
    assert scene.words_left("Eight tonight", 3200) == ""


def test_numbers_are_compared_as_they_are_spoken() -> None:
    scene = Scene(Answer("It costs $12.50 for 4 people."))
    assert scene.words_left("twelve dollars fifty for four", 900, ms=1500) == ""


def test_numbers_are_compared_in_the_language_of_the_answer_where_the_words_heard_tell_none() -> None:
    scene = Scene(Answer("Ihr Tisch für 4 Personen ist für heute reserviert."))
    assert scene.words_left("4 Personen", 1000, ms=600) == ""


def test_long_after_the_answer_it_is_the_person_who_says_so() -> None:
    scene = Scene(clock=Clock(agent_quiet_ms=1500))
    assert scene.words_left("booked for eight tonight", 4000) == "booked for eight tonight"
    assert Scene(clock=Clock(agent_quiet_ms=None)).words_left("for four people", 1000) == "for four people"


def test_the_end_of_an_answer_comes_back_a_little_later() -> None:
    scene = Scene(clock=Clock(agent_quiet_ms=300))
    assert scene.words_left("for eight tonight", 4000) == ""


def test_who_repeats_a_word_at_their_own_level_is_heard() -> None:
    scene = Scene()
    scene.clock.agent_quiet_ms = None
    scene.words_left("I would like a table", 0, dbfs=-25)
    scene.clock.agent_quiet_ms = 0
    assert scene.words_left("eight", 3200, ms=400, dbfs=-25) == "eight"
    assert scene.words_left("eight", 3200, ms=400, dbfs=-45) == ""
    assert scene.ear.is_known


def test_an_echo_is_learnt_and_then_known_by_its_level() -> None:
    assert not Scene().ear.is_known
    scene = Scene()
    scene.words_left("for four people", 1000, dbfs=-42)
    assert scene.ear.is_known
    assert scene.ear.loudness(scene.sound(400, -42)) is Loudness.ECHO
    assert scene.ear.loudness(scene.sound(400, -20)) is Loudness.PERSON


def test_an_echo_that_does_not_come_again_was_the_person_who_said_the_same_word() -> None:
    scene = Scene(Answer(f"{SAID} " * 4))
    scene.words_left("eight", 3000, ms=400, dbfs=-22)  # with the agent, by chance
    scene.words_left("what about nine", 8000, dbfs=-22)
    assert scene.ear.is_known
    scene.words_left("what about nine", 9500, dbfs=-22)
    assert not scene.ear.is_known


def test_an_echo_that_comes_again_and_again_is_remembered() -> None:
    scene = Scene(Answer(f"{SAID} " * 6))
    for at in range(10):
        scene.words_left("for four people", 1000 + 4000 * at // 2, dbfs=-42)
        assert scene.ear.is_known


def test_an_echo_that_lasts_as_long_as_the_answer_is_remembered() -> None:
    scene = Scene(Answer(f"{SAID} " * 6, heard_ms=1000))
    sound = scene.sound(800, -42)
    scene.answer.heard_ms = 9000  # its words are read when it is over
    assert sound.reading.sift(Transcript("for four people")).text == ""
    scene.words_left("what about nine", 9500, dbfs=-22)
    assert scene.ear.is_known


def test_an_answer_after_the_other_without_an_echo_counts_as_one() -> None:
    scene = Scene()
    scene.words_left("for four people", 1000, dbfs=-42)
    for number in range(2, 5):
        scene.answer.text = f"{SAID} " * number
        scene.words_left("what about nine", 2500, dbfs=-22)
    assert not scene.ear.is_known


def test_a_word_as_loud_as_the_echo_is_not_taken_for_the_level_of_the_person() -> None:
    scene = Scene()
    scene.words_left("for four people", 1000, dbfs=-42)
    scene.clock.agent_quiet_ms = 1500
    assert scene.words_left("One.", 4000, ms=400, dbfs=-41) == "One."
    assert scene.ear.levels.person is None
    scene.words_left("I would like a table", 4000, dbfs=-38)
    assert scene.ear.levels.person == pytest.approx(-38, abs=4)  # that of its loud part


@pytest.mark.parametrize(
    ("person", "echo", "sound", "found"),
    [
        (None, None, -30, Loudness.UNKNOWN),
        (None, -40, -36, Loudness.ECHO),
        (None, -40, -31, Loudness.ECHO),
        (None, -40, -29, Loudness.PERSON),
        (-25, None, -40, Loudness.UNKNOWN),
        (-25, None, -30, Loudness.PERSON),
        (-25, -45, -38, Loudness.ECHO),
        (-25, -45, -30, Loudness.PERSON),
        (-25, -28, -28, Loudness.UNKNOWN),
        (-40, -25, -25, Loudness.UNKNOWN),
    ],
)
def test_levels(person: float | None, echo: float | None, sound: float, found: Loudness) -> None:
    levels = Levels()
    levels.person, levels.echo = person, echo
    assert levels.like(sound) is found


def test_the_echo_of_a_lowered_voice_does_not_make_that_of_a_raised_one_the_persons() -> None:
    levels = Levels()
    for dbfs_heard in (-42, *(-52,) * 10):
        levels.heard_echo(dbfs_heard)
    assert levels.like(-42) is Loudness.ECHO
    levels.heard_echo(-35)  # somebody has turned it up
    assert levels.like(-35) is Loudness.ECHO


def test_the_level_of_speech_is_that_of_its_loud_part() -> None:
    speech = np.concatenate([voice(600, -20), np.zeros(16_000, np.int16)])
    assert abs(loud_dbfs(speech) - dbfs(voice(600, -20))) < 4
    assert loud_dbfs(np.zeros(100, np.int16)) == -np.inf
    assert loud_dbfs(np.zeros(1000, np.int16)) == -np.inf


def test_of_a_client_that_cancels_echo_nothing_is_suspected() -> None:
    scene = Scene(config=ConfigInForce(SessionConfig(echo_cancelled=True)))
    assert scene.words_left("for four people", 1000) == "for four people"
    assert not scene.ear.is_known
    assert scene.ear.may_come_back == ""
    assert scene.ear.audible(scene.sound(800)) == ""


def test_a_client_may_say_later_that_it_cancels_echo() -> None:
    scene = Scene()
    assert scene.ear.may_come_back == SAID
    assert scene.words_left("for four people", 1000) == ""
    assert scene.ear.is_known
    assert scene.ear.loudness(scene.sound(800)) is Loudness.ECHO
    scene.config.current = SessionConfig(echo_cancelled=True)
    assert scene.ear.loudness(scene.sound(800)) is Loudness.UNKNOWN
    assert scene.words_left("for four people", 1000) == "for four people"
