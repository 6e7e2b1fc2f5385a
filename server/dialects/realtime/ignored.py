"""Settings that the server knows and does not hold: found in what a client asks for, and told once.

Stock clients send many of them of their own accord (names of models and voices, tracing), and some of them end their
session at any error. So those are told in `x_ignored` of the session object. What no client sends by itself, and what
makes the session another than was asked for (a language that is not understood), is an error.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from server.dialects.realtime.address import unused
from server.dialects.realtime.fields import (
    InputPart,
    OutputPart,
    SessionPart,
    TranscriptionPart,
    TurnDetectionPart,
)
from server.dialects.realtime.phrases import listed_in
from server.dialects.realtime.setting_checks import Json
from server.domain.errors import ClientError
from server.domain.values import Abilities, IgnoredSetting, SessionConfig
from stages.ports import MAX_PHRASES

DEFAULT = "default"

_UNUSED: Mapping[str, Any] = {
    "tracing": None,
    "prompt": None,
    "include": None,
    "reasoning": None,
    "parallel_tool_calls": True,
}
"""Settings that are only kept to be shown again, and the value besides null that asks for nothing."""

_WHY_UNUSED = "is kept to be shown again, and changes nothing"
_SILENT = (
    "output_modalities",
    "instructions",
    "tools",
    "tool_choice",
    "max_output_tokens",
    "prompt",
    "reasoning",
)
"""What a session that only transcribes has no use for."""


class IgnoredSettings:
    """The settings of one client that change nothing, and of which it has been told."""

    def __init__(self, abilities: Abilities) -> None:
        self._abilities = abilities
        self._told: set[IgnoredSetting] = set()

    def at_start(self, config: SessionConfig, address: str) -> tuple[IgnoredSetting, ...]:
        """What of the address that opened the session changes nothing."""
        return self._new((*self._of_model("model", config.model), *unused(address)))

    def of_session(self, part: SessionPart, config: SessionConfig) -> tuple[IgnoredSetting, ...]:
        """What of an update changes nothing and was not told yet; `config` is what holds after it."""
        return self._new(_of_session(part, config, self._abilities))

    def of_order(self, part: SessionPart, config: SessionConfig) -> tuple[IgnoredSetting, ...]:
        """What of the order of a client secret changes nothing; `config` is what a session of it begins with."""
        language = self._language(part)
        found = (
            *self._of_model("session.model", part.model),
            *_of_session(part, config, self._abilities),
            *((language,) if language else ()),
        )
        return self._new(found)

    def of_language(self, part: SessionPart, ref: str | None) -> ClientError | None:
        """What to tell of a language that the recogniser does not understand, if that was not told yet."""
        found = self._language(part)
        return self._error([found] if found else [], ref)

    def _language(self, part: SessionPart) -> IgnoredSetting | None:
        wanted = part.audio and part.audio.input and part.audio.input.transcription
        return _of_language(wanted, self._abilities.languages) if wanted else None

    def of_response(self, response: object, ref: str | None) -> ClientError | None:
        """What to tell of the checked `response` of a `response.create`, as far as that was not told yet."""
        found = _of_response(response, self._abilities.voices) if isinstance(response, dict) else ()
        return self._error(found, ref)

    def _of_model(self, param: str, model: object) -> Iterator[IgnoredSetting]:
        if isinstance(model, str) and model not in (DEFAULT, *self._abilities.agents):
            yield IgnoredSetting(
                param, f"{_short(model)} is not a name of this server's, its default answers"
            )

    def _new(self, found: Iterable[IgnoredSetting]) -> tuple[IgnoredSetting, ...]:
        new = tuple(setting for setting in found if setting not in self._told)
        self._told.update(new[: _MAX_TOLD - len(self._told)])
        return new

    def _error(self, found: Iterable[IgnoredSetting], ref: str | None) -> ClientError | None:
        new = self._new(found)
        if not new:
            return None
        message = "; ".join(f"{setting.param}: {setting.message}" for setting in new)
        return ClientError("not_honoured", message, param=new[0].param, ref=ref)


_MAX_TOLD = 100


def _of_session(part: SessionPart, config: SessionConfig, able: Abilities) -> Iterator[IgnoredSetting]:
    if part.model is not None and part.model != config.model:
        yield IgnoredSetting("session.model", "cannot be changed when a session is open")
    if config.purpose == "transcription":
        for name in _SILENT:
            if getattr(part, name):
                yield IgnoredSetting(f"session.{name}", "a session for transcription does not answer")
    for name, nothing in _UNUSED.items():
        if getattr(part, name) not in (None, nothing, []):
            yield IgnoredSetting(f"session.{name}", _WHY_UNUSED)
    if part.audio is not None and part.audio.input is not None:
        yield from _of_input(part.audio.input, config, able)
    if part.audio is not None and part.audio.output is not None:
        yield from _of_output("session.audio.output", part.audio.output, able.voices)


def _of_input(part: InputPart, config: SessionConfig, able: Abilities) -> Iterator[IgnoredSetting]:
    path = "session.audio.input"
    if part.noise_reduction is not None:
        yield IgnoredSetting(f"{path}.noise_reduction", "the server hears the audio as it comes")
    if part.transcription is not None:
        yield from _of_transcription(f"{path}.transcription", part.transcription, able.takes_phrases)
    if part.turn_detection is not None and config.turn_detection is not None:
        kind = config.turn_detection.kind
        yield from _of_detection(
            f"{path}.turn_detection", part.turn_detection, kind, owns_turns=able.owns_turns
        )


def _of_transcription(path: str, part: TranscriptionPart, takes_phrases: bool) -> Iterator[IgnoredSetting]:
    if part.model not in (None, DEFAULT):
        yield IgnoredSetting(
            f"{path}.model", "the server has one recogniser, which is used whatever is named"
        )
    if part.delay:
        yield IgnoredSetting(f"{path}.delay", _WHY_UNUSED)
    for name in ("prompt", "keywords") if not takes_phrases else ():
        if getattr(part, name):
            yield IgnoredSetting(f"{path}.{name}", "the recogniser listens for no words that it is told")
    if takes_phrases and part.prompt:
        yield from _of_prompt(f"{path}.prompt", part.prompt, part.keywords or ())


def _of_prompt(path: str, prompt: str, keywords: Sequence[str]) -> Iterator[IgnoredSetting]:
    listed, others = listed_in(prompt)
    if others:
        message = f"words and names between commas are listened for, and {_short(others[0])} is neither"
        yield IgnoredSetting(path, message)
    count = len({*keywords, *listed})
    if count > MAX_PHRASES:
        yield IgnoredSetting(path, f"the first {MAX_PHRASES} words are listened for, of {count}")


_OF_KIND = {
    "server_vad": ("threshold", "prefix_padding_ms", "silence_duration_ms", "idle_timeout_ms"),
    "semantic_vad": ("eagerness",),
}


_OF_ENDS = ("silence_duration_ms", "eagerness")
"""How soon a pause is the end of a turn."""


def _of_detection(
    path: str, part: TurnDetectionPart, kind: str, *, owns_turns: bool
) -> Iterator[IgnoredSetting]:
    for name in _OF_ENDS if owns_turns else ():
        if name in _OF_KIND[kind] and getattr(part, name) is not None:
            yield IgnoredSetting(
                f"{path}.{name}", "the recogniser finds the ends of turns: changes nothing while it does"
            )
    for other, names in _OF_KIND.items():
        for name in names if other != kind else ():
            if getattr(part, name) is not None:
                yield IgnoredSetting(f"{path}.{name}", f"belongs to {other}, and the type is {kind}")


def _of_output(path: str, part: OutputPart, voices: tuple[str, ...]) -> Iterator[IgnoredSetting]:
    if voices and part.voice is not None and part.voice not in (DEFAULT, *voices):
        known = ", ".join(voices[:20])
        message = f"{_short(part.voice)} is not a voice of this server's ({known}), the first of which speaks"
        yield IgnoredSetting(f"{path}.voice", message)


def _of_response(response: Json, voices: tuple[str, ...]) -> Iterator[IgnoredSetting]:
    for name, nothing in _UNUSED.items():
        if response.get(name) not in (None, nothing):
            yield IgnoredSetting(f"response.{name}", "changes nothing")
    audio = response.get("audio") or {}
    if isinstance(audio, dict) and audio.get("input") is not None:
        yield IgnoredSetting("response.audio.input", "is a matter of the session: write session.audio.input")
    if isinstance(audio, dict) and audio.get("output") is not None:
        yield from _of_output("response.audio.output", OutputPart.model_validate(audio["output"]), voices)


def _of_language(part: TranscriptionPart, known: tuple[str, ...]) -> IgnoredSetting | None:
    wanted = [("language", part.language)] if part.language else []
    wanted += [("languages", language) for language in part.languages or ()]
    if "*" in known or not wanted or any(_primary(language) in known for _, language in wanted if language):
        return None
    names = ", ".join(_short(language) for _, language in wanted[:5])
    message = f"{names} is not understood: the recogniser takes {', '.join(known)}, and goes on with it"
    return IgnoredSetting(f"session.audio.input.transcription.{wanted[0][0]}", message)


def _primary(language: str) -> str:
    return language.replace("_", "-").partition("-")[0].lower()


def _short(value: str) -> str:
    return repr(value[:64])
