"""How much faster than life a conversation runs in virtual time: ten minutes of it, with interruptions.

The person's audio goes through the real session 20 ms at a time: protocol, resampler, detector, floor, pipeline,
pacing. Only recogniser, model and voice are scripted, and there is no socket. CPU time, because neighbours do not
count in it.
"""

from statistics import median
from time import process_time

from tests.server.session.stories import TEN_MINUTES
from tests.support.theatre import FRAME_S, perform

RUNS = 5


def main() -> None:
    """Tell the story a few times and print a table."""
    frames = round(TEN_MINUTES.until_s / FRAME_S)
    taken_s, turns = [], 0
    perform(TEN_MINUTES)  # the voices are made once a process
    for _ in range(RUNS):
        began_s = process_time()
        turns = perform(TEN_MINUTES).stage.loop_turns
        taken_s.append(process_time() - began_s)
    print("| | CPU s | times faster than life | µs a frame | turns of the loop a frame |")
    print("| --- | --- | --- | --- | --- |")
    for name, seconds in (("least", min(taken_s)), ("median", median(taken_s))):
        print(
            f"| {name} of {RUNS} | {seconds:.2f} | {TEN_MINUTES.until_s / seconds:.0f} "
            f"| {seconds / frames * 1e6:.0f} | {turns / frames:.2f} |"
        )


if __name__ == "__main__":
    main()
