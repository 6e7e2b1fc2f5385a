"""Moonshine base-en as a recogniser, the default one: on one worker thread for all sessions, with early captions."""

from collections.abc import Callable
from pathlib import Path
from typing import Self

from stages.ports import Partial, RecogniserCapabilities, SpeechHints
from stages.providers.moonshine.engine import MODEL_NAME
from stages.providers.moonshine.model import MoonshineModel
from stages.providers.whisper.recogniser import EmbeddedRecogniser, EmbeddedRecognition, RecogniserSettings
from stages.runtime.models import model_dir
from stages.runtime.worker import Worker


class MoonshineRecogniser(EmbeddedRecogniser):
    """Moonshine base-en on this machine's CPU, English only."""

    title = "Moonshine base-en (embedded)"
    capabilities = RecogniserCapabilities(partials=True, phrases=True)

    def __init__(self, model: MoonshineModel, worker: Worker) -> None:
        super().__init__(model, worker)
        self._expecting = model.expecting

    @classmethod
    def from_settings(cls, settings: RecogniserSettings) -> Self:
        """Load the model from the store; blocks. Raises ModelFileError."""
        return cls.load(model_dir(MODEL_NAME), threads=settings.threads)

    @classmethod
    def load(cls, directory: Path, *, threads: int = 1) -> Self:
        """Load the model in `directory`; blocks for about a second. Raises ModelFileError."""
        return cls(MoonshineModel.load(directory, threads=threads), Worker("recogniser"))

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> EmbeddedRecognition:
        """Begin an utterance; what the agent expects counts for a word by itself, and phrases that are due anywhere."""
        return EmbeddedRecognition(self, on_partial, self._expecting(hints.expects, hints.phrases))
