"""A scripted engine for Moonshine: what the network says is given, what is made of it is under test."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from audio.formats import SPEECH_HZ
from stages.providers.moonshine.decode import Hypothesis
from stages.providers.whisper.segments import Segment
from stages.runtime.onnx import Floats


def text_of(segments: Sequence[Segment] | None) -> str:
    assert segments is not None
    return " ".join(segment.reading.text for segment in segments if segment.reading.text)


class ScriptedEngine:
    """Gives its answers in order, the last one again and again; remembers how long the sounds were."""

    def __init__(
        self, *answers: tuple[str, float, bool], respelled: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """`respelled` is what it makes of a text where there are phrases."""
        self.respelled = respelled
        self.answers = answers or (("yes", -0.1, True),)
        self.lengths_ms: list[int] = []
        self.guesses: list[tuple[int, ...]] = []
        self.weights: dict[str, float] = {}
        """How probable a word is as a whole."""
        self.forgot_after = 0
        """So many readings had been made when it was last told to forget."""

    def read(
        self, wave: Floats, most_tokens: int, guess: Sequence[int], keep_going: Callable[[], bool]
    ) -> Hypothesis | None:
        self.lengths_ms.append(len(wave) * 1000 // SPEECH_HZ)
        self.guesses.append(tuple(guess))
        at = min(len(self.lengths_ms), len(self.answers)) - 1
        _, log_probability, is_ended = self.answers[at]
        return Hypothesis((at,), log_probability, is_ended)

    def read_openings(
        self, wave: Floats, most_tokens: int, count: int, within: float, keep_going: Callable[[], bool]
    ) -> list[Hypothesis] | None:
        """The answers but the first."""
        self.lengths_ms.append(len(wave) * 1000 // SPEECH_HZ)
        return [Hypothesis((at,), *answer[1:]) for at, answer in enumerate(self.answers) if at] or None

    def weigh(self, wave: Floats, words: Sequence[str], keep_going: Callable[[], bool]) -> list[float] | None:
        """`weights` of each."""
        self.lengths_ms.append(len(wave) * 1000 // SPEECH_HZ)
        return [self.weights[word] for word in words]

    def respell(
        self, wave: Floats, text: str, phrases: Sequence[str], keep_going: Callable[[], bool]
    ) -> str | None:
        return self.respelled.get(text, text) if keep_going() else None

    def pieces(self, text: str) -> int:
        """Every word is one."""
        return 1

    def forget(self) -> None:
        self.forgot_after = len(self.lengths_ms)

    def text(self, hypothesis: Hypothesis) -> str:
        return self.answers[hypothesis.tokens[0]][0]
