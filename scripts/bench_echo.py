"""The agent's own voice in the microphone: how often it interrupts itself, and whether it answers itself.

A session with the embedded models has a scripted agent that talks for a minute, in virtual time, so that it does not
matter what else the machine does. Two clients, a stock one and one of `voice.v1`, play what they get and send it back
as their microphone, softer and a little later, as a loudspeaker in a room without echo cancellation does. `--all` tries
one room after the other: other levels and delays, with walls that send the sound back, and with noise.
"""

import argparse
import math
from typing import Any

from tests.support.echo_room import Acoustics, Caller, Models, Room
from tests.support.stage import Stage, play

TALK = (
    "Hello. Thank you for calling. Let me tell you about our opening hours. From Monday to Friday we are open "
    "from nine to six, and on Saturday until one. Right. There are four doctors here, and two of them speak Spanish. "
    "Yes, you can come without an appointment, but then you may have to wait. No problem. Parking is behind the house. "
    "If you need a prescription, call before ten and it will be ready in the afternoon. Okay. One moment, please. "
    "For blood tests you should not eat anything in the morning. Water is fine. We will send you the results by mail. "
    "Is there anything else that you would like to know?"
)

ROOMS = (
    Acoustics(),
    Acoustics(10),
    Acoustics(15),
    Acoustics(30),
    Acoustics(20, delay_ms=60),
    Acoustics(20, delay_ms=400),
    Acoustics(20, decay_ms=300),
    Acoustics(20, decay_ms=600),
    Acoustics(20, noise_dbfs=-50),
    Acoustics(15, delay_ms=240, decay_ms=400, noise_dbfs=-50),
)


def count(counts: dict[str, int], event: dict[str, Any]) -> None:
    """Note what has happened."""
    match event["type"]:
        case "response.created":
            counts["answers"] += 1
        case "response.done":
            counts["interrupted"] += event["response"]["status"] == "cancelled"
        case "x_pause":
            counts["holds"] += 1
        case "conversation.item.input_audio_transcription.completed":
            counts["turns of its own"] += bool(event["transcript"])


async def converse(caller: Caller, stage: Stage, seconds: float) -> dict[str, int]:
    """Counts of what happened in so much time."""
    counts = {"answers": 0, "interrupted": 0, "holds": 0, "turns of its own": 0}
    stage.wire.say("response.create")
    ask_in = math.inf
    for _ in range(int(seconds * 50)):
        await caller.step()
        ask_in -= 1
        for event in caller.news:
            count(counts, event)
            if event["type"] == "response.done":
                ask_in = 2 * 50
        if ask_in <= 0:
            ask_in = math.inf
            stage.wire.say("response.create")
    return counts


def measure(models: Models, acoustics: Acoustics, seconds: float, *, voice: bool) -> dict[str, int]:
    """Counts of one client in one room."""
    found: dict[str, int] = {}

    async def story(stage: Stage) -> None:
        found.update(await converse(Caller(stage, Room(acoustics)), stage, seconds))

    play(lambda: models.stage(TALK, voice=voice), story)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--db", type=float, default=20, help="how much softer the echo is")
    parser.add_argument("--delay", type=int, default=160, help="how much later, in ms")
    parser.add_argument("--decay", type=int, default=0, help="how long the walls send it back, in ms")
    parser.add_argument("--noise", type=float, default=None, help="noise in the microphone, in dBFS")
    parser.add_argument("--all", action="store_true", help="all rooms of the table, one after the other")
    parser.add_argument("--cancel", choices=("off", "auto", "on"), default="off", help="echo_cancellation")
    asked = parser.parse_args()
    rooms = ROOMS if asked.all else (Acoustics(asked.db, asked.delay, asked.decay, asked.noise),)
    # About what a reading takes; CPU time would make each run differ.
    models = Models(took_s=0.08, cancels=asked.cancel)
    for acoustics in rooms:
        for voice in (True, False):
            found = measure(models, acoustics, asked.seconds, voice=voice)
            print(acoustics, "voice.v1" if voice else "stock   ", found, flush=True)


if __name__ == "__main__":
    main()
