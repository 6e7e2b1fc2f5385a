"""The seams to the outside, `Recogniser`, `LanguageModel`, `Synthesiser` and `ToolServers`, and the values that
cross them.

An adapter implements one of them in `stages/providers/`, one file each; `stages.testing.fakes` and
`stages.testing.fake_tools` implement all by script. `stages/testing/contracts.py` is the suite that every
implementation, fake or real, must pass. All are shared by all sessions of a process, so they keep no state of
a conversation.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal, Protocol

from audio.formats import Samples
from stageflow.context import Message
from stageflow.tools import Tool, ToolCall

# --- speech to text ---------------------------------------------------------------------------------------


class Expects(StrEnum):
    """What kind of answer the agent's last question asks for; an agent may say it in its output's `expects`."""

    FREE = "free"
    YES_NO = "yes_no"
    NUMBER = "number"
    PHONE = "phone"
    EMAIL = "email"


@dataclass(frozen=True, slots=True)
class Partial:
    """What has been heard of an utterance that is still going on. `text` starts with `stable`, which will
    not change."""

    text: str
    stable: str = ""


@dataclass(frozen=True, slots=True)
class Transcript:
    """An utterance as text. `text` is empty when nothing was said, however much noise there was."""

    text: str
    language: str = "en"
    no_speech: float = 0.0
    """Probability, 0 to 1, that there was no speech at all."""
    log_probability: float = 0.0
    """Mean natural log probability of a token; 0 when the recogniser does not say."""


class Recognition(Protocol):
    """One utterance on its way to text. Not shared: one session feeds it."""

    def push(self, samples: Samples) -> None:
        """Append `int16[n]` at the recogniser's rate. Never waits."""

    async def final(self) -> Transcript:
        """The text of everything pushed so far; more may be pushed and asked again afterwards.

        Raises ProviderError. Cancel-safe: a cancelled call leaves the utterance as it was.
        """

    def close(self) -> None:
        """Let go of the utterance; no partial is reported afterwards. May be called twice."""


class Recogniser(Protocol):
    """Turns speech into text."""

    @property
    def rate_hz(self) -> int:
        """The sample rate that `push` expects."""

    def open(self, on_partial: Callable[[Partial], None] | None = None) -> Recognition:
        """Begin an utterance. `on_partial` is called on the event loop, and only until `close`."""


# --- ends of turns ------------------------------------------------------------------------------------------


class TurnQuestions(Protocol):
    """What one session asks about its pauses: at most one question at a time, the newest."""

    def ask(self, samples: Samples) -> None:
        """Ask about `int16[n]` at 16 kHz that end in a pause. Never waits; there may be no answer."""

    def drop(self) -> None:
        """Withdraw the question; its answer is not reported."""

    def close(self) -> None:
        """Ask no more. May be called twice."""


class EndOfTurnModel(Protocol):
    """Tells by the sound of it whether somebody has finished speaking."""

    def open(self, on_probability: Callable[[float], None]) -> TurnQuestions:
        """The questions of one session; 0 (will go on) to 1 (has finished) comes on the event loop."""


# --- language ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer's text; the pieces joined are the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens spent, as the provider counts them; zero where it does not say."""

    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of every answer that was not cut short."""

    reason: Literal["stop", "length", "tool_calls", "content_filter"] = "stop"
    usage: Usage = Usage()
    expects: Expects | None = None
    """What kind of answer it asks for, if the model knows; otherwise the session infers it from its words."""


ModelEvent = TextDelta | ToolCall | Finished


@dataclass(frozen=True, slots=True)
class OneTool:
    """The model must call the tool of this name."""

    name: str


ToolChoice = Literal["auto", "none", "required"] | OneTool
"""Whether the model may, must not or must call a tool; `required` leaves it the choice which."""


NOTHING_SAID = "[silence]"
"""Stands for the person's words when the agent is to speak although there are none. Not a system message:
many chat models take those at the beginning only, and none that ends with their own words."""


class LanguageModel(Protocol):
    """Continues a conversation. The scripted agent and every chat model look the same from here."""

    def stream(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        tool_choice: ToolChoice = "auto",
        max_tokens: int | None = None,
    ) -> AsyncGenerator[ModelEvent, None]:
        """Text deltas and tool calls as they come, then exactly one `Finished`.

        When the reason is `tool_calls` the caller runs the calls, appends them and their results to
        `messages` (an assistant message with `tool_calls`, then one `role="tool"` message each) and asks
        again. Raises ProviderError. Cancel-safe: closing the generator ends the request.
        """


# --- text to speech ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WordTime:
    """One word and where it lies, in samples from the start of the text's audio."""

    text: str
    start_sample: int
    end_sample: int

    def later(self, samples: int) -> "WordTime":
        """The same word, counted from `samples` earlier."""
        return replace(self, start_sample=self.start_sample + samples, end_sample=self.end_sample + samples)


@dataclass(frozen=True, slots=True)
class Speech:
    """The next stretch of a text's audio, `int16[n]` at the synthesiser's rate.

    `words` are the text's next words that are known to lie in it or before: all that stands between white space
    with a letter or digit in it, as it is written there. A voice that does not know its times gives none.
    """

    samples: Samples
    words: tuple[WordTime, ...] = ()


@dataclass(frozen=True, slots=True)
class VoiceOption:
    """A voice that can be chosen."""

    name: str
    description: str
    """In a few words, for people who choose."""


class Synthesiser(Protocol):
    """Turns text into speech."""

    @property
    def voices(self) -> Sequence[VoiceOption]:
        """The voices that `stream` knows by name, the default first."""

    @property
    def rate_hz(self) -> int:
        """The sample rate of what `stream` yields."""

    def stream(
        self, text: str, *, voice: str | None = None, speed: float = 1.0
    ) -> AsyncGenerator[Speech, None]:
        """The audio of one speakable piece of text, as it comes; unknown voices fall back to the default one.

        Text with nothing to say yields nothing. Raises ProviderError. Cancel-safe: closing the generator
        ends it.
        """


# --- tools that other servers run ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ServerTool:
    """A tool that a server offers, as the server describes it."""

    name: str
    description: str = ""
    parameters: Mapping[str, object] = field(default_factory=lambda: {"type": "object", "properties": {}})
    """A JSON schema of the arguments."""
    annotations: Mapping[str, object] = field(default_factory=dict)
    """The server's hints, to be shown."""
    read_only: bool = False
    """Whether the server says that a call changes nothing."""


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """What came of a call. `failed` is the tool's own doing: the text says to a model what to do better."""

    text: str
    failed: bool = False


class ToolConnection(Protocol):
    """One connection to a server. Calls may overlap."""

    async def tools(self) -> tuple[ServerTool, ...]:
        """What the server offers now. Raises ProviderError. Cancel-safe."""

    async def call(self, name: str, arguments: Mapping[str, object]) -> ToolOutput:
        """Run a tool. Raises ProviderError. Cancel-safe; what a cancelled call had done by then stays done."""


class ToolServers(Protocol):
    """Reaches servers that offer tools."""

    def connect(self, url: str, headers: Mapping[str, str]) -> AbstractAsyncContextManager[ToolConnection]:
        """A connection for as long as the block lasts, which belongs to the task that enters it.

        Entering raises ProviderError. When the server is lost, the block is cancelled and leaving it raises
        ProviderError, and so does every call. A ProviderError of the block's own leaves it as it is, alone. Waiting is
        bounded by whoever waits.
        """
