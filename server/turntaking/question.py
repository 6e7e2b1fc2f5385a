"""What an answer is asked for."""

from dataclasses import dataclass, field

from server.conversation.memory import Conversation
from server.conversation.utterance import Utterance
from server.domain.values import ReplyOptions
from server.domain.voice_events import EndedBy


@dataclass(frozen=True, slots=True)
class Question:
    """What an answer is asked for: an utterance, the newest typed words, or a fixed text to say."""

    utterance: Utterance | None = None
    say: str | None = None
    options: ReplyOptions = field(default_factory=ReplyOptions)
    ended_by: EndedBy | None = None
    """Who asked, where it was not the end of the person's turn."""
    requested: bool = False
    """True when the client asked for a reply by name and so must get one, whether or not words wait for it."""
    about: Conversation | None = None
    """What the reply is about, if not the session's conversation."""
    is_aside: bool = False
    """True for a reply that runs beside the one that has the floor; it has no voice."""
