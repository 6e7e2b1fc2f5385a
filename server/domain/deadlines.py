"""How long the server waits for what, before it says that it waits, or that it came to nothing: one policy for all
waits of a turn, so that they fit together. An operator sets it (`server.config.settings`)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds. They end what is stuck, they do not hurry what is slow."""

    recognise_s: float = 10.0
    """For the words of an utterance, once they are asked for; it then counts as not recognised."""
    think_s: float = 30.0
    """For an answer that is not audible yet and gives no other sign of life."""
    speak_s: float = 600.0
    """For an answer from its first audio to the end of its playout."""
