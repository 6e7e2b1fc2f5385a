"""How much faster than life a conversation runs in virtual time: ten minutes of it, with interruptions.

The person's audio goes through the real session 20 ms at a time: protocol, resampler, detector, floor, pipeline,
pacing. Only recogniser, model and voice are scripted, and there is no socket. CPU time, because neighbours do not
count in it. What a question and its answer cost is what is more than for as much silence.
"""

from dataclasses import replace
from statistics import median
from time import process_time

from tests.server.session.stories import TEN_MINUTES
from tests.support.theatre import FRAME_S, Story, perform

RUNS = 5
QUESTIONS = 40


def told(story: Story) -> tuple[float, int]:
    """The seconds of CPU that it took, and the turns of the loop."""
    began_s = process_time()
    turns = perform(story).stage.loop_turns
    return process_time() - began_s, turns


def main() -> None:
    """Tell the story a few times, and silence as often in turns with it, and print a table."""
    frames = round(TEN_MINUTES.until_s / FRAME_S)
    taken_s, silent_s, turns = [], [], 0
    perform(TEN_MINUTES)  # the voices are made once a process
    for _ in range(RUNS):
        seconds, turns = told(TEN_MINUTES)
        taken_s.append(seconds)
        silent_s.append(told(replace(TEN_MINUTES, says=()))[0])
    print("| | CPU s | times faster than life | µs a frame | turns of the loop a frame |")
    print("| --- | --- | --- | --- | --- |")
    for name, seconds in (("least", min(taken_s)), ("median", median(taken_s))):
        print(
            f"| {name} of {RUNS} | {seconds:.2f} | {TEN_MINUTES.until_s / seconds:.0f} "
            f"| {seconds / frames * 1e6:.0f} | {turns / frames:.2f} |"
        )
    print(f"\na question and its answer: {(min(taken_s) - min(silent_s)) / QUESTIONS * 1000:.1f} ms")


if __name__ == "__main__":
    main()
