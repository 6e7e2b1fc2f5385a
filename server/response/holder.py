"""Who has the floor, or last had it: the response that the person hears, or heard last."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.conversation.asked import asked_so_far
from server.conversation.heard import SpokenPiece
from server.response.run import ResponseRun
from stages.ports import Expects


@dataclass(frozen=True, slots=True)
class OpenAnswer:
    """A response that has not been played to its end, for those who take it up."""

    response_id: str = ""
    """Of a response whose end the client has not been told of."""
    item_id: str = ""
    """Of its message, once it has begun."""
    played_samples: int = 0
    """How much of that has been heard, as far as is known."""
    asks: bool = False
    """Whether it is to what was said, and can be asked for anew."""
    say: str | None = None
    """The text, if it was fixed."""
    waits: str | None = None
    """The response, told of already, that a question waits for behind it; "" where it is a turn that has none yet."""


@dataclass(slots=True)
class FloorHolder:
    """The response that has the floor of one session, or had it last; the keeper of the floor sets it."""

    response: ResponseRun | None = None
    owed: OpenAnswer | None = None
    """What another node has begun to say, until this one goes on with it."""

    @property
    def text(self) -> str:
        """The words of the response that has the floor."""
        said = None if self.response is None else self.response.said
        return "" if said is None else said.generated

    @property
    def spoken(self) -> tuple[Sequence[SpokenPiece], int]:
        """Its words with their places, and the samples of a second."""
        if self.response is None or (said := self.response.said) is None:
            return (), 1
        return said.pieces, self.response.output.rate_hz

    @property
    def heard_ms(self) -> int:
        """How much of it has been heard."""
        return 0 if self.response is None else self.response.heard_ms

    @property
    def asks_for(self) -> Expects | None:
        """What it has asked for by now, while it is being said; None if it has not."""
        return None if self.response is None else asked_so_far(self.response.said, self.response.heard_ms)
