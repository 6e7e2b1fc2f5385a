"""What an operator may set of interruptions and of waits: two tables of the settings."""

from pydantic import BaseModel, ConfigDict, Field


class Interruption(BaseModel):
    """When speech over an answer interrupts it, for clients that can hold the voice (`voice.v1`). To others any speech
    does, but in the part that is protected."""

    model_config = ConfigDict(frozen=True)

    min_sound_ms: int = Field(96, ge=0, le=1_000)
    """Voice of less is no word: it lowers the answer's voice for a moment and is dismissed unread."""
    hold_after_ms: int = Field(300, ge=0, le=10_000)
    """A sound that lasts so long holds the voice until it is known what it is."""
    min_duration_ms: int = Field(800, ge=100, le=10_000)
    """A voice that lasts so long is read at once; if that takes as long again, it interrupts unread."""
    min_words: int = Field(1, ge=1, le=20)
    """Words that interrupt, "mhm" and the like not counted; with more than one, voice alone never does."""
    protect_ms: int = Field(0, ge=0, le=600_000)
    """The first part of each answer, in which speech is kept and answered afterwards."""


class Waits(BaseModel):
    """How long the server waits for what, in seconds (`server.domain.deadlines`). What comes too late is told."""

    model_config = ConfigDict(frozen=True)

    recognise_s: float = Field(10.0, ge=0.5, le=120.0)
    decide_s: float = Field(10.0, ge=0.5, le=120.0)
    """For a guard or a router."""
    prepare_s: float = Field(5.0, ge=0.1, le=120.0)
    """For a stage of one's own that the answer waits for; an optional one is then left out."""
    first_token_s: float = Field(10.0, ge=0.5, le=600.0)
    """For the first sign of a chat model, thoughts included, and of an agent of one's own; a slow local model wants
    more."""
    token_gap_s: float = Field(5.0, ge=0.5, le=600.0)
    """For its next token, once all that has been said is played out."""
    answer_s: float = Field(120.0, ge=1.0, le=3600.0)
    """For all that it takes for one answer; how long the listener listens does not count."""
    voice_s: float = Field(5.0, ge=0.5, le=120.0)
    audible_s: float = Field(2.5, ge=0.5, le=60.0)
    """To something that can be heard after the end of a turn: then the server says that it takes a moment."""
    think_s: float = Field(30.0, ge=1.0, le=3600.0)
    """For an answer that cannot be heard yet, from one sign of life to the next."""
    speak_s: float = Field(75.0, ge=5.0, le=3600.0)
    """Of speech in one answer, which is cut there."""
    write_s: float = Field(300.0, ge=5.0, le=3600.0)
    """For an answer that is never heard."""
    out_of_band_s: float = Field(60.0, ge=1.0, le=3600.0)
    """For a response in text beside the conversation."""
    overlap_s: float = Field(5.0, ge=0.5, le=60.0)
    """For the verdict on a sound made during an answer; it then was no interruption."""
    stall_s: float = Field(2.0, ge=0.5, le=60.0)
    """For the next audio of a client in the middle of speech; what was said by then is all there is."""
    clip_s: float = Field(20.0, ge=0.5, le=600.0)
    """For the words of recorded clips in messages."""
    mcp_call_s: float = Field(20.0, ge=0.5, le=600.0)
    """For what comes of a call of an MCP tool."""
    work_s: float = Field(30.0, ge=0.5, le=3600.0)
    """For a WORK stage, which runs beside the answer."""
