"""One setting for a language: the parts that speak it, and what the server says and listens for in it."""

import pytest

from server.config.choice import choose
from server.config.environment import load_settings
from server.config.languages import PHRASES, refusals
from server.domain.errors import ConfigError
from server.turntaking.endpointing import Look, look_of
from server.turntaking.listener_words import WORDS
from stages.ports import Expects
from stages.text.languages import CODES


def test_each_language_has_phrases_and_listener_words() -> None:
    assert set(PHRASES) == set(WORDS) == set(CODES)
    for phrases in PHRASES.values():
        assert all((phrases.name, phrases.refusal, phrases.apology, phrases.filler, phrases.instructions))


@pytest.mark.parametrize(("asked", "code"), [("de", "de"), ("es-MX", "es"), ("FR", "fr")])
def test_a_language_brings_the_parts_that_speak_it(asked: str, code: str) -> None:
    settings = load_settings({"language": asked}, env_file=None)
    assert settings.language == (code,)
    assert (settings.stt, settings.tts) == ("whisper_base", "pico")
    assert settings.guard_refusal == PHRASES[code].refusal
    assert settings.instructions == PHRASES[code].instructions
    chosen = choose(settings, env_file=None)
    assert chosen.faults == ()
    assert chosen.providers["stt"].settings.model_dump()["language"] == (code,)
    assert chosen.providers["tts"].settings.model_dump()["language"] == (code,)


@pytest.mark.parametrize("asked", ["zh", "zh-CN", "zh_Hans"])
def test_mandarin_is_spoken_by_the_voice_that_knows_it(asked: str) -> None:
    settings = load_settings({"language": asked}, env_file=None)
    assert settings.language == ("zh",)
    assert (settings.stt, settings.tts) == ("whisper_base", "kokoro")
    chosen = choose(settings, env_file=None)
    assert chosen.faults == ()
    assert chosen.providers["tts"].settings.model_dump()["language"] == ("zh",)


def test_a_voice_without_mandarin_is_refused_with_those_that_it_has() -> None:
    chosen = choose(load_settings({"language": "zh", "tts": "pico"}, env_file=None), env_file=None)
    assert any("language" in fault and "'de' or 'it'" in fault for fault in chosen.faults), chosen.faults


def test_english_stays_as_it_was() -> None:
    settings = load_settings({}, env_file=None)
    assert settings.language == ("en",)
    assert (settings.stt, settings.tts) == ("embedded", "embedded")


def test_what_is_named_stays() -> None:
    settings = load_settings({"language": "it", "tts": "scripted", "guard_refusal": "Mai."}, env_file=None)
    assert (settings.stt, settings.tts, settings.guard_refusal) == ("whisper_base", "scripted", "Mai.")


def test_a_language_that_is_not_spoken_is_refused_with_a_list() -> None:
    with pytest.raises(
        ConfigError, match=r"LANGUAGE: 'pt' cannot be spoken here: choose from en \(English\), es \(Spanish\)"
    ):
        load_settings({"language": "pt"}, env_file=None)


@pytest.mark.parametrize(
    ("text", "look"),
    [
        ("Ich möchte einen Tisch für", Look.TRAILING),
        ("Quisiera una mesa para", Look.TRAILING),
        ("Je voudrais une table pour", Look.TRAILING),
        ("Vorrei un tavolo perché", Look.TRAILING),
        ("Ich möchte einen Tisch für vier.", Look.ENDED),
        ("null eins sieben sechs", Look.SPELLING),
        ("cero uno dos tres", Look.SPELLING),
        ("我想订一个位子，然后", Look.TRAILING),
        ("我要改时间，因为。", Look.TRAILING),
        ("我的电话号码是", Look.TRAILING),
        ("我想订明天晚上的位子，", Look.COMMA),
        ("我想订明天晚上的位子。", Look.ENDED),
        ("你们几点开门？", Look.ENDED),
        ("我想订明天晚上的位子", Look.OPEN),
        ("一三八零零", Look.SPELLING),
        ("一百二十五。", Look.ENDED),
        ("这是我的。", Look.ENDED),
        ("我要那个。", Look.ENDED),
        ("今天很暖和。", Look.ENDED),
        ("这是我的", Look.OPEN),
    ],
)
def test_the_ends_of_turns_know_the_words_that_promise_more(text: str, look: Look) -> None:
    assert look_of(text) is look


@pytest.mark.parametrize(
    "text", ["Ja, genau.", "Sí, claro.", "Oui, merci.", "Sì, certo.", "好的，谢谢。", "不用了", "嗯，是的。"]
)
def test_an_answer_to_a_yes_or_no_is_known(text: str) -> None:
    assert look_of(text, Expects.YES_NO) is Look.ANSWERED


def test_several_languages_have_a_recogniser_and_voices_for_all() -> None:
    settings = load_settings({"language": "en, es-MX"}, env_file=None)
    assert settings == load_settings({"language": ["en", "es"]}, env_file=None)
    assert settings.language == ("en", "es")
    assert (settings.stt, settings.tts) == ("whisper_base", "by_language")
    assert settings.instructions.endswith(
        "Answer in the language in which you are spoken to: English or Spanish."
    )
    chosen = choose(settings, env_file=None)
    assert chosen.faults == ()
    for kind in ("stt", "tts"):
        assert chosen.providers[kind].settings.model_dump()["language"] == ("en", "es")


def test_each_of_several_languages_is_checked() -> None:
    with pytest.raises(ConfigError, match=r"LANGUAGE: 'pt' cannot be spoken here"):
        load_settings({"language": ["en", "pt"]}, env_file=None)
    with pytest.raises(ConfigError, match=r"LANGUAGE: there must be one: choose from en \(English\)"):
        load_settings({"language": " , "}, env_file=None)


def test_the_refusal_is_in_each_language_unless_one_is_configured() -> None:
    usual = PHRASES["en"].refusal
    assert refusals(("en", "es"), usual) == {"en": usual, "es": PHRASES["es"].refusal}
    assert refusals(("en", "es"), "Never.") == {}
