"""What all of Deepgram's services share: the key, the address, the meaning of close codes."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from stages.errors import ErrorKind

CLOSE_CODES: Mapping[int | str, ErrorKind] = {
    "DATA-0000": ErrorKind.BAD_AUDIO,
    "NET-0001": ErrorKind.TIMEOUT_IDLE,
    "NET-0000": ErrorKind.SERVER,
}

KEYTERM_BYTES = 1_000
"""Of all keyterms together. The service refuses a stream with more than 500 tokens, and codes and rare names have no
more than two or three letters a token."""


class DeepgramSettings(BaseModel):
    """Key and address."""

    model_config = ConfigDict(extra="forbid")

    api_key: SecretStr = Field(json_schema_extra={"env": "DEEPGRAM_API_KEY"})
    url: str = Field("wss://api.deepgram.com", pattern="^wss?://")
    """Where the service is, without a path; for Deepgram's own regions and self-hosted ones."""
    connect_s: float = Field(5.0, gt=0, le=60)

    def headers(self) -> dict[str, str]:
        """What goes with the handshake."""
        return {"Authorization": f"Token {self.api_key.get_secret_value()}"}

    def address(self, path: str, query: Mapping[str, Any]) -> str:
        """The URL; lists are repeated, None is left out, and words of truth are in small letters."""
        said = {
            key: str(value).lower() if isinstance(value, bool) else value
            for key, value in query.items()
            if value is not None and value != ()
        }
        return f"{self.url.rstrip('/')}{path}?{urlencode(said, doseq=True)}"
