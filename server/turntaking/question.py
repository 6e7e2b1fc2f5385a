"""What an answer is asked for."""

from dataclasses import dataclass, field

from server.conversation.memory import Conversation
from server.conversation.utterance import Utterance
from server.domain.values import Response, ResponseOptions
from server.domain.voice_events import EndedBy


@dataclass(frozen=True, slots=True)
class Question:
    """What an answer is asked for: an utterance, the newest typed words, or a fixed text to say."""

    utterance: Utterance | None = None
    say: str | None = None
    options: ResponseOptions = field(default_factory=ResponseOptions)
    ended_by: EndedBy | None = None
    """Who asked, where it was not the end of the person's turn."""
    requested: bool = False
    """True when the client asked for a response by name and so must get one, whether or not words wait for it."""
    about: Conversation | None = None
    """What the response is about, if not the session's conversation."""
    is_out_of_band: bool = False
    """True for a response that runs beside the one that has the floor; it has no voice."""
    response: Response | None = None
    """Of a request: the response that is made of it."""
    is_told: bool = False
    """Whether the client has been told that the response was created."""

    @property
    def answers_turns(self) -> bool:
        """Whether the answer is about all that the person has said, and not a fixed text, or about other things."""
        return self.say is None and self.about is None and self.options.in_conversation
