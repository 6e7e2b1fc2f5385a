"""What can go wrong behind a stage, and whose fault it is.

StagesError
├── ProviderError          a recogniser, model or voice failed: retry, or apologise to the person
│   ├── ProviderBusy       its queue is full; the message names the limit
│   ├── ProviderTimeout    it did not answer in time
│   ├── ProviderRejected   it refused our request (key, quota, bad argument): retrying does not help
│   ├── UnspeakableText    the answer has no word that the voice can say
│   └── ToolServerError    a server of tools cannot be reached or does not speak as it should
├── StageSettingsError     a stage is configured so that it cannot work; one line for each fault
└── ModelFileError         a model's files are missing or are not what the lock file says
"""

from collections.abc import Sequence
from enum import StrEnum


class StagesError(Exception):
    """Root of everything this package raises on purpose."""


class ErrorKind(StrEnum):
    """What went wrong at a provider, in one vocabulary for all of them."""

    AUTH = "auth"
    QUOTA = "quota"
    RATE = "rate"
    BAD_REQUEST = "bad_request"
    BAD_AUDIO = "bad_audio"
    TIMEOUT = "timeout"
    TIMEOUT_IDLE = "timeout_idle"
    SESSION_EXPIRED = "session_expired"
    SERVER = "server"
    NETWORK = "network"
    PROTOCOL = "protocol"
    NO_AUDIO = "no_audio"


class ProviderError(StagesError):
    """A provider failed in a way that another try, or another provider, may mend."""

    def __init__(
        self, *args: object, kind: ErrorKind | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(*args)
        self.kind = kind
        """None where the provider's adapter does not say."""
        self.retry_after_s = retry_after_s
        """How long the provider asked to be left alone."""


class ProviderBusy(ProviderError):
    """The provider has as much work waiting as it may hold."""


class ProviderTimeout(ProviderError):
    """The provider did not answer within its deadline."""


class ProviderRejected(ProviderError):
    """The provider refused the request; the same request will be refused again."""


class UnspeakableText(ProviderError):
    """An answer has no word that the voice can say; another voice may."""


class ToolServerError(ProviderError):
    """A server of tools failed, not one of its tools. `code` is what the protocol gives, 0 if nothing."""

    def __init__(self, message: str, *, code: int = 0, is_http: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.is_http = is_http
        """Whether the code is an HTTP status."""


class ModelFileError(StagesError):
    """A model file is missing, incomplete or changed; the message names the model, the hash and the way
    out."""


class StageSettingsError(StagesError):
    """Rules, routes or profiles that cannot work. The message names every fault at once, one a line."""

    def __init__(self, what: str, faults: Sequence[str]) -> None:
        super().__init__("\n".join([f"{what} cannot work:", *(f"- {fault}" for fault in faults)]))
        self.faults = tuple(faults)
