"""What ElevenLabs' services share: the key, the address, the meaning of fault names."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from stages.errors import ErrorKind

FAULTS: Mapping[str, ErrorKind] = {
    "auth_error": ErrorKind.AUTH,
    "invalid_api_key": ErrorKind.AUTH,
    "unauthorized": ErrorKind.AUTH,
    "unaccepted_terms": ErrorKind.AUTH,
    "quota_exceeded": ErrorKind.QUOTA,
    "rate_limited": ErrorKind.RATE,
    "commit_throttled": ErrorKind.RATE,
    "queue_overflow": ErrorKind.RATE,
    "resource_exhausted": ErrorKind.RATE,
    "max_active_conversations": ErrorKind.RATE,
    "session_time_limit_exceeded": ErrorKind.SESSION_EXPIRED,
    "insufficient_audio_activity": ErrorKind.TIMEOUT_IDLE,
    "input_timeout_exceeded": ErrorKind.TIMEOUT_IDLE,
    "input_error": ErrorKind.BAD_REQUEST,
    "invalid_request": ErrorKind.BAD_REQUEST,
    "chunk_size_exceeded": ErrorKind.BAD_REQUEST,
    "transcriber_error": ErrorKind.SERVER,
    "error": ErrorKind.SERVER,
}
"""By the service's own names; they stand in messages, and in the reasons of closes."""

CLOSE_CODES: Mapping[int | str, ErrorKind] = {
    name: kind for name, kind in FAULTS.items() if name not in ("error", "input_error")
}


class ElevenLabsSettings(BaseModel):
    """Key and address."""

    model_config = ConfigDict(extra="forbid")

    api_key: SecretStr = Field(json_schema_extra={"env": "ELEVENLABS_API_KEY"})
    url: str = Field("wss://api.elevenlabs.io", pattern="^wss?://")
    """Where the service is, without a path; for its regions."""
    connect_s: float = Field(5.0, gt=0, le=60)

    def headers(self) -> dict[str, str]:
        """What goes with the handshake."""
        return {"xi-api-key": self.api_key.get_secret_value()}

    def address(self, path: str, query: Mapping[str, Any]) -> str:
        """The URL; lists are repeated, None is left out, and words of truth are in small letters."""
        said = {
            key: str(value).lower() if isinstance(value, bool) else value
            for key, value in query.items()
            if value is not None and value != ()
        }
        return f"{self.url.rstrip('/')}{path}?{urlencode(said, doseq=True)}"
