"""Steps of a script that are done to the line: it is cut, or carries nothing. Pure."""

from collections.abc import Iterator

from server.client.load.calls.attention import Attention
from server.client.load.calls.line import CallerLine, LineState
from server.client.load.calls.turn_book import TurnBook
from server.client.load.calls.turns import Outcome, TurnKind
from server.client.load.script import HalfOpen, Resume

GOES_ON_S = 0.3
"""An answer whose line is back is heard again after so long at most."""


def lose_the_line(
    attention: Attention, book: TurnBook, line: CallerLine, number: int, step: Resume
) -> Iterator[None]:
    """The connection is cut in the middle of an answer, and the session goes on over another."""
    answer = yield from attention.middle_of_answer(number, TurnKind.LINE, step.resume.after_ms)
    if answer is None:
        return
    turn, away_s = (
        book.begin(number, TurnKind.LINE, attention.now_s, attention.now_s),
        step.resume.away_ms / 1000,
    )
    dry, until_s = len(answer.dry_ms), attention.now_s + away_s + step.within_ms / 1000
    line.cut(away_s)
    while line.state is not LineState.BACK and attention.now_s < until_s:
        yield
    if line.state is LineState.BACK:
        turn.resume_ms = line.return_ms
        yield from attention.pass_time(GOES_ON_S)
        # The silence is the script's doing: it is told as such, and is no gap.
        turn.outage_silence_ms = sum(answer.dry_ms[dry:])
        del answer.dry_ms[dry:]
    else:
        turn.outcome, turn.reason = Outcome.MISSED, "the line did not come back"
    book.add(turn)


def fall_silent(
    attention: Attention, book: TurnBook, line: CallerLine, number: int, step: HalfOpen
) -> Iterator[None]:
    """Nothing goes over the line for a while."""
    turn, line.state = book.begin(number, TurnKind.LINE, attention.now_s, attention.now_s), LineState.UP
    line.dead_until_s = attention.now_s + step.half_open_ms / 1000
    line.may_end = step.expect == "closed"
    yield from attention.pass_time((step.half_open_ms + step.within_ms) / 1000)
    is_kept = line.state is not LineState.LOST if step.expect == "kept" else line.state is LineState.UP
    if is_kept != (step.expect == "kept"):
        turn.outcome, turn.reason = Outcome.MISSED, f"the line was expected to be {step.expect}"
    line.may_end = False
    book.add(turn)
