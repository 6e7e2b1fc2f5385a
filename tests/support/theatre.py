"""Scripted conversations in virtual time: who says what and when goes in, what a client would notice comes out.

    story = Story(says=(Say(0.5, 1.5, "what time is it"),), answers=("It is noon.",), until_s=6.0)
    told = perform(story)

The person's audio is real and goes through the real detector, 20 ms at a time; the recogniser is told the words with
their times, and knows of them what lies in the audio that it has been given. `Told.lines` is short enough to be
read, compared and kept as a golden trace.
"""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import takewhile
from typing import Any

import anyio
import numpy as np
from pybase64 import b64encode_as_string

from audio.formats import SPEECH_HZ, Samples
from server.domain.values import SessionConfig, TurnDetection
from server.journal.door import Door
from server.turntaking.interruption import InterruptionPolicy
from stageflow.tools import Tool
from stages.errors import ProviderError
from stages.ports import Partial, SpeechHints, Transcript
from stages.testing.fakes import Conduct, Said, ScriptedTurnEnds
from stages.testing.turn_fakes import At, ScriptedTurns
from stages.testing.virtual_time import run_virtual
from tests.support.audio_maker import clip, pink_noise, tone, voice
from tests.support.stage import AUDIO as AUDIO_FRAME
from tests.support.stage import Stage, play, realtime, voice_v1

WIRE_HZ = 24_000
FRAME_S = 0.02
FRAME_SAMPLES = int(WIRE_HZ * FRAME_S)
VOICES = 8
"""The person's utterances sound different, so many of them: what they sound like takes longer to make than to hear."""
SEMANTIC = SessionConfig(turn_detection=TurnDetection(kind="semantic_vad"), transcription=True)
FIXED = SessionConfig(turn_detection=TurnDetection(), transcription=True)
SOUNDS: dict[str, Callable[[int], Samples]] = {
    "voice": partial(voice, rate_hz=WIRE_HZ),
    "noise": lambda ms: pink_noise(ms, -30.0, rate_hz=WIRE_HZ),
    "music": lambda ms: np.sum([tone(hz, ms, -24.0, WIRE_HZ) for hz in (262, 330, 392)], axis=0).astype(
        np.int16
    ),
}


@dataclass(frozen=True)
class Say:
    """Something that is heard by the microphone from `start_s` to `end_s`; its words, if it has any, evenly."""

    start_s: float
    end_s: float
    words: str = ""
    sound: str = "voice"


@dataclass(frozen=True)
class Do:
    """Something that the client sends."""

    at_s: float
    type: str
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Story:
    """One conversation."""

    says: tuple[Say, ...] = ()
    answers: tuple[str | Said, ...] = ("All right.",)
    until_s: float = 8.0
    does: tuple[Do, ...] = ()
    config: SessionConfig = SEMANTIC
    holds_voice: bool = True
    """Whether the client can lower and hold the voice, or is a stock one."""
    model_s: float = 0.3
    """Time to the model's first token."""
    recogniser_s: float = 0.05
    model_hangs: bool = False
    """Whether the model never goes on after its first token."""
    voice: Conduct = Conduct(delay_s=0.1)
    recogniser_fails: bool = False
    ends: tuple[float | None, ...] = (None,)
    """What the end-of-turn model says of one pause after the other."""
    blocked: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    policy: InterruptionPolicy = field(default_factory=InterruptionPolicy)
    turns: tuple[At, ...] | None = None
    """What a recogniser says that finds the ends of turns itself; None for one that is given utterances."""
    silent_from_s: float = 1e9
    """When the client stops sending audio."""


@dataclass(frozen=True)
class Told:
    """What came of it."""

    lines: tuple[str, ...]
    events: tuple[tuple[float, dict[str, Any]], ...]
    context: tuple[tuple[str, str], ...]
    """What the model would be given next: role and content."""
    stage: Stage

    def times(self, type: str) -> list[float]:
        """When events of a type came, in seconds."""
        return [at for at, event in self.events if event["type"] == type]

    def audio_times(self) -> list[float]:
        """When audio came, in seconds."""
        return [at for at, event in self.events if event["type"] in AUDIO]

    def audio(self) -> bytes:
        """All of it, joined."""
        frames = (event for _, event in self.events if event["type"] in AUDIO)
        return b"".join(
            event["data"] if "data" in event else base64.b64decode(event["delta"]) for event in frames
        )

    def realtime_events(self) -> list[dict[str, Any]]:
        """What a client of the standard protocol knows of it."""
        return [
            event for _, event in self.events if event["type"] != AUDIO_FRAME and event["type"][:2] != "x_"
        ]


AUDIO = ("response.output_audio.delta", AUDIO_FRAME)


def perform(story: Story) -> Told:
    """Play the story."""
    return _told(play(partial(stage_of, story), partial(tell, story)))


def perform_both(one: Story, other: Story) -> tuple[Told, Told]:
    """Play two stories at once, on one loop."""

    async def main() -> tuple[Stage, Stage]:
        stages = stage_of(one), stage_of(other)
        async with anyio.create_task_group() as tasks:
            for story, stage in zip((one, other), stages, strict=True):
                tasks.start_soon(_converse, story, stage)
        return stages

    first, second = run_virtual(main)
    return _told(first), _told(second)


async def _converse(story: Story, stage: Stage) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.session.run)
        await tell(story, stage)
        stage.wire.hang_up()


def stage_of(story: Story, door: Door | None = None) -> Stage:
    answers = (_timed(answer, story) for answer in story.answers)
    return Stage(
        *answers,
        voice=story.voice,
        blocked=story.blocked,
        tools=story.tools,
        recogniser=PromptedRecogniser(story) if story.turns is None else OwnsItsTurns(story, story.turns),
        end_of_turn=ScriptedTurnEnds(*story.ends),
        interruption=story.policy,
        config=story.config,
        dialect=voice_v1 if story.holds_voice else realtime,
        unreported_lead_ms=400,  # the same times whichever client it is
        door=door,
    )


def _told(stage: Stage) -> Told:
    context = tuple((m.role, m.content) for m in stage.session.messages() if m.role != "system")
    return Told(tuple(trace(stage.wire.seen)), tuple(stage.wire.seen), context, stage)


def _timed(answer: str | Said, story: Story) -> Said:
    if isinstance(answer, Said):
        return answer
    return Said(answer, conduct=Conduct(delay_s=story.model_s, gap_s=0.02, hangs=story.model_hangs, after=1))


async def tell(story: Story, stage: Stage) -> None:
    async with anyio.create_task_group() as tasks:
        for deed in story.does:
            tasks.start_soon(_do, stage, deed)
        audio = _microphone(story)
        starts = range(0, len(audio), FRAME_SAMPLES)
        frames = (
            _append(audio[start : start + FRAME_SAMPLES])
            for number, start in enumerate(starts, start=1)
            if number * FRAME_S < story.silent_from_s
        )
        await stage.wire.stream(frames, FRAME_S)
        await anyio.sleep_until(len(starts) * FRAME_S)


def _append(samples: Samples) -> str:
    return f'{{"type":"input_audio_buffer.append","audio":"{b64encode_as_string(samples.tobytes())}"}}'


async def _do(stage: Stage, deed: Do) -> None:
    await anyio.sleep_until(deed.at_s)
    if deed.type == "hang up":
        stage.wire.hang_up()
        return
    fields = {key: value(stage) if callable(value) else value for key, value in deed.fields.items()}
    stage.wire.say(deed.type, **fields)


def _microphone(story: Story) -> Samples:
    audio = np.zeros(int(story.until_s * WIRE_HZ), "<i2")
    for number, say in enumerate(story.says):
        ms = round((say.end_s - say.start_s) * 1000)
        if say.sound in SOUNDS:
            sound = _voice(ms, number % VOICES) if say.sound == "voice" else SOUNDS[say.sound](ms)
        else:
            sound = np.repeat(clip(say.sound).read(), 3)[::2]  # 16 to 24 kHz, well enough for a detector
        start = int(say.start_s * WIRE_HZ)
        sound = sound[: max(0, len(audio) - start)]
        audio[start : start + len(sound)] = sound
    return audio


@lru_cache(maxsize=64)
def _voice(ms: int, number: int) -> Samples:
    return voice(ms, seed=number, rate_hz=WIRE_HZ)


# --- the recogniser ---------------------------------------------------------------------------------------


class PromptedRecogniser:
    """Knows what is said when, and hears of it what lies in the audio that it is given."""

    rate_hz = SPEECH_HZ

    def __init__(self, story: Story) -> None:
        self.story = story
        self.words = [timed for say in story.says for timed in _timed_words(say)]

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> "_PromptedRecognition":
        return _PromptedRecognition(self.story, self.words, on_partial)


class OwnsItsTurns(PromptedRecogniser):
    """Finds the ends of turns as it is told; it hears as well what it is cut when that has failed."""

    def __init__(self, story: Story, turns: tuple[At, ...]) -> None:
        super().__init__(story)
        self.turns = ScriptedTurns(*turns)


def _timed_words(say: Say) -> list[tuple[float, float, str]]:
    """Each word with its start and end."""
    words = say.words.split()
    length_s = (say.end_s - say.start_s) / max(1, len(words))
    return [
        (say.start_s + number * length_s, say.start_s + (number + 1) * length_s, word)
        for number, word in enumerate(words)
    ]


class _PromptedRecognition:
    def __init__(
        self,
        story: Story,
        words: list[tuple[float, float, str]],
        on_partial: Callable[[Partial], None] | None,
    ) -> None:
        self._story = story
        self._ahead = words
        self._on_partial = on_partial
        self._from_s: float | None = None
        self._to_s = 0.0
        self._told = ""

    def push(self, samples: Samples) -> None:
        self._to_s = asyncio.get_running_loop().time()
        if self._from_s is None:
            self._from_s = self._to_s - len(samples) / SPEECH_HZ
            self._ahead = [timed for timed in self._ahead if timed[0] > self._from_s - 0.1]
        text = self._words(delay_s=0.25)
        if self._on_partial is not None and text != self._told:
            self._told = text
            self._on_partial(Partial(text, text))

    async def final(self) -> Transcript:
        text = self._words()
        await anyio.sleep(self._story.recogniser_s)
        if self._story.recogniser_fails:
            raise ProviderError("scripted to fail")
        return Transcript(text, no_speech=0.0 if text else 1.0)

    def close(self) -> None:
        self._on_partial = None

    def _words(self, delay_s: float = 0.0) -> str:
        """The words that lie in the audio so far; a partial knows of those that ended `delay_s` ago."""
        if self._from_s is None:
            return ""
        until_s = self._to_s - delay_s + 0.05
        return " ".join(
            word
            for _, end_s, word in takewhile(lambda timed: timed[0] < until_s, self._ahead)
            if end_s <= until_s
        )


# --- the trace --------------------------------------------------------------------------------------------


def trace(seen: list[tuple[float, dict[str, Any]]]) -> list[str]:
    """The events that a person would notice, one line each, with the time in hundredths of a second."""
    lines: list[str] = []
    audio: list[float] = []
    for at_s, event in seen:
        if event["type"] in AUDIO:
            audio.append(at_s)
            continue
        text = _notice(event)
        if text is not None:
            if audio:
                lines.append(_stretch(audio))
                audio = []
            lines.append(f"{at_s:6.2f}  {text}")
    if audio:
        lines.append(_stretch(audio))
    return lines


def _stretch(audio: list[float]) -> str:
    return f"{audio[0]:6.2f}  audio until {audio[-1]:.2f}"


_NOTICED = {
    "input_audio_buffer.speech_started": "speech started at {audio_start_ms} ms",
    "input_audio_buffer.speech_stopped": "speech stopped at {audio_end_ms} ms",
    "input_audio_buffer.committed": "committed",
    "input_audio_buffer.timeout_triggered": "silence from {audio_start_ms} to {audio_end_ms} ms",
    "conversation.item.input_audio_transcription.completed": "heard: {transcript!r}",
    "conversation.item.input_audio_transcription.failed": "not heard",
    "response.created": "response begins",
    "response.output_audio_transcript.done": "said: {transcript!r}",
    "x_flush": "x_flush {epoch}",
    "x_duck": "x_duck",
    "x_pause": "x_pause",
    "x_resume": "x_resume",
}


def _notice(event: dict[str, Any]) -> str | None:
    if event["type"] == "error":
        return f"error: {event['error']['code']}"
    if event["type"] == "response.done":
        details = event["response"].get("status_details") or {}
        return f"response {event['response']['status']} {details.get('reason') or ''}".rstrip()
    form = _NOTICED.get(event["type"])
    return None if form is None else form.format(**event)
