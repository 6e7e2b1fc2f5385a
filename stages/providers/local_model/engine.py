"""A language model file, opened by unirt: a blocking function from a prompt to text, piece by piece."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from stages.errors import ModelFileError, ProviderError


@dataclass(frozen=True, slots=True)
class Generated:
    """How a generation has ended."""

    reason: str
    """"length" if it was cut, anything else if it was not."""
    prompt_tokens: int = 0
    tokens: int = 0


class Engine(Protocol):
    """What continues a prompt. One thread at a time."""

    def generate(
        self,
        prompt: str,
        on_text: Callable[[str], bool],
        *,
        max_tokens: int,
        stop: Sequence[str],
        schema: Mapping[str, object] | None,
    ) -> Generated:
        """Give each piece of the text to `on_text`, and end soon when that says False. `schema` is what the text must
        be, as JSON. What a prompt has in common with the last one is not read again. Blocks. Raises ProviderError."""

    def close(self) -> None:
        """Let go of the model."""


class UnirtEngine:
    """`Engine` by unirt."""

    def __init__(self, path: Path, context_tokens: int) -> None:
        """Load it; blocks for seconds. Raises ModelFileError."""
        try:
            from unirt.auto import AutoModelForCausalLM

            self._model: Any = AutoModelForCausalLM.from_pretrained(
                str(path), device_map="llama_cpp", n_ctx=context_tokens
            )
        except ImportError as error:
            raise ModelFileError(
                f"local: {error}; the model needs `pip install 'stageflow-voice[local-model]'`"
            ) from error
        except Exception as error:  # unirt's have no root of their own
            raise ModelFileError(f"local: cannot load {path}: {error}") from error

    def generate(
        self,
        prompt: str,
        on_text: Callable[[str], bool],
        *,
        max_tokens: int,
        stop: Sequence[str],
        schema: Mapping[str, object] | None,
    ) -> Generated:
        """As `Engine` has it. Between two tokens it can be ended, and not while it reads the prompt."""
        try:
            stream = self._model.generate(
                prompt,
                stream=True,
                max_new_tokens=max_tokens,
                stop=list(stop),
                json_schema=None if schema is None else dict(schema),
            )
            for text in stream:
                if not on_text(text):
                    stream.cancel()
            profile = stream.output.profile
        except Exception as error:  # unirt's have no root of their own
            raise ProviderError(f"the local model failed: {error}") from error
        return Generated(str(profile.stop_reason), profile.prompt_tokens, profile.generated_tokens)

    def close(self) -> None:
        """As `Engine` has it."""
        self._model.close()
