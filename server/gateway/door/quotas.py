"""How much a key and an address may have, as the configuration has it, and what a key is counted under.

Pure, and without what serves sockets: a replay and the begin of a start read the configuration alone.
"""

import hashlib
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field


class Quotas(BaseModel):
    """How much one key, one client secret and one address may have. None: as much as the server has."""

    model_config = ConfigDict(frozen=True)

    sessions_per_key: int | None = Field(None, ge=1, le=100_000)
    sessions_per_secret: int | None = Field(10, ge=1, le=100_000)
    openings_per_secret: int | None = Field(10, ge=1, le=1_000_000)
    """In all, from the first to the last: a client that was cut off comes again with the same one."""
    secrets_bytes_per_key: int = Field(64 << 20, ge=64 << 10, le=1 << 34)
    """What the valid client secrets of one key hold: 100,000 that pin nothing, a thousand that pin 60 KiB each."""
    sessions_per_address: int | None = Field(50, ge=1, le=100_000)
    """At once; addresses of this machine are not counted. Behind a proxy: name it in `trusted_proxies`."""
    responses_per_min_per_key: int | None = Field(None, ge=1, le=1_000_000)
    """That its sessions ask for, all together."""
    audio_s_per_hour_per_key: int | None = Field(None, ge=60, le=10_000_000)
    """That its sessions hear, all together, counted in portions of some seconds."""
    wrong_keys_per_min: int = Field(30, ge=1, le=100_000)
    """From one address; beyond it, it waits before another key of its is looked at."""


class KeyLimits(BaseModel):
    """What one key may have, in place of what the quotas say of every key; sessions that were opened with its client
    secrets are its own. None: as the quotas have it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sessions: int | None = Field(None, ge=1, le=100_000, description="at once")
    requests_per_min: int | None = Field(
        None, ge=1, le=1_000_000, description="sessions opened and responses asked for, all together"
    )
    audio_s_per_hour: int | None = Field(
        None, ge=60, le=10_000_000, description="heard by its sessions, all together; what is more is silence"
    )


@lru_cache(maxsize=256)  # asked for nine times a connection
def holder_of(key: str) -> str:
    """What a key's quotas are counted under: nothing that opens a door."""
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()[:HOLDER_CHARS]


HOLDER_CHARS = 16
"""Of a digest."""
