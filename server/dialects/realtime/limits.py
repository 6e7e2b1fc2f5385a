"""How much one frame of the Realtime protocol may hold, and what it may name."""

from dataclasses import dataclass

from server.tools.mcp_policy import McpPolicy


@dataclass(frozen=True, slots=True)
class RealtimeLimits:
    """How much one frame may hold, and what it may name."""

    max_audio_bytes: int = 15 << 20
    """Decoded audio of one append; the protocol's own limit."""
    max_audio_s: float = 330.0
    """The same in seconds, whatever the format: 15 MiB are 328 s at 24 kHz, and half an hour of G.711."""
    max_command_chars: int = 256 << 10
    """JSON text of any other event, the audio of clips not counted."""
    max_clips_s: float = 60.0
    """Clips that one event brings, all together."""
    hosting: McpPolicy = McpPolicy()
    """Which servers of tools a client may name."""
