"""What a caller hears of words: a clean voice has no faults, and each fault of the reference agent is found."""

from typing import Any

import numpy as np
import pytest

from audio.marks import name_of
from server.client.load.calls.caller import Caller, Manner
from server.client.load.calls.turns import CallRecord, Ending
from server.client.load.figures.figures import reckon
from server.client.load.figures.objectives import judge, read_objectives
from server.client.load.hearing.words import WordsHeard, hear_words
from server.client.load.reference.agent import RATE_HZ, Conduct, ReferenceAgent
from server.client.load.reference.reference_voice import speak
from server.client.load.reference.theatre import hold_call
from server.client.load.targets import Voice
from stages.testing.fakes import ScriptedVoice
from tests.server.client.load.booth import SAY, call, scenario, voicebox

WORDS = ("we", "have", "a", "table", "for", "four", "at", "eight")
TEXT = " ".join(WORDS)


def heard(conduct: Conduct, *, text: str | None = None) -> dict[str, float]:
    """The counts of words of one answer, besides how many there were."""
    one = scenario({**SAY, "hears": text})
    counts = reckon([call(one, conduct, keeps_audio=True)]).counts
    return {name: count for name, count in counts.items() if "words" in name and name != "words" and count}


FAULTS: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "clean": ({}, {}),
    "the first word is lost": ({"lost_word": 0}, {"words_lost": 1}),
    "a word is lost": ({"lost_word": 3}, {"words_lost": 1}),
    "the last word is lost": ({"lost_word": 7}, {"words_lost": 1}),
    "a word comes twice": ({"doubled_word": 4}, {"words_doubled": 1}),
    "the first word comes twice": ({"doubled_word": 0}, {"words_doubled": 1}),
    "a word is cut": ({"cut_word": 3}, {"words_cut": 1}),
    "the last word is cut": ({"cut_word": 7}, {"words_cut": 1}),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("text", [None, TEXT], ids=["by their places", "as expected"])
def test_every_fault_of_a_word_is_found_and_nothing_else(fault: str, text: str | None) -> None:
    conduct, found = FAULTS[fault]
    assert heard(Conduct(says=WORDS, **conduct), text=text) == found


def test_words_that_are_not_those_expected_are_told() -> None:
    other = (*WORDS[:3], "desk", *WORDS[4:])
    assert heard(Conduct(says=other)) == {}
    assert heard(Conduct(says=other), text=TEXT) == {"words_lost": 1, "words_doubled": 1}


def test_a_voice_without_marks_says_nothing_of_words_and_breaks_objectives_about_them() -> None:
    figures = reckon([call(scenario(SAY), keeps_audio=True)])
    assert figures.value("words_lost") is None
    assert not judge(figures, read_objectives(["words_lost=0"]))[0].holds
    assert heard(Conduct(), text=TEXT) == {"words_lost": 8}


def test_an_answer_that_was_interrupted_may_end_anywhere() -> None:
    one = scenario(SAY, {"barge_in": {"say": "stop", "after_ms": 500}, "answered": False})
    counts = reckon([call(one, Conduct(says=WORDS), keeps_audio=True)]).counts
    assert 0 < counts["words"] < 8
    assert (counts["words_lost"], counts["words_doubled"], counts["words_cut"]) == (0, 0, 0)


@pytest.mark.parametrize(("ending", "lost"), [(Ending.STOPPED, False), (Ending.LOST, True)])
def test_only_the_server_loses_the_words_of_an_answer_that_is_broken_off(ending: Ending, lost: bool) -> None:
    one, record = scenario(SAY), CallRecord(0, "test", 0.0)
    caller = Caller(Voice(), one, voicebox(one), record, Manner(keeps_audio=True))
    hold_call(caller, ReferenceAgent(Conduct(says=WORDS)), until_s=3.0, ends_with=ending)
    (turn,) = record.turns
    assert turn.words is not None
    assert 0 < turn.words.heard < 8
    assert (turn.words.lost > 0, turn.was_cut) == (lost, not lost)


def test_a_pause_in_a_word_cuts_it() -> None:
    assert heard(Conduct(says=WORDS, gaps=((20, 60),)))["words_cut"] == 1


TYPED = scenario({"type": "this is {caller}", "hears": "this is {caller}"})


@pytest.mark.parametrize(
    ("conduct", "found"),
    [
        (Conduct(echoes=True), {}),
        (Conduct(says=("this", "is", name_of(9))), {"words_lost": 1, "words_doubled": 1, "foreign_words": 1}),
    ],
    ids=["its own", "another's"],
)
def test_the_name_of_another_caller_is_known(conduct: Conduct, found: dict[str, float]) -> None:
    counts = reckon([call(TYPED, conduct, keeps_audio=True)]).counts
    assert {name: count for name, count in counts.items() if "words" in name and count} == {
        "words": 3,
        **found,
    }


async def test_the_scripted_voice_marks_its_words_piece_by_piece() -> None:
    voice = ScriptedVoice(marks=True)
    pieces = [f"Hello, {name_of(17)}!", "I can hear you extraordinarily well."]
    spoken = [part.samples for piece in pieces for part in [one async for one in voice.stream(piece)]]
    whole = np.concatenate(spoken)
    assert hear_words(whole, voice.rate_hz, was_cut=False) == WordsHeard(8)
    assert hear_words(
        whole, voice.rate_hz, was_cut=False, expected=" ".join(pieces), number=17
    ) == WordsHeard(8)
    assert hear_words(whole, voice.rate_hz, was_cut=False, number=3) == WordsHeard(8, foreign=1)
    without = np.concatenate(spoken[:3] + spoken[4:])
    assert hear_words(without, voice.rate_hz, was_cut=False) == WordsHeard(7, lost=1)
    unmarked = [one.samples async for one in ScriptedVoice().stream(pieces[0])]
    assert hear_words(np.concatenate(unmarked), voice.rate_hz, was_cut=False) is None


def test_pieces_that_come_again_or_not_at_all_are_told() -> None:
    one, two = speak(["a", "b"], RATE_HZ, 8_000), speak(["c", "d", "e"], RATE_HZ, 8_000)

    def judged(*parts: Any) -> WordsHeard | None:
        return hear_words(np.concatenate(parts), RATE_HZ, was_cut=False, expected="a b c d e")

    assert judged(one, two) == WordsHeard(5)
    assert judged(one, one, two) == WordsHeard(7, doubled=2)
    assert judged(two) == WordsHeard(3, lost=2)
