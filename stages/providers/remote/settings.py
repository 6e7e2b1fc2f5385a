"""Where the model tier is; what the remote recogniser and the remote voice have in common."""

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from stages.errors import ErrorKind
from stages.providers.remote.wire import PROTOCOL, Hello
from stages.providers.sockets.endpoint import Endpoint
from stages.providers.sockets.faults import fault

NAME = "remote"


class RemoteSettings(BaseModel):
    """Address and key of a model tier."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        "ws://127.0.0.1:8500", pattern="^wss?://", description="where the tier is, without a path"
    )
    api_key: SecretStr | None = Field(
        None, json_schema_extra={"env": "MODEL_TIER_KEY"}, description="the tier's key, if it has one"
    )
    connect_s: float = Field(5.0, gt=0, le=60, description="how long connecting may take")

    def endpoint(self, kind: str) -> Endpoint:
        """Where the kind is served."""
        key = self.api_key.get_secret_value() if self.api_key is not None else None
        return Endpoint(
            NAME,
            f"{self.url.rstrip('/')}/v1/{kind}",
            {"Authorization": f"Bearer {key}"} if key else {},
            speaks_first=True,
            connect_s=self.connect_s,
        )


def check_hello(hello: Hello, kind: str, rate_hz: int, setting: str) -> None:
    """Raises ProviderError when the tier is not one that the client can talk to; `setting` names what to change."""
    if hello.protocol != PROTOCOL:
        words = f"the tier speaks version {hello.protocol}, this server {PROTOCOL}: install the same release on both"
    elif hello.kind != kind:
        words = f"the tier has {hello.kind!r} there, not {kind!r}"
    elif hello.rate_hz != rate_hz:
        words = f"the tier's {kind} has {hello.rate_hz} Hz: set {setting} = {hello.rate_hz}"
    else:
        return
    raise fault(NAME, ErrorKind.BAD_REQUEST, words)
