"""Keys that the server does not know: found in what a client says, and told once, with what to write instead.

The rest of the event is obeyed. The ten settings that the beta shape of the protocol had at the top are known by name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from itertools import islice
from typing import Any, get_args, get_origin

from pydantic import BaseModel, JsonValue

from server.dialects.realtime.fields import SessionPart
from server.dialects.realtime.setting_checks import KnownKeys
from server.domain.errors import ClientError
from server.domain.values import IgnoredSetting

MAX_SHOWN = 20
"""Keys that one error names."""

MAX_TOLD = 100
"""Keys that one client is told of: whoever makes up new ones all the time is not answered for ever."""

_LONGEST_KEY = 64

_FORMAT = '{"type": "audio/pcm", "rate": 24000}, or "audio/pcmu" or "audio/pcma"'
_BETA = {
    "modalities": 'output_modalities, ["audio"] or ["text"]',
    "voice": "audio.output.voice",
    "speed": "audio.output.speed",
    "input_audio_format": f"audio.input.format, {_FORMAT}",
    "output_audio_format": f"audio.output.format, {_FORMAT}",
    "input_audio_transcription": "audio.input.transcription",
    "input_audio_noise_reduction": "audio.input.noise_reduction",
    "turn_detection": "audio.input.turn_detection",
    "max_response_output_tokens": "max_output_tokens",
    "temperature": "there is nothing like it any more, leave it out",
}
"""What stood at the top of a session, or of a response, and what to write instead."""
_BETA_EVENTS = (
    "events had other names too: response.output_audio.delta for response.audio.delta, "
    "response.output_audio_transcript.delta for response.audio_transcript.delta, "
    "response.output_text.delta for response.text.delta, conversation.item.added for conversation.item.created"
)

RENAMED = {
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "conversation.item.created": "conversation.item.added",
    "transcription_session.update": 'session.update with "type": "transcription" in its session',
    "transcription_session.updated": "session.updated",
}
"""Types of events that the beta shape had, and what they are called now."""

_EVERYWHERE = frozenset({"type", "event_id"})
_SHOWN = frozenset({"id", "object", "expires_at", "client_secret", "x_ignored"})
"""Of a session, what the server itself shows: clients send the whole object back."""


class UnknownKeys:
    """The unknown keys of one client, and of which it has been told."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def problem(
        self, event: Mapping[str, Any], model: type[BaseModel], ref: str | None
    ) -> ClientError | None:
        """The error that names the keys of an event that `model` does not know, and that were not told yet."""
        new = [fault for fault in unknown_keys(event, model) if fault.param not in self._told]
        new = new[: MAX_TOLD - len(self._told)]
        self._told.update(fault.param for fault in new)
        return _error(new, ref) if new else None


def unknown_keys(event: Mapping[str, JsonValue], model: type[BaseModel]) -> list[IgnoredSetting]:
    """The keys of an object that `model` does not know, each with its path and what to write instead; a few at most."""
    keys = _keys_of(model)
    return list(islice(_unknown(event, keys, keys), MAX_TOLD))


def _error(faults: list[IgnoredSetting], ref: str | None) -> ClientError:
    lines = [f"{fault.param}: {fault.message}" for fault in faults[:MAX_SHOWN]]
    if len(faults) > MAX_SHOWN:
        lines.append(f"and {len(faults) - MAX_SHOWN} more")
    if any(_beta_key(fault.param) for fault in faults):
        lines.append(f"this is the shape of the beta, whose {_BETA_EVENTS}")
    return ClientError("unknown_parameter", "; ".join(lines), param=faults[0].param, ref=ref)


@cache
def _keys_of(model: type[BaseModel]) -> KnownKeys:
    inner = {name: _inner(field.annotation, field.metadata) for name, field in model.model_fields.items()}
    if issubclass(model, SessionPart):
        inner |= {name: KnownKeys({}) for name in _SHOWN}
    return KnownKeys(inner)


def _inner(annotation: object, metadata: Sequence[object] = ()) -> KnownKeys:
    if isinstance(annotation, KnownKeys):
        return annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _keys_of(annotation)
    found = [_inner(argument) for argument in (*metadata, *get_args(annotation))]
    keys = next((keys for keys in found if keys.inner), KnownKeys({}))
    return replace(keys, is_list=True) if get_origin(annotation) is list else keys


def _unknown(
    given: Mapping[str, JsonValue], keys: KnownKeys, top: KnownKeys, path: str = ""
) -> Iterator[IgnoredSetting]:
    for key, value in given.items():
        here = f"{path}.{key[:_LONGEST_KEY]}".removeprefix(".")
        inner = keys.inner.get(key)
        if inner is None:
            if path or key not in _EVERYWHERE:
                yield IgnoredSetting(here, _advice(here, keys, top))
        elif inner.inner and isinstance(value, dict):
            yield from _unknown(value, inner, top, here)
        elif inner.inner and isinstance(value, list):
            for number, element in enumerate(value):
                if isinstance(element, dict):
                    yield from _unknown(element, inner, top, f"{here}[{number}]")


def _beta_key(path: str) -> str | None:
    root, _, key = path.partition(".")
    return key if root in ("session", "response") and key in _BETA else None


def _advice(path: str, keys: KnownKeys, top: KnownKeys) -> str:
    root, _, rest = path.partition(".")
    key = _beta_key(path)
    if key == "temperature":
        return f"is ignored; {_BETA[key]}"
    if key is not None:
        root = "session" if _BETA[key].startswith("audio.input") else root
        return f"is ignored; write {root}.{_BETA[key]}"
    leaf = rest.rpartition(".")[2] or root
    if near := get_close_matches(leaf, keys.inner, 1, 0.75):
        return f"is not known, and ignored; did you mean {near[0]!r}?"
    if places := [place for place in _places(top) if place.rpartition(".")[2] == leaf]:
        return f"is ignored here; it belongs to {' or '.join(places)}"
    return "is not known, and ignored"


def _places(keys: KnownKeys, path: str = "") -> Iterator[str]:
    """Where everything is that an event has, apart from what is in its lists."""
    for name, inner in keys.inner.items():
        here = f"{path}.{name}".removeprefix(".")
        yield here
        if not inner.is_list:
            yield from _places(inner, here)
