"""What Cartesia's services share: the key, the version, the address, the meaning of error messages."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from stages.errors import ErrorKind, ProviderError
from stages.providers.sockets.faults import fault, status_fault

VERSION = "2026-03-01"
"""Of the service's interface, which these messages are of."""

KEYTERM_CHARS = 1_200
"""Of all keyterms of a recogniser together; counted as bytes, which are no fewer."""

_KINDS: Mapping[str, ErrorKind] = {
    "quota_exceeded": ErrorKind.QUOTA,
    "concurrency_limited": ErrorKind.RATE,
}


class CartesiaSettings(BaseModel):
    """Key and address."""

    model_config = ConfigDict(extra="forbid")

    api_key: SecretStr = Field(json_schema_extra={"env": "CARTESIA_API_KEY"})
    url: str = Field("wss://api.cartesia.ai", pattern="^wss?://")
    """Where the service is, without a path."""
    connect_s: float = Field(5.0, gt=0, le=60)

    def headers(self) -> dict[str, str]:
        """What goes with the handshake."""
        return {"Authorization": f"Bearer {self.api_key.get_secret_value()}", "Cartesia-Version": VERSION}

    def address(self, path: str, query: Mapping[str, Any]) -> str:
        """The URL; lists are repeated, None is left out."""
        said = {key: value for key, value in query.items() if value is not None and value != ()}
        return f"{self.url.rstrip('/')}{path}" + (f"?{urlencode(said, doseq=True)}" if said else "")


def told_error(service: str, data: Mapping[str, Any]) -> ProviderError:
    """What a message of type `error` means: it carries the status that HTTP would have had."""
    words = str(data.get("message") or data.get("title") or "")
    if (kind := _KINDS.get(data.get("error_code") or "")) is not None:
        return fault(service, kind, words)
    return status_fault(service, int(data.get("status_code") or 500), words=words)
