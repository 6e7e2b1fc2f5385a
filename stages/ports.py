"""The seams to the outside, `Recogniser`, `LanguageModel`, `Synthesiser` and `ToolServers`, and the values that
cross them.

An adapter implements one of them in `stages/providers/`, one file each; `stages.testing` implements all by script,
and has the suite that every implementation, fake or real, must pass. All are shared by all sessions of a process,
so they keep no state of a conversation.

A provider that keeps connections has a method `session()` besides (`HasSessions`). How a provider is found,
configured and described is `stages.providers.registry`'s business.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol, TypeVar, runtime_checkable

from audio.formats import Samples
from stageflow.context import Message
from stageflow.tools import Tool, ToolCall, ToolRegistry

INTERFACE = 1
"""The version of these protocols. A provider names the one that it was written for."""
MAX_PHRASES, MAX_PHRASE_CHARS = 100, 64  # of one `SpeechHints.phrases`

T_co = TypeVar("T_co", covariant=True)


@runtime_checkable
class HasSessions(Protocol[T_co]):
    """A provider that keeps something open for as long as a session lasts, such as a connection."""

    def session(self) -> AbstractAsyncContextManager[T_co]:
        """The provider for one session. Entering begins to connect and does not wait for it; leaving ends all that
        the session had there. Belongs to the task that enters it."""


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
    """What has been heard of an utterance that goes on. `text` starts with `stable`, which will not change."""

    text: str
    stable: str = ""


@dataclass(frozen=True, slots=True)
class HeardWord:
    """One recognised word and where it lies, in milliseconds from the start of the utterance."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float | None = None  # 0 to 1, or None when the recogniser does not say


@dataclass(frozen=True, slots=True)
class Transcript:
    """An utterance as text. `text` is empty when nothing was said, however much noise there was."""

    text: str
    language: str = "en"
    no_speech: float = 0.0
    """Probability, 0 to 1, that there was no speech at all."""
    log_probability: float = 0.0
    """Mean natural log probability of a token; 0 when the recogniser does not say."""
    words: tuple[HeardWord, ...] = ()
    """Its words with their times, from recognisers that know them."""
    confidence: float | None = None  # 0 to 1, or None when the recogniser does not say
    unclear_below: float | None = None
    """A lower `log_probability` of a word or two means that they were hardly said; None where nobody has measured."""


@dataclass(frozen=True, slots=True)
class SpeechHints:
    """What a session knows of the speech that is coming. A recogniser may leave any of it unused."""

    language: str | None = None
    """The language that is spoken, as in "de"; None when it is not known."""
    phrases: tuple[str, ...] = ()  # words that are likely to be said, such as names: `MAX_PHRASES` at most
    last_language: str | None = None  # what was spoken last, where it is not known what comes
    expects: Expects = Expects.FREE  # what the agent had asked for when the person began to speak


@dataclass(frozen=True, slots=True)
class RecogniserCapabilities:
    """What a recogniser can do. What it cannot is never assumed."""

    partials: bool = False
    """Whether it tells words before the utterance is over."""
    word_times: bool = False
    turns: Literal["ours", "theirs", "either"] = "ours"
    """Who finds the end of a turn: the server, the recogniser (`TurnRecogniser`), or whichever is configured."""
    eager_end: bool = False  # whether it tells a probable end of a turn before the certain one
    languages: tuple[str, ...] = ("en",)  # codes such as "de"; ("*",) for a recogniser that takes any
    phrases: bool = False  # whether it listens for the `phrases` of its hints


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

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> Recognition:
        """Begin an utterance. `on_partial` is called on the event loop, and only until `close`."""


@dataclass(frozen=True, slots=True)
class TurnBegan:
    """The person has begun to speak. Positions count samples since the stream was opened, at its rate."""

    at_sample: int


@dataclass(frozen=True, slots=True)
class TurnHeard:
    """More of the running turn: all of its words so far. `text` starts with `stable`, which will not change."""

    text: str
    stable: str = ""


@dataclass(frozen=True, slots=True)
class TurnEndsEarly:
    """The turn has probably ended: worth preparing an answer. `TurnResumed` or `TurnOver` follows."""

    transcript: Transcript
    at_sample: int


@dataclass(frozen=True, slots=True)
class TurnResumed:
    """The probable end was none: the person goes on."""


@dataclass(frozen=True, slots=True)
class TurnOver:
    """The turn has ended. Its text is that of the `TurnEndsEarly` before it, if nothing came in between."""

    transcript: Transcript
    at_sample: int


@dataclass(frozen=True, slots=True)
class TurnsFailed:
    """The stream is over: nothing is recognised any more."""

    error: Exception
    """A ProviderError."""


TurnEvent = TurnBegan | TurnHeard | TurnEndsEarly | TurnResumed | TurnOver | TurnsFailed


class TurnStream(Protocol):
    """One session's audio, in which the recogniser finds the turns. Not shared: one session feeds it."""

    def push(self, samples: Samples) -> None:
        """Append `int16[n]` at the recogniser's rate. Never waits."""

    def end_turn(self) -> None:
        """End the running turn now, if there is one: `TurnOver` follows."""

    def close(self) -> None:
        """Let go of it; no event is reported afterwards. May be called twice."""


class TurnRecogniser(Protocol):
    """A recogniser that finds the ends of turns itself. Events of a turn come in the order `TurnBegan`,
    `TurnHeard`*, (`TurnEndsEarly`, `TurnResumed`, `TurnHeard`*)*, `TurnEndsEarly`?, `TurnOver`."""

    @property
    def rate_hz(self) -> int:
        """The sample rate that `push` expects."""

    def open_turns(
        self, on_event: Callable[[TurnEvent], None], *, hints: SpeechHints = SpeechHints()
    ) -> TurnStream:
        """Begin a session's audio. `on_event` is called on the event loop, and only until `close`."""


@runtime_checkable
class OwnsTurns(Protocol):
    """A recogniser of cut utterances that is also, or stands for, one that finds the ends of turns."""

    @property
    def turns(self) -> TurnRecogniser | None:
        """The one that finds them; None where the server does."""


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


@dataclass(frozen=True, slots=True)
class Thought:
    """The model thinks, in words that are not meant for the person: a sign of life, and nothing else."""

    text: str = ""


ModelEvent = TextDelta | ToolCall | Thought | Finished


@dataclass(frozen=True, slots=True)
class ModelCapabilities:
    """What a language model can do."""

    tools: bool = True
    languages: tuple[str, ...] = ("*",)


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


Remind = Callable[[float, str], Callable[[], None]]
"""Say a text aloud in so many seconds. Gives the function that takes this back, if it is not too late."""


@runtime_checkable
class HasTools(Protocol):
    """A language model that brings tools of its own; with others, an agent has those that were named for it.

    Their names are in `session_tool_names`, if it has that, so that a configuration is checked before it is loaded,
    and in `confirmed_tools` of those that run only when the person has said yes, unless the operator names others.
    """

    def session_tools(self, remind: Remind, owner: str) -> ToolRegistry:
        """The tools of one session, which leaves its reminders with `remind`. What they do for good is `owner`'s."""


# --- text to speech ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WordTime:
    """One word and where it lies, in samples from the start of the text's audio."""

    text: str
    start_sample: int
    end_sample: int

    def later(self, samples: int) -> "WordTime":
        """The same word, counted from `samples` earlier."""
        return WordTime(self.text, self.start_sample + samples, self.end_sample + samples)


@dataclass(frozen=True, slots=True)
class Speech:
    """The next stretch of a text's audio, `int16[n]` at the synthesiser's rate.

    `words` are the text's next words that are known to lie in it or before: all that stands between white space
    with a letter or digit in it, as it is written there. A voice that does not know its times gives none.
    `begins` is how many characters of the text had been spoken before these samples, where the voice knows it.
    """

    samples: Samples
    words: tuple[WordTime, ...] = ()
    begins: int | None = None


@dataclass(frozen=True, slots=True)
class VoiceOption:
    """A voice that can be chosen."""

    name: str
    description: str = ""
    """In a few words, for people who choose."""


@dataclass(frozen=True, slots=True)
class SynthesiserCapabilities:
    """What a voice can do."""

    word_times: bool = False
    streams_text: bool = False
    """Whether it opens utterances (`UtteranceSynthesiser`): text goes in while audio comes out."""
    speed: bool = True
    """Whether it can speak faster or slower; without it, `speed` changes nothing."""
    languages: tuple[str, ...] = ("en",)


class Synthesiser(Protocol):
    """Turns text into speech, one piece after the other."""

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


class SpokenUtterance(Protocol):
    """One answer on its way to sound: text goes in as it comes, audio comes out. One task pushes, one iterates."""

    @property
    def waiting_chars(self) -> int:
        """How much of the text has not come back as audio, as well as the voice knows it."""

    async def push(self, text: str) -> None:
        """Append a speakable piece of the answer. Waits while the voice has enough to do. Raises ProviderError."""

    async def finish(self) -> None:
        """Say that the answer's text is complete. Raises ProviderError."""

    def cancel(self) -> None:
        """Be done with it at once; no audio comes afterwards. May be called twice."""

    def audio(self) -> AsyncGenerator[Speech, None]:
        """What is spoken, to the end of the text or to `cancel`; to be asked for once. Word times and `begins` count
        from the start of the utterance. Raises ProviderError."""


class UtteranceSynthesiser(Protocol):
    """Turns an answer into speech while it is being written, with one prosody from its beginning to its end."""

    @property
    def voices(self) -> Sequence[VoiceOption]:
        """The voices that `utterance` knows by name, the default first."""

    @property
    def rate_hz(self) -> int:
        """The sample rate of its audio."""

    def utterance(
        self, *, voice: str | None = None, speed: float = 1.0, language: str | None = None
    ) -> AbstractAsyncContextManager[SpokenUtterance]:
        """An answer's utterance, for as long as the block lasts; leaving the block cancels what is left of it.

        Unknown voices fall back to the default one. Belongs to the task that enters it.
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
