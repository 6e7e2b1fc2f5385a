"""How long the server waits for what, before it says that it waits, or that it came to nothing: one policy for all
waits of a turn, so that they fit together. An operator sets it (`server.config.settings`)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadlines:
    """All waits of a turn, in seconds. They end what is stuck, they do not hurry what is slow."""

    recognise_s: float = 10.0
    """For the words of an utterance, once they are asked for; it then counts as not recognised."""
    decide_s: float = 10.0
    """For a guard or a router, from when it begins; the turn then fails."""
    prepare_s: float = 5.0
    """For any other stage that the answer waits for, from when it begins; one that is optional is then left out."""
    first_token_s: float = 10.0
    """For the first sign of a chat model, with one retry in it if it fails at once; thoughts are signs. For that of an
    agent of somebody's own too."""
    token_gap_s: float = 5.0
    """For the next token, once all that has been said is played out."""
    answer_s: float = 120.0
    """For all that a chat model takes for one answer; how long the listener listens does not count."""
    voice_s: float = 5.0
    """For the next audio of the voice."""
    audible_s: float = 2.5
    """From the end of the turn to something that can be heard: then the server says that it takes a moment."""
    think_s: float = 30.0
    """For an answer that cannot be heard yet, from one sign of life to the next."""
    speak_s: float = 75.0
    """Of speech in one answer, which is cut there."""
    write_s: float = 300.0
    """For an answer that is never heard, from the end of the turn."""
    out_of_band_s: float = 60.0
    """For a response in text beside the conversation."""
    overlap_s: float = 5.0
    """For the verdict on a sound made during an answer; it then was no interruption."""
    stall_s: float = 2.0
    """For the next audio of a client in the middle of speech: then it is gone, or has muted itself."""
    clip_s: float = 20.0
    """For the words of a recorded clip, and of all clips that an answer needs: less than `think_s`, so that the answer
    can say what went wrong."""
    mcp_call_s: float = 20.0
    """For what comes of a call of an MCP tool."""
    work_s: float = 30.0
    """For a WORK stage, which runs beside the answer."""
