"""What one client may use of a server: the limits of a session, as an operator may set them."""

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """What one client may use. Beyond a limit it gets an error or a close code; its neighbours notice
    nothing."""

    model_config = ConfigDict(frozen=True)

    max_sessions: int = Field(100, ge=1, le=10_000)
    max_loop_lag_ms: int = Field(250, ge=0, le=10_000)
    """How late the event loop is, on average over some seconds, when no more sessions are taken; 0: never."""
    max_model_wait_ms: int = Field(500, ge=0, le=60_000)
    """How long somebody who asks would wait for the embedded models, judged by what waits and who is about to ask; 0:
    never."""
    max_detached: int = Field(100, ge=0, le=10_000)
    """Sessions that wait for their client to come back; one more ends with its connection."""
    max_session_s: int = Field(3600, ge=1, le=86_400)
    max_idle_s: float = Field(900.0, ge=1.0, le=86_400.0)
    """Without a frame from the client; then the session is over."""
    max_unused_s: float = Field(60.0, ge=1.0, le=86_400.0)
    """The same for a client that has sent none at all: it holds a place that somebody else would talk in."""
    max_responses_per_min: int = Field(120, ge=1, le=100_000)
    """That one session asks for; what is answered because somebody has spoken does not count."""
    max_output_bytes_per_min: int = Field(64 << 20, ge=1 << 20, le=16 << 30)
    """Sent to one client; beyond it only what it asks for is refused. Speech takes 4 MB."""
    max_frame_bytes: int = Field(21 << 20, ge=1 << 10, le=64 << 20)
    """The protocol's 15 MiB of audio in base64, and what is around them."""
    max_large_frames_bytes: int = Field(192 << 20, ge=1 << 20, le=16 << 30)
    """Memory for frames over 256 KiB, of all clients together; when it is used up, the next one waits."""
    max_bytes_per_s: int = Field(512 << 10, ge=16 << 10, le=64 << 20)
    """Beyond 4 MiB at once; every frame counts for 768 bytes more than it has. A client that sends more is slowed
    down."""
    max_audio_ahead_s: float = Field(10.0, ge=1.0, le=600.0)
    """Audio that a client may send ahead of real time; the rest is heard at `max_audio_speed`, and waits meanwhile."""
    max_audio_speed: float = Field(4.0, ge=1.1, le=100.0)
    max_unsent_bytes: int = Field(1 << 20, ge=64 << 10, le=64 << 20)
    """JSON waiting for a client that does not read; beyond it the client is closed as a slow consumer
    (4408)."""
    max_queued_audio_s: float = Field(30.0, ge=1.0, le=600.0)
    """Speech waiting to be paced out; beyond it the voice waits."""
    send_timeout_s: float = Field(10.0, ge=0.1, le=60.0)
    """How long one frame may take to leave, at most, before the client counts as a slow consumer; half of it is
    always granted."""
    max_unread_s: float = Field(2.0, ge=1.0, le=60.0)
    """Audio of an answer that the client's network has not taken, beyond the lead, when it should have been played: for
    so long the client has had nothing to play. Then it is closed as a slow consumer. A network that stalls for a
    second, and TCP's wait after it, are within it."""
    max_items: int = Field(1000, ge=10, le=100_000)
    """Entries of a conversation; the oldest go first."""
    max_context_tokens: int = Field(16_000, ge=500, le=2_000_000)
    """Of a conversation that the chat model is told, with its instructions, estimated at one for four bytes: less than
    the model's context, with room for the answer. The oldest turns go first."""
    max_written_chars: int = Field(1_000_000, ge=10_000, le=100_000_000)
    """Characters of all the items that a client has written; one more that does not fit is refused."""
    max_utterance_s: float = Field(60.0, ge=10.0, le=300.0)
    """Of speech in one piece: an utterance, or the clips that one event brings."""
    max_waiting_clips_s: float = Field(120.0, ge=10.0, le=3600.0)
    """Of clips in items that wait to be recognised, all together."""
