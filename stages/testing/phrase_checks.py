"""What a recogniser must do that says it listens for phrases: one over the network sends them, as many as are taken,
and one that runs here reads them where they were said, and nowhere else."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import anyio

from audio.formats import Samples
from stages.ports import MAX_PHRASE_CHARS, MAX_PHRASES, SpeechHints

NAMED = "Reykjavik"
UNSAID = (NAMED, "Kowalski", "Siobhan", "invoice")
_OTHERS = tuple(f"{number} {'漢' * MAX_PHRASE_CHARS}"[:MAX_PHRASE_CHARS] for number in range(MAX_PHRASES - 1))
"""As long and as many as a session may tell, of letters that take the most bytes in an address."""


async def check_phrases_are_sent(
    recogniser: Any, speech: Samples, received: Callable[[], str], *, within_s: float = 5.0
) -> None:
    """`received` gives all that the service has been sent so far as text, addresses and forms too.

    `recogniser` is a session's, of utterances or of turns; `speech` is `int16[n]` at its rate. Raises AssertionError if
    the first phrase has not been sent, or nothing is heard with as many as these.
    """
    hints = SpeechHints(phrases=(NAMED, "", *_OTHERS))
    finds_turns = not hasattr(recogniser, "open")
    heard = (
        recogniser.open_turns(lambda event: None, hints=hints)
        if finds_turns
        else recogniser.open(hints=hints)
    )
    try:
        heard.push(speech)
        if not finds_turns:
            assert (await heard.final()).text, "with phrases, nothing was heard"
        with anyio.move_on_after(within_s):
            while NAMED not in received():  # noqa: ASYNC110 - whatever holds it tells nobody
                await anyio.sleep(0.01)
    finally:
        heard.close()
    assert NAMED in received(), "it declares that it listens for phrases, and its service was sent none"


async def check_phrases_are_heard(
    recogniser: Any, speech: Samples, phrase: str, *, hints: SpeechHints = SpeechHints()
) -> None:
    """For a recogniser that weighs phrases itself, and misreads `speech`, `int16[n]` at its rate, in which is `phrase`.
    Raises AssertionError unless the phrase is read once it is told, and other phrases change nothing."""
    assert recogniser.capabilities.phrases, "it does not declare that it listens for phrases"
    read = list[str]()
    for phrases in ((), UNSAID, (*UNSAID, phrase)):
        heard = recogniser.open(hints=replace(hints, phrases=phrases))
        try:
            heard.push(speech)
            read.append((await heard.final()).text)
        finally:
            heard.close()
    before, with_others, told = read
    assert phrase not in before, "it hears this phrase untold, so it shows nothing"
    assert with_others == before, "phrases that were not said changed the text"
    assert phrase in told, f"it was told {phrase!r}, and read {told!r}"
