"""Properties and stories of the cutter of answers: nothing lost, any cut the same, no mark mistaken."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.text.sentences import Sentences

MARKS = 'aIx\u00e9 .,!?:;\u2014-\n"\u201d)(*3\u2026\u3002\u3001\u300d\U0001f389'
WORDS = (
    "Sure, Dr. e.g. U.S. p.m. No. 3.5 1. - St. Acme Inc. The it Well... \u2026 \u201cYes.\u201d (ok?) end. "
    "https://a.b/c?d=e. \u3053\u3093\u306b\u3061\u306f\u3002 \u2014 a\u2014b"
)
WRITING = st.text(alphabet=MARKS, max_size=120) | st.lists(
    st.sampled_from([*WORDS.split(), "word\n"]), max_size=60
).map(" ".join)


def pieces_of(text: str) -> list[str]:
    sentences = Sentences()
    return [*sentences.push(text), *sentences.flush()]


@given(WRITING)
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(pieces_of(text)) == text


@given(WRITING, st.lists(st.integers(0, 600), max_size=12))
def test_any_cut_gives_the_same_pieces(text: str, cuts: list[int]) -> None:
    sentences = Sentences()
    bounds = sorted({0, *(cut for cut in cuts if cut < len(text)), len(text)})
    pieces = [piece for a, b in pairwise(bounds) for piece in sentences.push(text[a:b])]
    assert [*pieces, *sentences.flush()] == pieces_of(text)


@given(WRITING)
def test_only_the_last_piece_may_be_white_space(text: str) -> None:
    pieces = pieces_of(text)
    assert all(piece.strip() for piece in pieces[:-1])
    assert "" not in pieces


@settings(max_examples=30)
@given(st.text(alphabet="ab .,", max_size=3000))
def test_what_is_held_back_is_bounded(text: str) -> None:
    sentences = Sentences(long_clause_chars=30, long_word_chars=50)
    given_out = 0
    for at, char in enumerate(text, 1):
        given_out += sum(map(len, sentences.push(char)))
        held = text[given_out:at]
        assert len(held.strip()) <= 101


def test_an_answer_does_not_colour_the_next() -> None:
    sentences = Sentences()
    first = [*sentences.push("Hello there. It is U.S"), *sentences.flush()]
    again = [*sentences.push("Hello there. It is U.S"), *sentences.flush()]
    assert first == again == ["Hello there.", " It is U.S"]


@pytest.mark.parametrize(
    ("deltas", "piece"),
    [
        (["Of", " course", ",", " I"], "Of course,"),
        (["Sure", ".", " I"], "Sure."),
        (["Here", " is", " the", " list", ":", "\n"], "Here is the list:"),
        (["I", " think", " so", " \u2014", " yes"], "I think so \u2014"),
        (["I", " think", " so", "\u2014", "yes"], "I think so\u2014"),
        (["It", " is", " open", " -", " now"], "It is open -"),
        (["\u597d\u7684", "\u3002", "\u6211"], "\u597d\u7684\u3002"),
    ],
)
def test_the_first_piece_leaves_with_the_character_that_proves_it_complete(
    deltas: list[str], piece: str
) -> None:
    sentences = Sentences()
    assert [sentences.push(delta) for delta in deltas] == [*([] for _ in deltas[:-1]), [piece]]


def test_a_first_clause_that_is_long_in_coming_is_cut_at_a_word() -> None:
    first, *_ = pieces_of(
        "I would like to tell you about the many wonderful things that one finds in the old town."
    )
    assert first == "I would like to tell you about the many wonderful"


def test_a_cut_at_a_word_does_not_leave_an_article_behind() -> None:
    first, *_ = pieces_of(
        "Going on foot you will certainly like to look at the many things that one finds there."
    )
    assert first == "Going on foot you will certainly like to look at the many"


@pytest.mark.parametrize(
    "whole",
    [
        "Please ask Dr. Smith or Prof. Jones about it today.",
        "Take something light, e.g. Soup or salad, if you like.",
        "It has all of 5 sq. ft. of space for you.",
        "It is now some 12 yrs. old and heavy as well.",
        "Es sind etwa 5 Mio. Menschen im ganzen Land.",
        "Das ist ohne Rabatt inkl. Versand so teuer.",
        "Hablamos ayer con la Sra. García de la tienda.",
        "Abbiamo visto ieri il Sig. Rossi al negozio.",
        "She works for the U.S. Army in the old town now.",
        "The table is booked for 7:30 p.m. on Friday evening.",
        "It costs 3.5 million and then some more than that.",
        "Write to me at john.doe@example.com or call me now.",
        "Look at https://example.com/a.b?c=d!e when you can.",
        "It was J. R. Smith who wrote it all down long ago.",
        "Take a No. 5 bus into the middle of the town then.",
        "I was thinking... maybe we should ask them all now.",
        "I was thinking\u2026 maybe we should ask them all now.",
        '"Do you really mean that?" he asked, and he left.',
        "Acme Inc. has been here for a very long time now.",
        "We met on Jan. 5 and talked for a very long time.",
        "Version 2.0.1 is what you want to have there now.",
        "Bring apples, pears, plums etc. with you next time.",
        "Ihr Termin ist am Dienstag, den 5. März um halb drei.",
        "Wir treffen uns dort am 3. und am 4. Mai zum Essen.",
        "Er belegte beim Rennen den 2. Platz von zwölf Leuten.",
        "Vive desde hace mucho en EE. UU. con su familia.",
        "Traiga algo de fruta, p. ej. Manzanas, para todos.",
        "Prenda qualcosa di dolce, ad es. Una mela o due.",
        "Nous sommes ouverts du lun. au ven. toute la journée.",
        "Voir aussi à ce sujet l'art. 5 de la même loi.",
        "The flat is at 123 Main St., Apt. 4B, near the park.",
        "We are open from 9 a.m. – 5 p.m. on all those days.",
        "We are open Mon – Fri and closed all of the weekend.",
        "You can call us on this number: 020 7946 0958 today.",
        "It follows that 3x - 5 = 10 is what we wanted here.",
        "It follows that $f(x, y) = z; x > y$ is quite right.",
    ],
)
def test_not_fooled_by(whole: str) -> None:
    """As a later sentence, each of these is one piece."""
    assert pieces_of("Sure. " + whole) == ["Sure.", " " + whole]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("She has a baby and two cats now. All 3. They are big.",
         ["She has a baby and two cats now.", " All 3. They are big."]),
        ("The answer to it all was 42. That was a surprise.",
         ["The answer to it all was 42.", " That was a surprise."]),
        ("Wählen Sie jetzt die 2. Dann warten Sie bitte.", ["Wählen Sie jetzt die 2.", " Dann warten Sie bitte."]),
        ("Set $HOME first. Then go.", ["Set $HOME first. Then go."]),
        ("She lives in the U.S. It is big.", ["She lives in the U.S.", " It is big."]),
        ("We close at ten p.m. Would you come?", ["We close at ten p.m.", " Would you come?"]),
        ("I can not say that. No. That is all.", ["I can not say that.", " No. That is all."]),
        ("He said it to me. (All of it was true.) Then he went.",
         ["He said it to me.", " (All of it was true.)", " Then he went."]),
        ('"I am here." She said nothing more.', ['"I am here."', " She said nothing more."]),
        ("**Done for today.** Next thing.", ["**Done for today.**", " Next thing."]),
        ("Well, here it is: 1. Open the big door. 2. Close it again.",
         ["Well, here it is:", " 1. Open the big door.", " 2. Close it again."]),
        ("All done.\n\nAnything else that I can do for you?",
         ["All done.", "\n\nAnything else that I can do for you?"]),
    ],
)  # fmt: skip
def test_ends_where_a_reader_would_pause(text: str, pieces: list[str]) -> None:
    assert pieces_of(text) == pieces


def test_list_items_on_lines_of_their_own_are_pieces() -> None:
    text = "You need these things:\n1. Two cups of white flour\n2. A spoon of salt and pepper\n- Milk\n- Eggs"
    assert pieces_of(text) == [
        "You need these things:",
        "\n1. Two cups of white flour",
        "\n2. A spoon of salt and pepper",
        "\n- Milk\n- Eggs",
    ]


def test_very_short_sentences_are_merged_with_the_next() -> None:
    text = "Right away, sir. Yes. No. Good evening. Then we shall meet."
    assert pieces_of(text) == ["Right away,", " sir. Yes. No. Good evening.", " Then we shall meet."]


def test_a_sentence_without_end_is_cut_at_a_clause_and_then_at_a_word() -> None:
    clauses = "and so it went on for a while, " * 8
    assert all(len(piece) <= 180 for piece in pieces_of("Well then. " + clauses))
    words = "again " * 100
    assert all(len(piece.strip()) <= 226 for piece in pieces_of("Well then. " + words))


def test_text_without_any_gap_is_cut_all_the_same() -> None:
    assert max(map(len, pieces_of("x" * 2000))) <= 440


@pytest.mark.parametrize(
    ("text", "hurried"),
    [
        ("Let me check.", "Let me check."),
        ("One moment... ", "One moment... "),
        ("It costs 3.", ""),
        ("I think tha", ""),
        ("I think that we could meet tomorr", "I think that we could meet"),
        ("I think that we could meet at the sta", "I think that we could meet"),
        ("Then you should go and ask Dr. Smi", "Then you should go and ask"),
        ("We are open from 8 a.", ""),
        ("Write to bob@example.", ""),
        ("See www.", ""),
        ("Write to bob.", ""),
        ("Mi correo es ana.", ""),
        ("See No.", ""),
        ("Das ist z.", ""),
        ("Er kommt am 3.", ""),
        ("And so now we all have here x²", "And so now we all have here"),
        ("They came here last night as 2 adults + 1 ch", "They came here last night"),
        ("The doctor gave them then a 250 mg tabl", "The doctor gave them then"),
        ("You should tell them both now the code is", "You should tell them both now"),
        ("  \n", ""),
        ("", ""),
    ],
)
def test_in_a_hurry_whole_sentences_and_a_few_whole_words_go(text: str, hurried: str) -> None:
    sentences = Sentences(first_clause_chars=100, first_word_chars=100)
    assert sentences.push(text) == []
    assert sentences.hurry() == hurried
    assert hurried + "".join(sentences.flush()) == text


@given(WRITING, st.lists(st.integers(0, 600), max_size=6))
def test_hurrying_loses_nothing(text: str, cuts: list[int]) -> None:
    sentences = Sentences()
    bounds = sorted({0, *(cut for cut in cuts if cut < len(text)), len(text)})
    pieces = []
    for a, b in pairwise(bounds):
        pieces += [*sentences.push(text[a:b]), *sentences.hurry()]
    assert "".join([*pieces, *sentences.flush()]) == text


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("好的，我帮您查。请稍等一下，马上就好！谢谢。", ["好的，我帮您查。", "请稍等一下，马上就好！", "谢谢。"]),
        ("好的。我们早上九点开门，晚上六点关门。", ["好的。", "我们早上九点开门，晚上六点关门。"]),
        ("我们可以预订，您要几点？", ["我们可以预订，", "您要几点？"]),
        ("现在是12：30，您呢？", ["现在是12：30，", "您呢？"]),
        ("你好吗?我很好,谢谢你的关心.再见", ["你好吗?", "我很好,谢谢你的关心.", "再见"]),
        ("好的。“我们明天晚上见，好吗？”他这样问我。", ["好的。", "“我们明天晚上见，好吗？”", "他这样问我。"]),
    ],
)  # fmt: skip
def test_text_without_spaces_ends_at_its_marks(text: str, pieces: list[str]) -> None:
    assert pieces_of(text) == pieces


def test_a_later_sentence_of_characters_is_long_enough_with_seven() -> None:
    assert pieces_of("当然可以。我们有三种颜色。您喜欢哪一种？") == [
        "当然可以。",
        "我们有三种颜色。",
        "您喜欢哪一种？",
    ]


def test_text_without_spaces_and_marks_is_not_held_back_for_ever() -> None:
    assert max(map(len, pieces_of("好" * 400))) < 150


def test_a_writer_of_characters_who_pauses_is_cut_at_a_mark() -> None:
    sentences = Sentences(first_clause_chars=90)
    assert sentences.push("我看了一下，明天晚") == []
    assert sentences.hurry() == "我看了一下，"
    assert sentences.hurry() == ""
