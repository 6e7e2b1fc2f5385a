"""What Soniox's services share: the key, which goes in the first message, and the meaning of their errors."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from stages.errors import ProviderError
from stages.providers.sockets.faults import status_fault


class SonioxSettings(BaseModel):
    """Key and waits."""

    model_config = ConfigDict(extra="forbid")

    api_key: SecretStr = Field(json_schema_extra={"env": "SONIOX_API_KEY"})
    connect_s: float = Field(5.0, gt=0, le=60)


def told_error(service: str, data: Mapping[str, Any]) -> ProviderError | None:
    """The error that a message is, if it is one: it carries the status that HTTP would have had."""
    code = data.get("error_code")
    if code is None:
        return None
    return status_fault(service, int(code), words=str(data.get("error_message") or ""))
