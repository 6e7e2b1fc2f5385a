"""Whisper base as a recogniser of one language of several; the same short windows as for English."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from stages.ports import RecogniserCapabilities
from stages.providers.whisper.model import WhisperModel
from stages.providers.whisper.recogniser import EmbeddedRecogniser, RecogniserSettings
from stages.runtime.models import model_dir
from stages.runtime.worker import Worker

MODEL_NAME = "whisper-base"
"""In the lock file."""

LANGUAGES = ("en", "es", "fr", "de", "it")
"""That were tried."""


class MultilingualSettings(RecogniserSettings):
    """What may be configured of it."""

    language: Literal["en", "es", "fr", "de", "it"] = Field("en", description="what is spoken")


class MultilingualRecogniser(EmbeddedRecogniser):
    """Whisper base on this machine's CPU: English, Spanish, French, German or Italian."""

    title = "Whisper base in {language} (embedded)"
    capabilities = RecogniserCapabilities(partials=True, languages=LANGUAGES)
    Settings = MultilingualSettings

    @classmethod
    def from_settings(cls, settings: RecogniserSettings) -> Self:
        """Load the model from the store; blocks. Raises ModelFileError."""
        assert isinstance(settings, MultilingualSettings), "made with its own settings"
        return cls.in_language(model_dir(MODEL_NAME), settings.language, threads=settings.threads)

    @classmethod
    def in_language(cls, directory: Path, language: str, *, threads: int = 1) -> Self:
        """Load the model in `directory`; blocks for about a second. Raises ModelFileError."""
        model = WhisperModel.load(directory, threads=threads, language=language)
        made = cls(model, Worker("recogniser"))
        made.language = language
        made.capabilities = RecogniserCapabilities(partials=True, languages=(language,))
        return made
