"""Texts with what should be heard for them: in words, by the embedded voice's phonemes, and beside what is shown."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.ports import WordTime
from stages.providers.hibari.engine import HibariEngine
from stages.runtime.models import model_dir
from stages.spoken_text import SpokenText
from stages.text.languages import CODES, language
from stages.text.sentences import Sentences
from stages.text.speakable import pieces, speakable
from stages.text.word_times import ShownTimes, is_word
from tests.support.spoken import table, words

ENGLISH = table("en")
OTHERS = [(code, *row) for code in CODES if code != "en" for row in table(code)]
_UNSTRESSED = (("tə", "tu"), ("tʊ", "tu"), ("ði", "ðə"), ("ɐ", "A"), ("ən", "æn"), ("ɹɛd", "ɹid"))
"""What depends on the word that follows, or on the marks around: of no matter for what is understood."""


@pytest.mark.parametrize(("written", "heard"), ENGLISH)
def test_english_is_said_as_people_say_it(written: str, heard: str) -> None:
    assert words(speakable(written)) == words(heard)


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("en", "England vs. Brazil"),
        ("en", "about approx. Ten"),
        ("es", "la Avda. Mayor"),
        ("fr", "le bd. Voltaire"),
        ("fr", "à St. Malo"),
        ("de", "auf St. Pauli"),
        ("de", "z. B. Montag"),
        ("de", "5 Mio. Menschen"),
        ("it", "in P.za Duomo"),
    ],
)
def test_no_sentence_ends_with_what_stands_in_front_of_a_name(code: str, written: str) -> None:
    assert "." not in speakable(written, code)


@pytest.mark.parametrize(("code", "written", "heard"), OTHERS)
def test_other_languages_are_said_as_people_say_them(code: str, written: str, heard: str) -> None:
    assert words(speakable(written, code)) == words(heard)


@pytest.mark.parametrize(
    ("code", "written", "said"),
    [
        ("de", "Das war Heinrich VIII.", "Das war Heinrich der achte."),
        ("de", "Ludwig XIV. war König.", "Ludwig der vierzehnte war König."),
        ("es", "Reina Felipe VI. Es así.", "Reina Felipe sexto. Es así."),
        ("fr", "Louis XIV. Il danse.", "Louis quatorze. Il danse."),
        ("it", "Papa Giovanni Paolo II. Disse.", "Papa Giovanni Paolo secondo. Disse."),
    ],
)
def test_a_sentence_ends_behind_a_ruler_too(code: str, written: str, said: str) -> None:
    assert speakable(written, code) == said


@pytest.mark.parametrize(
    ("code", "written", "said"),
    [
        ("en", "It takes 2 hrs. or so.", "It takes two hours or so."),
        ("en", "Wait 5 min. Then go.", "Wait five minutes. Then go."),
        ("en", "It is 6 ft. Go on.", "It is six feet. Go on."),
        ("en", "It has 5 sq. ft.", "It has five square feet."),
        ("en", "It is on Elm St. Go on.", "It is on Elm Street. Go on."),
        ("en", "It is on Elm Dr. Go on.", "It is on Elm Drive. Go on."),
        ("de", "Es dauert 20 Min.", "Es dauert zwanzig Minuten."),
        ("de", "20 Min. Pause", "zwanzig Minuten Pause"),
    ],
)
def test_the_dot_of_a_unit_or_a_street_is_a_stop_where_the_sentence_ends(
    code: str, written: str, said: str
) -> None:
    assert speakable(written, code) == said


@pytest.mark.parametrize("code", CODES)
def test_every_number_has_words_in_every_language(code: str) -> None:
    own = language(code)
    said = [own.cardinal(number) for number in (*range(10_000), 10**6, 2 * 10**9 + 1, 10**15 - 1)]
    assert len(set(said)) == len(said)
    assert not any(char.isdigit() for words in said for char in words)


@pytest.mark.no_cover
@given(
    st.sampled_from(CODES),
    st.text(alphabet="0123456789 .,:-–/%$€£°CkgmhxX²'\"#()+*<>=aé\n", max_size=40) | st.text(max_size=40),
)
def test_any_text_is_said_without_digits_or_signs_and_shown_whole(code: str, text: str) -> None:
    assert "".join(piece.shown for piece in pieces(text, code)) == text
    said = speakable(text, code)
    assert not set("0123456789%$€£°²#+*<>=_|~^") & set(said)


def _said_in_pieces(text: str, code: str, paused_at: int) -> list[str]:
    """The words of an answer whose writer pauses at a place, while the voice has run dry."""
    sentences, spoken = Sentences(), SpokenText(24_000, language=code)
    cut = [*sentences.push(text[:paused_at]), sentences.hurry()]
    cut += [*sentences.push(text[paused_at:]), *sentences.flush()]
    return words("".join(spoken.push(piece) for piece in cut if piece))


@pytest.mark.parametrize("code", CODES)
def test_wherever_the_writer_pauses_the_same_words_are_said(code: str) -> None:
    differing = []
    for written, _ in table(code):
        whole = words(speakable(written, code))
        places = (0, *(at for at in range(1, len(written)) if written[at - 1] in ". " or written[at] == " "))
        for at in places:
            is_in_a_name = written[at - 1 : at] == "." and written[at - 2].isalpha() and written[at].isalnum()
            if not is_in_a_name and _said_in_pieces(written, code, at) != whole:
                differing.append((written, at))
    assert differing == []


@pytest.fixture(scope="module")
def engine() -> HibariEngine:
    return HibariEngine(model_dir("hibari-heart") / "hibari.onnx", threads=1)


def sounds(engine: HibariEngine, text: str) -> str:
    """The phonemes of a text, without stress, marks and what depends on the neighbours."""
    phonemes = re.sub(r"[^\w]|[ˈˌ]", "", "".join(engine.phonemize(text))).replace("T", "t").replace("ᵊ", "")
    for said, like in _UNSTRESSED:
        phonemes = phonemes.replace(said, like)
    return phonemes


@pytest.mark.models
def test_the_embedded_voice_reads_what_it_is_given(engine: HibariEngine) -> None:
    misread = [
        (written, speakable(written))
        for written, heard in ENGLISH
        if sounds(engine, speakable(written)) != sounds(engine, heard)
    ]
    assert misread == []


def test_what_is_said_would_be_said_the_same_again() -> None:
    said = [(speakable(written, code), code) for code in CODES for written, _ in table(code)]
    assert [speakable(text, code) for text, code in said] == [text for text, _ in said]


@given(st.lists(st.sampled_from([written for written, _ in ENGLISH]), min_size=1, max_size=5).map(" ".join))
def test_whatever_is_said_all_that_is_written_is_shown(text: str) -> None:
    assert "".join(piece.shown for piece in pieces(text)) == text
    spoken = [word for word in speakable(text).split() if is_word(word)]
    times = [WordTime(word, 100 * at, 100 * at + 90) for at, word in enumerate(spoken)]
    assert "".join(word.text for word in ShownTimes(pieces(text)).take(times)) == text


@pytest.mark.parametrize(
    ("belongs", "text"),
    [
        ("$1.2 million", "The company said that it has now raised all of $1.2 million in total."),
        ("World War II", "The documentary tells the story of the World War II pilots who came home."),
        ("1 000 000", "We were all told by the people in the office that 1 000 000 of them were sold."),
        ("20 km²", "The area of the whole of the park in the middle is 20 km² or a bit more than that."),
        ("five million dollars", "The company said that it had raised a full five million dollars in total."),
        (
            "Dr. Martin Luther King",
            "They all went there to see the house where Dr. Martin Luther King was born.",
        ),
        ("No. 12", "We waited a long time in the cold for the bus No. 12 that never came to us."),
    ],
)
def test_no_cut_comes_between_a_number_and_what_belongs_to_it(belongs: str, text: str) -> None:
    for padding in range(40):
        sentences = Sentences()
        cut = [*sentences.push("so " * (padding // 3) + "x" * (padding % 3) + " " + text), *sentences.flush()]
        assert any(belongs in piece for piece in cut), (padding, cut)
