"""Which language a session is in: what its client says, or what was recognised last."""

from server.conversation.utterance import Utterance, WordNews, WordsCame
from server.domain.values import ConfigInForce
from stages.ports import SpeechHints, Transcript
from stages.text.words import count_words


def primary(language: str) -> str:
    """The code of a tag: "es" of "es-MX"."""
    return language.replace("_", "-").partition("-")[0].lower()


class SessionLanguage:
    """The language of one session; listens to the words of its utterances."""

    def __init__(self, config: ConfigInForce, spoken: tuple[str, ...], recognised: tuple[str, ...]) -> None:
        """`spoken` are the languages of the server, the usual one first; `recognised` those that its recogniser knows,
        among them "*" if it is any."""
        self._config = config
        self._spoken = spoken
        self._recognised = recognised
        self._heard: str | None = None

    @property
    def chosen(self) -> str | None:
        """The one of several languages that the client has chosen."""
        wanted = primary(self._config.current.language or "")
        return wanted if wanted in self._spoken and len(self._spoken) > 1 else None

    @property
    def code(self) -> str:
        """One of the server's: the chosen one, or what was heard last, or the usual one."""
        return self.chosen or self._heard or self._spoken[0]

    def hints(self) -> SpeechHints:
        """What the recogniser of the next utterance is told."""
        wanted = self._config.current.language
        is_known = wanted and ("*" in self._recognised or primary(wanted) in self._recognised)
        return SpeechHints(language=wanted if is_known else None, last_language=self._heard)

    def hear_words(self, utterance: Utterance, news: WordNews) -> None:
        """Take note of the language of what was said; of a single word it is too uncertain to change it."""
        if isinstance(news, WordsCame) or not isinstance(news.outcome, Transcript):
            return
        heard, words = primary(news.outcome.language), count_words(news.outcome.text)
        if heard in self._spoken and len(self._spoken) > 1 and words and (words >= 2 or not self._heard):
            self._heard = heard
