"""What is said over the agent: what interrupts it, and how soon.

A session with the embedded models has a scripted agent talk, in virtual time; somebody hums, agrees, wants silence or
asks something over it, fourteen voices in turn (`scripts/over_set.py`), with the agent's echo in the microphone or
without. Delays are from the first voiced sample to when the client is told to be silent. The voices are two halves: one
to choose by, the other to report.
"""

import argparse
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles

from bench_echo import TALK
from over_set import Sound, sounds

from stages.testing.wer import word_errors
from tests.support.echo_room import HZ, Acoustics, Caller, Models, Room
from tests.support.stage import Stage, play

SETTLED_S = 1.2
"""So long the agent has been audible before anybody speaks over it."""
PATIENCE_S = 2.5
"""After the sound: what has not interrupted by then does not."""
SOON_MS = 900
TOLD = "conversation.item.input_audio_transcription.completed"


@dataclass
class Outcome:
    """What came of one sound."""

    sound: Sound
    after_ms: float = math.inf
    """From its first sample to when the agent fell silent for good; infinity when it did not."""
    text: str = ""
    """The transcript of the turn that it became."""


async def until_audible(caller: Caller, stage: Stage) -> None:
    """Wait until the agent speaks, and ask for another answer where it has ended."""
    silent_steps = 0
    while caller.room.audible_steps < SETTLED_S * 50:
        await caller.step()
        silent_steps = 0 if caller.room.audible_steps else silent_steps + 1
        if silent_steps and silent_steps % 100 == 0:
            stage.wire.say("response.create")


async def talk_over(caller: Caller, stage: Stage, said: Sequence[Sound], outcomes: list[Outcome]) -> None:
    """Say one after the other, each once the agent can be heard."""
    stage.wire.say("response.create")
    for sound in random.Random(1).sample(said, len(said)):
        await until_audible(caller, stage)
        outcome = Outcome(sound)
        outcomes.append(outcome)
        caller.room.say(sound.samples)
        for step in range(int((len(sound.samples) / HZ + PATIENCE_S) * 50)):
            await caller.step()
            for event in caller.news:
                if event["type"] == "response.done" and event["response"]["status"] == "cancelled":
                    outcome.after_ms = min(outcome.after_ms, step * 20)
                if event["type"] == TOLD and not math.isinf(outcome.after_ms):
                    outcome.text = f"{outcome.text} {event['transcript']}".strip()


def measure(models: Models, acoustics: Acoustics, said: Sequence[Sound], *, voice: bool) -> list[Outcome]:
    """What came of each."""
    found: list[Outcome] = []

    async def story(stage: Stage) -> None:
        await talk_over(Caller(stage, Room(acoustics)), stage, said, found)

    play(lambda: models.stage(TALK, voice=voice), story)
    return found


def line(kind: str, found: Sequence[Outcome]) -> str:
    """A row: how many, how many interrupt and how many soon, p50 and p95 of the delay, word errors of the turns."""
    delays = [one.after_ms for one in found if not math.isinf(one.after_ms)]
    cuts = quantiles(delays, n=20, method="inclusive") if len(delays) > 1 else [math.nan] * 19
    soon = sum(delay <= SOON_MS for delay in delays)
    turns = [one for one in found if not math.isinf(one.after_ms)]
    wrong = word_errors([one.sound.text for one in turns], [one.text for one in turns])
    return (
        f"| {kind} | {len(found)} | {len(delays)} | {soon} | {cuts[9]:.0f} / {cuts[18]:.0f} | "
        f"{wrong.errors} of {wrong.words} |"
    )


def main() -> None:
    """Print a table for each room."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--db", type=float, nargs="*", default=[math.inf, 20.0], help="how much softer the echo is"
    )
    parser.add_argument("--half", choices=("tuning", "test"), default="test")
    parser.add_argument("--voices", type=int, default=7, help="how many of the half")
    parser.add_argument("--stock", action="store_true", help="a client that cannot hold the voice")
    parser.add_argument("--errors", action="store_true", help="print what went otherwise than it should")
    parser.add_argument("--cancel", choices=("off", "auto", "on"), default="off", help="echo_cancellation")
    asked = parser.parse_args()
    voices = list(dict.fromkeys(sound.voice for sound in sounds()))[asked.half == "test" :: 2][: asked.voices]
    said = [sound for sound in sounds() if sound.voice in voices]
    models = Models(took_s=0.08, cancels=asked.cancel)
    for db in asked.db:
        found = measure(models, Acoustics(db), said, voice=not asked.stock)
        print(f"\necho {db:.0f} dB softer, {len(voices)} voices\n")
        print(
            "| kind | said | interrupt | within 0.9 s | ms p50 / p95 | word errors of the turns |\n"
            + "| --- " * 6
            + "|"
        )
        for kind in dict.fromkeys(sound.kind for sound in said):
            print(line(kind, [one for one in found if one.sound.kind == kind]), flush=True)
        for one in found if asked.errors else ():
            print(
                f"   {one.sound.kind} {one.sound.voice} {one.sound.text} -> {one.after_ms:.0f} {one.text!r}"
            )


if __name__ == "__main__":
    main()
