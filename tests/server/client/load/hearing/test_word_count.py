"""Barge-in after so many words of an answer: by their marks, by where the server says they lie, or not at all."""

import pytest

from audio.marks import UNIT_MS
from server.client.load.calls.attention import SETTLE_S, Attention
from server.client.load.calls.turn_book import TurnBook
from server.client.load.calls.turns import CallRecord, Outcome, TurnKind
from server.client.load.hearing.answers import Keeps
from server.client.load.hearing.ear import Ear
from server.client.load.hearing.mouth import FRAME_S
from server.client.load.hearing.word_count import WordCount
from server.client.load.reference.agent import RATE_HZ, Conduct, tone
from server.client.load.reference.reference_voice import PAUSE_MS
from server.client.load.targets import Voice
from server.client.load.wire import Audio, WordEnds
from tests.server.client.load.booth import SAY, call, scenario

WORDS = ("we", "have", "a", "table", "for", "four", "at", "eight")
UNITS = (2, 4, 2, 4, 3, 4, 2, 4)


def interrupted(after_words: int, conduct: Conduct) -> CallRecord:
    """A call in which the answer is talked over after so many words."""
    return call(
        scenario(SAY, {"barge_in": {"say": "stop", "after_words": after_words}, "answered": False}), conduct
    )


@pytest.mark.parametrize("after_words", [1, 3, 5])
def test_an_answer_is_interrupted_when_so_many_of_its_words_were_heard(after_words: int) -> None:
    answered, stopped = interrupted(after_words, Conduct(says=WORDS)).turns
    assert answered.v2v_ms is not None
    spoken_ms = sum(UNITS[:after_words]) * UNIT_MS + (after_words - 1) * PAUSE_MS
    waited_ms = (stopped.said_s[0] - answered.said_s[1]) * 1000 - answered.v2v_ms
    assert spoken_ms <= waited_ms <= spoken_ms + 40
    assert stopped.outcome is Outcome.HELD


def test_pauses_before_the_words_do_not_count_as_words() -> None:
    record = interrupted(3, Conduct(says=WORDS, gaps=((150, 500),)))
    answered, stopped = record.turns
    assert answered.v2v_ms is not None
    assert stopped.said_s[0] - answered.said_s[1] - answered.v2v_ms / 1000 >= 0.68 + 0.5


@pytest.mark.parametrize(
    ("conduct", "reason"),
    [
        (Conduct(says=WORDS[:2]), "the answer had ended before"),
        (Conduct(), "the words of the answer are not known"),
    ],
)
def test_an_answer_with_fewer_words_or_without_any_says_nothing_and_is_told_so(
    conduct: Conduct, reason: str
) -> None:
    turn = interrupted(3, conduct).turns[1]
    assert (turn.outcome, turn.reason) == (Outcome.DISCARDED, reason)


def test_an_answer_that_stalls_is_not_waited_for_without_end() -> None:
    ear, record = Ear(RATE_HZ, keeps=Keeps.ALL), CallRecord(0, "stalls", 0.0)
    ear.hear(Audio(tone(400), "one"), 0.0)
    ear.advance(0.1)
    attention = Attention(ear, TurnBook(record, ear, rate_hz=RATE_HZ, keeps_audio=True))
    for _ in attention.middle_of_answer(1, TurnKind.STOP, 0, after_words=3):
        attention.now_s += FRAME_S
        assert attention.now_s < 2 * SETTLE_S
    assert [turn.reason for turn in record.turns] == ["so many words did not come"]


def test_words_count_by_where_the_server_says_that_they_end() -> None:
    target = Voice()
    told = (
        '{"type": "x_words", "item_id": "%s", "words": [{"text": "a", "start_sample": 0, "end_sample": %d}]}'
    )
    ear = Ear(RATE_HZ)
    ear.hear(Audio(tone(400), "one"), 0.0)
    ear.hear(Audio(tone(400), "two"), 0.0)
    for item, end_ms in (("one", 100), ("one", 300), ("two", 100), ("three", 0)):
        (words,) = target.hear(told % (item, end_ms * RATE_HZ // 1000))
        assert isinstance(words, WordEnds)
        ear.answers.tell(words)
    assert ear.answers.newest is not None
    count = WordCount(ear.answers.newest, RATE_HZ)
    heard = []
    for now_s in (0.05, 0.1, 0.35, 0.45, 0.6):
        ear.advance(now_s)
        heard.append(count.heard(ear.ring.written - ear.ring.waiting))
    assert heard == [0, 1, 2, 2, 3]
