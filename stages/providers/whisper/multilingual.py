"""Whisper base as a recogniser of one or several languages; the same short windows as for English."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from pydantic import Field

from stages.ports import Partial, RecogniserCapabilities, SpeechHints
from stages.providers.whisper.languages import LanguageReader, Models
from stages.providers.whisper.model import MultilingualModel
from stages.providers.whisper.recogniser import EmbeddedRecogniser, EmbeddedRecognition, RecogniserSettings
from stages.runtime.models import model_dir
from stages.runtime.worker import Worker
from stages.text.languages import CODES
from stages.text.languages.chosen import Codes

MODEL_NAME = "whisper-base"
"""In the lock file."""


class MultilingualSettings(RecogniserSettings):
    """What may be configured of it."""

    language: Codes = Field(("en",), min_length=1, description="what is spoken: one language, or several")


class MultilingualRecogniser(EmbeddedRecogniser):
    """Whisper base on this CPU: English, Spanish, French, German, Italian, Mandarin, or several of them."""

    title = "Whisper base (embedded)"
    capabilities = RecogniserCapabilities(partials=True, languages=CODES, phrases=True)
    Settings = MultilingualSettings

    def __init__(self, models: Models, worker: Worker) -> None:
        super().__init__(next(iter(models.values())), worker)
        self._models = models
        self.language = next(iter(models))
        self.capabilities = RecogniserCapabilities(partials=True, languages=tuple(models), phrases=True)

    @classmethod
    def from_settings(cls, settings: RecogniserSettings) -> Self:
        """Load the model from the store; blocks. Raises ModelFileError."""
        assert isinstance(settings, MultilingualSettings), "made with its own settings"
        return cls.of_languages(model_dir(MODEL_NAME), settings.language, threads=settings.threads)

    @classmethod
    def of_languages(cls, directory: Path, languages: Sequence[str], *, threads: int = 1) -> Self:
        """Load the model in `directory`; blocks for about a second. Raises ModelFileError."""
        return cls(
            MultilingualModel.load_languages(directory, languages, threads=threads), Worker("recogniser")
        )

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> EmbeddedRecognition:
        """Begin an utterance, in the language of the hints if it is one of its own; phrases that are due are listened
        for."""
        wanted = (hints.language or "").replace("_", "-").partition("-")[0].lower()
        models = {wanted: self._models[wanted]} if wanted in self._models else self._models
        if hints.phrases:
            models = {code: model.listening_for(hints.phrases) for code, model in models.items()}
        return EmbeddedRecognition(self, on_partial, LanguageReader(models, hints.last_language))
