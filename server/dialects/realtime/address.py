"""What the address of a Realtime session says: where it is, and with what the session begins."""

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from server.domain.values import SessionConfig

REALTIME_PATHS = frozenset({"/v1/realtime", "/realtime", "/openai/v1/realtime"})
"""Where sessions are opened; the second and third for clients that build the address their own way."""


def addressed(config: SessionConfig, target: str) -> SessionConfig:
    """`config` with what the query of the address asks for.

    `model` is the name of an agent; `intent=transcription` opens a session that only listens.
    """
    query = parse_qs(urlsplit(target).query)
    model = query.get("model", [""])[0] or config.model
    is_transcription = query.get("intent", [""])[0] == "transcription"
    return replace(config, model=model, purpose="transcription" if is_transcription else "realtime")
