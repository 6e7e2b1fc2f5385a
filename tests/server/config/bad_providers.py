"""Providers with something wrong with them, each in its own way."""

from pydantic import BaseModel, Field, SecretStr

from stages.ports import ModelCapabilities, RecogniserCapabilities
from stages.testing.fakes import EchoModel, ScriptedRecogniser


class Mute:
    """A recogniser that cannot be opened."""

    interface = 1
    capabilities = RecogniserCapabilities()
    rate_hz = 16_000


class Old(EchoModel):
    """A model for another version of the interface."""

    interface = 2


class LockedSettings(BaseModel):
    """A key and nothing else."""

    api_key: SecretStr = Field(json_schema_extra={"env": "LOCKED_API_KEY"})


class Locked:
    """A model that wants a key."""

    interface = 1
    capabilities = ModelCapabilities()
    Settings = LockedSettings

    def stream(self) -> None:
        """Never called."""


class EndsTurns(ScriptedRecogniser):
    """A recogniser that finds the ends of turns itself."""

    capabilities = RecogniserCapabilities(turns="theirs")


def no_class() -> None:
    """A function in the place of a class."""
