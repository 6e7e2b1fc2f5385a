"""What a recogniser over the network must do that says it listens for phrases: send them, as many as are taken."""

from collections.abc import Callable
from typing import Any

import anyio

from audio.formats import Samples
from stages.ports import MAX_PHRASE_CHARS, MAX_PHRASES, SpeechHints

NAMED = "Reykjavik"
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
