"""What callers do, as a scenario file says it: pydantic models, which name all faults at once. Pure."""

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

Ms = Annotated[int, Field(ge=0, le=600_000)]
Part: TypeAlias = Annotated[str, Field(min_length=1, max_length=2000)] | Ms
ANSWER_MS = 10_000
"""How long an answer may take where the script says nothing else."""

CALLER = "{caller}"
"""Stands in what is typed, and in what is heard, for the name of the caller, a word that no other caller has."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Voiced(_Strict):
    """Something that is said: `say` is a text, or a list of texts and of pauses in ms; `file` a recording."""

    say: str | tuple[Part, ...] | None = Field(None, min_length=1)
    file: str | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _one_of_both(self) -> "_Voiced":
        if (self.say is None) == (self.file is None):
            raise ValueError("needs either `say` or `file`")
        if CALLER in str(self.say):
            raise ValueError(f"all callers say the same: {CALLER} can only be in `type` and `hears`")
        return self


class _Asking(_Strict):
    calls: str | None = None
    """The client tool that is to be called before the answer."""
    hears: str | None = Field(None, min_length=1, max_length=10_000)
    """The words of the answer, where the voice marks them; `{caller}` is a name that each caller has alone."""


class Say(_Voiced, _Asking):
    """Say something, and wait until the answer to it is heard."""

    expect: Literal["respond", "nothing"] | None = "respond"
    within_ms: Ms = ANSWER_MS


class SayOver(_Voiced):
    """Said over an answer, so long after that began to be heard, or after so many of its words."""

    after_ms: Ms | None = None
    after_words: int | None = Field(None, ge=1, le=1_000)

    @model_validator(mode="after")
    def _one_moment(self) -> "SayOver":
        if self.after_ms is not None and self.after_words is not None:
            raise ValueError("needs `after_ms` or `after_words`, not both")
        return self

    @property
    def wait_ms(self) -> int:
        """How long the answer is heard before, where no words are counted."""
        return 800 if self.after_ms is None else self.after_ms


class BargeIn(_Strict):
    """Interrupt the answer: it is to fall silent, and unless `answered` is false what was said is to be answered."""

    barge_in: SayOver
    expect: Literal["stop", "ignore"] = "stop"
    within_ms: Ms = 3_000
    answered: bool = True

    @property
    def answered_ms(self) -> int:
        """How long the answer may take: as long as the one that is talked over may take to fall silent, if that is
        longer than answers have."""
        return max(ANSWER_MS, self.within_ms)


class Backchannel(_Strict):
    """A sound of agreement over the answer, which is to go on."""

    backchannel: SayOver
    expect: Literal["ignore", "stop"] = "ignore"
    within_ms: Ms = 1_500


class _NoSpeech(_Strict):
    """A sound that is none, and then silence for `within_ms`, in which nothing is to be answered."""

    level_dbfs: float = Field(-35.0, ge=-90.0, le=0.0)
    expect: Literal["nothing"] | None = "nothing"
    within_ms: Ms = 1_500


class Noise(_NoSpeech):
    """White noise for so many ms."""

    noise_ms: Annotated[int, Field(ge=20, le=60_000)]


class Music(_NoSpeech):
    """Chords and a melody for so many ms."""

    music_ms: Annotated[int, Field(ge=20, le=60_000)]


class Silence(_Strict):
    """Nothing is said for so many ms."""

    silence_ms: Ms
    expect: Literal["nothing"] | None = None


class Typed(_Asking):
    """Something is written instead of said."""

    type: str = Field(min_length=1, max_length=10_000)
    expect: Literal["respond"] | None = "respond"
    within_ms: Ms = ANSWER_MS


class ReadSlowly(_Strict):
    """Nothing is taken from the socket for so many ms, while the microphone goes on."""

    read_slowly_ms: Annotated[int, Field(ge=1, le=60_000)]


class HangUp(_Strict):
    """End the session; `cut` breaks the connection instead."""

    hang_up: Literal[True]


class Cut(_Strict):
    """Break the TCP connection without a word."""

    cut: Literal[True]


class Outage(_Strict):
    """The connection is cut so long after the answer began to be heard, and opened again so long after that."""

    after_ms: Ms = 500
    away_ms: Annotated[int, Field(ge=0, le=60_000)] = 300


class Resume(_Strict):
    """Lose the connection in the middle of an answer, and come back: the answer is to go on where it was."""

    resume: Outage
    expect: Literal["resumed"] = "resumed"
    within_ms: Ms = 5_000


class HalfOpen(_Strict):
    """The network carries nothing for so many ms, either way, and says nothing of it; then it brings all at once."""

    half_open_ms: Annotated[int, Field(ge=20, le=120_000)]
    expect: Literal["kept", "closed"] = "kept"
    within_ms: Ms = 1_000


_VERBS: dict[str, type[BaseModel]] = {
    "say": Say,
    "file": Say,
    "barge_in": BargeIn,
    "backchannel": Backchannel,
    "noise_ms": Noise,
    "music_ms": Music,
    "silence_ms": Silence,
    "type": Typed,
    "read_slowly_ms": ReadSlowly,
    "resume": Resume,
    "half_open_ms": HalfOpen,
    "hang_up": HangUp,
    "cut": Cut,
}


def _verb(value: Any) -> str | None:
    """Which step this is, by the one word of it that is a verb."""
    if isinstance(value, BaseModel):
        return next(verb for verb, kind in _VERBS.items() if isinstance(value, kind) and verb != "file")
    found = [verb for verb in _VERBS if isinstance(value, dict) and verb in value]
    if len(found) != 1 and set(found) != {"say", "file"}:
        return None
    return "say" if found[0] == "file" else found[0]


Step = Annotated[
    Annotated[Say, Tag("say")]
    | Annotated[BargeIn, Tag("barge_in")]
    | Annotated[Backchannel, Tag("backchannel")]
    | Annotated[Noise, Tag("noise_ms")]
    | Annotated[Music, Tag("music_ms")]
    | Annotated[Silence, Tag("silence_ms")]
    | Annotated[Typed, Tag("type")]
    | Annotated[ReadSlowly, Tag("read_slowly_ms")]
    | Annotated[Resume, Tag("resume")]
    | Annotated[HalfOpen, Tag("half_open_ms")]
    | Annotated[HangUp, Tag("hang_up")]
    | Annotated[Cut, Tag("cut")],
    Discriminator(
        _verb,
        custom_error_type="step",
        custom_error_message="a step has one of: " + ", ".join(_VERBS),
    ),
]


class Tool(_Strict):
    """A function that the caller declares, and whose result it sends so long after it was called."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    description: str = Field("", max_length=1_000)
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    result: str = Field("done", max_length=10_000)
    after_ms: Ms = 0


class Scenario(_Strict):
    """One conversation. Of several, each is chosen as often as its weight says."""

    name: str = Field(min_length=1, max_length=100)
    weight: float = Field(1.0, gt=0, le=1e6)
    steps: tuple[Step, ...] = Field(min_length=1, max_length=200)
    tools: tuple[Tool, ...] = Field((), max_length=32)
    think_ms: tuple[Ms, Ms] = (300, 1_200)
    """Least and most silence after an answer, before the next is said."""

    @field_validator("think_ms")
    @classmethod
    def _in_order(cls, value: tuple[int, int]) -> tuple[int, int]:
        if value[0] > value[1]:
            raise ValueError(f"the least, {value[0]}, is more than the most, {value[1]}")
        return value

    @model_validator(mode="after")
    def _something_to_talk_over(self) -> "Scenario":
        for number, step in enumerate(self.steps):
            before = self.steps[number - 1] if number else None
            if not isinstance(step, BargeIn | Backchannel | Resume):
                continue
            answered = isinstance(before, Say | Typed) and before.expect == "respond"
            goes_on = isinstance(before, Backchannel | Resume) or (
                isinstance(before, BargeIn) and before.answered
            )
            if not (answered or goes_on):
                raise ValueError(
                    f"step {number + 1} is in the middle of an answer, but the step before it expects none"
                )
        return self

    @model_validator(mode="after")
    def _tools_that_there_are(self) -> "Scenario":
        names = [tool.name for tool in self.tools]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two tools are called {twice[0]!r}")
        for number, step in enumerate(self.steps):
            calls = step.calls if isinstance(step, Say | Typed) else None
            if calls is not None and calls not in names:
                raise ValueError(f"step {number + 1}: there is no tool {calls!r} among `tools`")
        return self

    @property
    def counts_words(self) -> bool:
        """Whether the caller is to count the words of answers while it hears them."""
        overs = [getattr(step, "barge_in", None) or getattr(step, "backchannel", None) for step in self.steps]
        return any(over is not None and over.after_words is not None for over in overs)

    @property
    def loses_its_line(self) -> bool:
        """Whether the caller is to come back when its line is lost."""
        return any(isinstance(step, Resume | HalfOpen) for step in self.steps)


class Mix(_Strict):
    """A scenario file: conversations, objectives, and what all callers share."""

    seed: int = Field(1, ge=0, le=2**31)
    prebuffer_ms: int = Field(0, ge=0, le=2_000)
    objectives: tuple[str, ...] = ("missed=0", "not_stopped=0", "lost=0", "refused=0", "errors=0")
    """Where none are named, those without which no other figure says that a server works."""
    scenarios: tuple[Scenario, ...] = Field(min_length=1, max_length=100)
