"""What a sound made during an answer is taken for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.turntaking.interruption import (
    InterruptionPolicy,
    Loudness,
    OverlapEvidence,
    OverlapVerdict,
    judge,
)
from server.turntaking.listener_words import BACKCHANNELS, TAKE_THE_FLOOR, WORDS

POLICY = InterruptionPolicy()
ANSWER = "Your table for four people is booked for eight tonight. Shall I send you a reminder?"


@pytest.mark.parametrize(
    ("lasted_ms", "verdict"),
    [
        (100, OverlapVerdict.WAIT),
        (300, OverlapVerdict.HOLD),
        (799, OverlapVerdict.HOLD),
        (800, OverlapVerdict.TRANSCRIBE),
        (1600, OverlapVerdict.INTERRUPT),
    ],
)
def test_voice_alone_is_judged_by_how_long_it_lasts(lasted_ms: int, verdict: OverlapVerdict) -> None:
    assert judge(OverlapEvidence(lasted_ms), POLICY, ANSWER) is verdict


def test_a_sound_that_was_read_and_has_no_words_is_noise_however_long_it_lasts() -> None:
    assert judge(OverlapEvidence(1700, "", transcribed_ms=900), POLICY, ANSWER) is OverlapVerdict.TRANSCRIBE
    assert judge(OverlapEvidence(1700, "", transcribed_ms=1000), POLICY, ANSWER) is OverlapVerdict.HOLD
    assert judge(OverlapEvidence(9000, "", transcribed_ms=1000), POLICY, ANSWER) is OverlapVerdict.TRANSCRIBE


def test_two_words_of_the_agents_may_become_an_echo_and_may_be_a_question() -> None:
    assert judge(OverlapEvidence(400, "eight tonight"), POLICY, ANSWER) is OverlapVerdict.HOLD
    assert (
        judge(OverlapEvidence(400, "eight tonight", is_over=True), POLICY, ANSWER) is OverlapVerdict.INTERRUPT
    )


@pytest.mark.parametrize("command", TAKE_THE_FLOOR)
def test_a_command_takes_the_floor_at_once(command: str) -> None:
    assert (
        judge(OverlapEvidence(150, f"{command.title()}, please."), POLICY, ANSWER) is OverlapVerdict.INTERRUPT
    )


@pytest.mark.parametrize("text", ["Mhm.", "Okay, right.", "Uh-huh, yeah.", "I see.", "Got it."])
def test_a_backchannel_never_takes_the_floor(text: str) -> None:
    assert judge(OverlapEvidence(200, text), POLICY, ANSWER) is OverlapVerdict.WAIT
    assert judge(OverlapEvidence(2000, text), POLICY, ANSWER) is OverlapVerdict.HOLD
    assert judge(OverlapEvidence(2000, text, is_over=True), POLICY, ANSWER) is OverlapVerdict.DISMISS


def test_words_take_the_floor_even_after_a_backchannel() -> None:
    assert judge(OverlapEvidence(400, "Okay, but tomorrow"), POLICY, ANSWER) is OverlapVerdict.INTERRUPT


def test_as_many_words_are_asked_for_as_configured() -> None:
    policy = InterruptionPolicy(min_words=3)
    assert judge(OverlapEvidence(5000), policy, ANSWER) is OverlapVerdict.TRANSCRIBE
    assert judge(OverlapEvidence(5000, "make it"), policy, ANSWER) is OverlapVerdict.HOLD
    assert judge(OverlapEvidence(5000, "make it five"), policy, ANSWER) is OverlapVerdict.INTERRUPT


def test_a_sound_without_words_is_dismissed_once_it_was_read() -> None:
    assert judge(OverlapEvidence(700, "", is_over=True), POLICY, ANSWER) is OverlapVerdict.DISMISS


@pytest.mark.parametrize(
    "text", ["table for four people", "is booked for eight to night", "send you a reminder"]
)
def test_the_agents_own_words_are_an_echo(text: str) -> None:
    assert judge(OverlapEvidence(1500, text), POLICY, ANSWER) is OverlapVerdict.HOLD
    assert judge(OverlapEvidence(1500, text, is_over=True), POLICY, ANSWER) is OverlapVerdict.DISMISS


@pytest.mark.parametrize("text", ["nine tonight", "table for six people please", "a reminder would be wrong"])
def test_the_persons_words_are_none(text: str) -> None:
    assert judge(OverlapEvidence(1500, text), POLICY, ANSWER) is OverlapVerdict.INTERRUPT


@given(
    st.integers(0, 3000),
    st.integers(0, 3000),
    st.lists(st.sampled_from([*BACKCHANNELS, "tomorrow", "stop"]), max_size=4).map(" ".join),
)
def test_more_of_a_sound_is_never_less_of_an_interruption(first_ms: int, more_ms: int, text: str) -> None:
    order = [
        OverlapVerdict.DISMISS,
        OverlapVerdict.WAIT,
        OverlapVerdict.HOLD,
        OverlapVerdict.TRANSCRIBE,
        OverlapVerdict.INTERRUPT,
    ]
    before = judge(OverlapEvidence(first_ms, text), POLICY, ANSWER)
    after = judge(OverlapEvidence(first_ms + more_ms, text), POLICY, ANSWER)
    assert order.index(after) >= order.index(before)


# --- hums, and words by language --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Mm", "MMMM", "Mama,", "Mm-hmm.", "Mhm mhm", "Hmmm", "Uh-huh", "Uhm", "Ehm", "Aha", "Ooh", "Eh, huh?", "Huh?",
        "Ahh, okay",
    ],
)  # fmt: skip
def test_a_hum_never_takes_the_floor_however_it_is_written(text: str) -> None:
    assert judge(OverlapEvidence(500, text, 500, is_over=True), POLICY, ANSWER) is OverlapVerdict.DISMISS


@pytest.mark.parametrize(
    "text",
    [
        "Mom called", "Hummus", "Ham", "Hello?", "Him", "No", "Mhm, no", "Uh, stop", "Um, what about Monday?", "Ohio",
        "Him, please",
    ],
)  # fmt: skip
def test_words_that_look_like_hums_take_it(text: str) -> None:
    assert judge(OverlapEvidence(500, text, 500, is_over=True), POLICY, ANSWER) is OverlapVerdict.INTERRUPT


HUM = OverlapEvidence(500, "Homer,", 500, is_over=True, log_probability=-0.6, unclear_below=-0.4)


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (HUM, OverlapVerdict.DISMISS),
        (replace(HUM, text="Eh, her?"), OverlapVerdict.DISMISS),
        (
            replace(HUM, unclear_below=-0.7),
            OverlapVerdict.INTERRUPT,
        ),  # another recogniser is this sure of words
        (replace(HUM, unclear_below=None), OverlapVerdict.INTERRUPT),  # nobody knows how sure this one is
        (replace(HUM, log_probability=-0.2), OverlapVerdict.INTERRUPT),  # somebody is called
        (replace(HUM, lasted_ms=900), OverlapVerdict.INTERRUPT),  # so long nobody hums
        (replace(HUM, text="Homer was here"), OverlapVerdict.INTERRUPT),
        (replace(HUM, text="Stop", log_probability=-2.0), OverlapVerdict.INTERRUPT),
        (replace(HUM, text="No,", log_probability=-2.0), OverlapVerdict.INTERRUPT),
        (replace(HUM, is_over=False, log_probability=0.0), OverlapVerdict.HOLD),  # its word may be none
        (replace(HUM, is_over=False, text="Wait"), OverlapVerdict.INTERRUPT),
        (replace(HUM, is_over=False, lasted_ms=800), OverlapVerdict.INTERRUPT),
    ],
    ids=lambda it: (
        f"{it.text} {it.lasted_ms} {it.log_probability}" if isinstance(it, OverlapEvidence) else it
    ),
)
def test_a_short_sound_without_a_clear_word_is_a_hum(
    evidence: OverlapEvidence, verdict: OverlapVerdict
) -> None:
    assert judge(evidence, POLICY, ANSWER) is verdict


OTHERS = {
    "de": (
        ["Ja, genau.", "Mhm, alles klar", "Ach so.", "Ähm, ja", "Na klar!", "Ach ja, wirklich?"],
        ["Moment, bitte", "Nein", "Stopp!", "Ja, aber morgen"],
    ),
    "es": (
        ["Sí, claro.", "Ajá, de acuerdo", "Ya veo.", "Sí, sí, eso es"],
        ["¡Espera!", "No", "Un momento", "Sí, pero mañana"],
    ),
    "fr": (
        ["Oui, d'accord.", "Très bien, voilà", "Euh, oui", "Ah oui, je comprends."],
        ["Attendez", "Non merci", "Arrête", "Oui, mais demain"],
    ),
    "it": (
        ["Sì, va bene.", "Ho capito, certo", "Ehm, sì", "Infatti.", "Eh già"],
        ["Aspetta", "No", "Un attimo", "Sì, ma domani"],
    ),
    "zh": (
        ["嗯。", "哦，好的。", "对对对", "是的，没错。", "嗯，我知道了。", "不错！", "Mhm, 好"],
        ["等一下。", "不", "停", "不是，我说的是明天", "对，但是明天", "好看吗？"],
    ),
}


STOPS = {
    "en": "stop|wait|hold on|hang on|enough|excuse me|one moment",
    "es": "para|para ya|espera|espere|un segundo|basta|detente|oiga|cállate",
    "fr": "stop|arrête|arrêtez|attends|attendez|ça suffit|chut|une seconde|écoutez",
    "de": "stopp|halt|warte|warten Sie|Moment|hör auf|eine Sekunde|Augenblick|Pause",
    "it": "ferma|fermati|aspetta|aspetti|basta|smettila|un secondo|scusi|ascolta",
    "zh": "停|停一下|等一下|等等|别说了|不|不要|闭嘴|不好意思|打断一下",
}


@pytest.mark.parametrize(
    ("code", "stop"), [(code, stop) for code, stops in STOPS.items() for stop in stops.split("|")]
)
def test_who_wants_silence_gets_it_however_unsure_the_recogniser_is(code: str, stop: str) -> None:
    policy = InterruptionPolicy(backchannels=WORDS[code].backchannels, commands=WORDS[code].commands)
    unclear = OverlapEvidence(500, stop.title(), 500, is_over=True, log_probability=-2.0, unclear_below=-0.4)
    assert judge(unclear, policy, ANSWER) is OverlapVerdict.INTERRUPT
    assert judge(replace(unclear, is_over=False), policy, ANSWER) is OverlapVerdict.INTERRUPT


@pytest.mark.parametrize("code", OTHERS)
def test_other_languages_have_their_own_words(code: str) -> None:
    policy = InterruptionPolicy(backchannels=WORDS[code].backchannels, commands=WORDS[code].commands)
    encouraging, interrupting = OTHERS[code]
    for text in encouraging:
        assert judge(OverlapEvidence(500, text, 500, is_over=True), policy, "") is OverlapVerdict.DISMISS, (
            text
        )
    for text in interrupting:
        assert judge(OverlapEvidence(500, text, 500, is_over=True), policy, "") is OverlapVerdict.INTERRUPT, (
            text
        )


# --- echoes, by what was audible ---------------------------------------------------------------------------


AUDIBLE = "your table for four people is booked"


@pytest.mark.parametrize(
    ("text", "loudness", "verdict"),
    [
        ("four people is", Loudness.UNKNOWN, OverlapVerdict.DISMISS),
        ("for people's book", Loudness.UNKNOWN, OverlapVerdict.DISMISS),  # misheard, as echoes are
        ("table", Loudness.UNKNOWN, OverlapVerdict.DISMISS),
        ("for four", Loudness.ECHO, OverlapVerdict.DISMISS),
        ("four", Loudness.PERSON, OverlapVerdict.INTERRUPT),  # they say it again
        ("tonight", Loudness.ECHO, OverlapVerdict.DISMISS),  # a piece of an echo, misheard
        ("tonight", Loudness.UNKNOWN, OverlapVerdict.INTERRUPT),  # of the answer, but not of this moment
        ("a reminder please", Loudness.ECHO, OverlapVerdict.INTERRUPT),
        ("a reminder please", Loudness.UNKNOWN, OverlapVerdict.INTERRUPT),
        ("table for four people no wait stop it", Loudness.UNKNOWN, OverlapVerdict.INTERRUPT),
        ("stop", Loudness.ECHO, OverlapVerdict.INTERRUPT),
        ("no", Loudness.UNKNOWN, OverlapVerdict.INTERRUPT),
    ],
)
def test_an_echo_is_what_was_audible_at_that_moment(
    text: str, loudness: Loudness, verdict: OverlapVerdict
) -> None:
    evidence = OverlapEvidence(900, text, 900, is_over=True, audible=AUDIBLE, loudness=loudness)
    assert judge(evidence, POLICY, ANSWER) is verdict


@pytest.mark.parametrize(
    ("text", "is_over", "loudness", "verdict"),
    [
        (
            "for ripples bucket",
            True,
            Loudness.ECHO,
            OverlapVerdict.DISMISS,
        ),  # 0.62 of its letters are the agent's
        ("for ripples bucket", True, Loudness.UNKNOWN, OverlapVerdict.INTERRUPT),
        ("can you move it", False, Loudness.ECHO, OverlapVerdict.WAIT),  # a caption's last words change
        ("can you move it", False, Loudness.PERSON, OverlapVerdict.INTERRUPT),
        ("can you move it", True, Loudness.ECHO, OverlapVerdict.INTERRUPT),
        ("can you move it to nine", False, Loudness.ECHO, OverlapVerdict.WAIT),
        (
            "I am going to try to try it",
            False,
            Loudness.PERSON,
            OverlapVerdict.HOLD,
        ),  # so many words in 0.9 s
        ("I am going to try to try it", True, Loudness.PERSON, OverlapVerdict.INTERRUPT),
        ("stop", False, Loudness.ECHO, OverlapVerdict.WAIT),
        ("stop", False, Loudness.PERSON, OverlapVerdict.INTERRUPT),
        ("stop", True, Loudness.ECHO, OverlapVerdict.INTERRUPT),
    ],
)
def test_what_is_as_loud_as_the_echo_is_believed_to_be_it_for_longer(
    text: str, is_over: bool, loudness: Loudness, verdict: OverlapVerdict
) -> None:
    evidence = OverlapEvidence(900, text, 900, is_over=is_over, audible=AUDIBLE, loudness=loudness)
    assert judge(evidence, POLICY, ANSWER) is verdict


def test_who_goes_on_as_softly_as_the_echo_interrupts_in_the_end() -> None:
    text = "can you move it to nine"
    going_on = OverlapEvidence(1600, text, 1600, audible=AUDIBLE, loudness=Loudness.ECHO)
    assert judge(going_on, POLICY, ANSWER) is OverlapVerdict.INTERRUPT


def test_a_sound_as_loud_as_the_echo_does_not_hold_the_voice_before_it_has_words() -> None:
    assert judge(OverlapEvidence(3000, loudness=Loudness.ECHO), POLICY, ANSWER) is OverlapVerdict.WAIT
    few = OverlapEvidence(3000, "four people", audible=AUDIBLE, loudness=Loudness.ECHO)
    assert judge(few, POLICY) is OverlapVerdict.WAIT


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("预约在明天晚上", OverlapVerdict.DISMISS),
        ("您的雨约在明天晚上七点", OverlapVerdict.DISMISS),  # misheard, as echoes are
        ("明天", OverlapVerdict.INTERRUPT),  # so little may be the person's
        ("我要改到后天晚上", OverlapVerdict.INTERRUPT),
    ],
)
def test_an_echo_in_chinese_is_told_by_its_characters(text: str, verdict: OverlapVerdict) -> None:
    policy = InterruptionPolicy(backchannels=WORDS["zh"].backchannels, commands=WORDS["zh"].commands)
    answer = "好的，您的预约在明天晚上七点，四位。"
    assert judge(OverlapEvidence(900, text, 900, is_over=True), policy, answer) is verdict
