"""Which language a session is in, and what its recogniser is told of it."""

import pytest

from server.conversation.session_language import SessionLanguage
from server.conversation.utterance import WordsSettled
from server.domain.values import ConfigInForce, SessionConfig
from stages.ports import SpeechHints, Transcript

BOTH = ("en", "es")


def of(
    chosen: str | None, spoken: tuple[str, ...] = BOTH, recognised: tuple[str, ...] = BOTH
) -> SessionLanguage:
    return SessionLanguage(ConfigInForce(SessionConfig(language=chosen)), spoken, recognised)


def hear(language: SessionLanguage, text: str, code: str) -> None:
    language.hear_words(None, WordsSettled(Transcript(text, code)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "chosen", "code"), [("es-MX", "es", "es"), ("pt", None, "en"), (None, None, "en")]
)
def test_the_client_chooses_one_of_the_servers(wanted: str | None, chosen: str | None, code: str) -> None:
    language = of(wanted)
    assert (language.chosen, language.code) == (chosen, code)


def test_otherwise_it_is_what_was_heard_last_and_one_word_does_not_change_it() -> None:
    language = of(None)
    hear(language, "Sí.", "es")
    assert (language.code, language.hints()) == ("es", SpeechHints(last_language="es"))
    hear(language, "No.", "en")
    assert language.code == "es"
    hear(language, "In English, please.", "en")
    assert language.code == "en"
    hear(language, "Ich verstehe nicht.", "de")
    assert language.code == "en", "it is not spoken here"


def test_what_the_client_chose_goes_before_what_was_heard() -> None:
    language = of("en")
    hear(language, "Buenos días, señora.", "es")
    assert language.code == "en"


@pytest.mark.parametrize(
    ("wanted", "recognised", "told"),
    [("es-MX", BOTH, "es-MX"), ("pt", BOTH, None), ("pt", ("*",), "pt"), (None, ("*",), None)],
)
def test_the_recogniser_is_told_what_it_knows(
    wanted: str | None, recognised: tuple[str, ...], told: str | None
) -> None:
    assert of(wanted, ("en",), recognised).hints() == SpeechHints(language=told)


def test_a_server_of_one_language_has_nothing_to_choose() -> None:
    language = of("de", ("en",))
    hear(language, "Guten Tag zusammen.", "de")
    assert (language.chosen, language.code) == (None, "en")
