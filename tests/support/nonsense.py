"""Frames that no client should send: ten classes of them, made from a seed, and valid ones to spoil."""

import base64
import json
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from server.dialects.voice.frames import Stream, pack_frame

Frame = str | bytes

VALID: tuple[dict[str, Any], ...] = (
    {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "instructions": "Be brief.",
            "output_modalities": ["audio"],
            "max_output_tokens": 100,
            "tools": [{"type": "function", "name": "look", "parameters": {}}],
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": {"model": "default"},
                    "turn_detection": {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500},
                },
                "output": {"format": {"type": "audio/pcmu"}, "voice": "default", "speed": 1.0},
            },
        },
    },
    {"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(960)).decode()},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {
        "type": "conversation.item.create",
        "previous_item_id": "root",
        "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello."}]},
    },
    {
        "type": "conversation.item.create",
        "item": {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "Who is this?"},
                {
                    "type": "input_audio",
                    "audio": base64.b64encode(bytes(range(96))).decode(),
                    "transcript": "Me.",
                },
            ],
        },
    },
    {"type": "conversation.item.retrieve", "item_id": "item_1"},
    {"type": "conversation.item.delete", "item_id": "item_1"},
    {"type": "conversation.item.truncate", "item_id": "item_1", "content_index": 0, "audio_end_ms": 100},
    {
        "type": "response.create",
        "response": {"output_modalities": ["text"], "instructions": "Sing.", "metadata": {"a": "b"}},
    },
    {"type": "response.cancel", "response_id": "resp_1"},
    {"type": "output_audio_buffer.clear"},
    {"type": "x_playback", "item_id": "item_1", "played_samples": 100, "underruns": 0},
)

_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1.5, 1e308, 10**30, "", "x", "\x00", "\u202e", "ÿ" * 600, "null"),
    *([], {}, [[]], [None], {"type": None}, {"": ""}, [1] * 200, {"a": {"b": {"c": [1, 2]}}}),
)
_TOKENS = (
    "{",
    "}",
    "[",
    "]",
    '"',
    ":",
    ",",
    "\\u",
    "\\ud800",
    "null",
    "NaN",
    "-",
    "1e999",
    "\x00",
    "\ud800",
    "é",
    " ",
)


class Nonsense:
    """A source of frames. The same seed gives the same frames."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._classes: tuple[Callable[[], Frame], ...] = (
            self._random_bytes,
            self._spoilt_audio_frame,
            self._random_text,
            self._cut_json,
            self._flipped_json,
            self._no_object,
            self._missing_field,
            self._odd_field,
            self._nested,
            self._broken_clip,
        )

    @property
    def classes(self) -> int:
        """How many classes of frames there are; `frame` goes through them in turn."""
        return len(self._classes)

    def frame(self, number: int) -> Frame:
        """The next frame, of the class `number`, which wraps."""
        return self._classes[number % len(self._classes)]()

    def _event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(json.dumps(self._random.choice(VALID)))
        return event | {"event_id": "mine"}

    def _random_bytes(self) -> Frame:
        return self._random.randbytes(self._random.randrange(64))

    def _spoilt_audio_frame(self) -> Frame:
        frame = bytearray(pack_frame(Stream.MICROPHONE, 0, 0, bytes(self._random.randrange(32))))
        for _ in range(self._random.randint(1, 3)):
            frame[self._random.randrange(len(frame))] = self._random.randrange(256)
        return bytes(frame[: self._random.randint(0, len(frame))])

    def _random_text(self) -> Frame:
        return "".join(self._random.choices(_TOKENS, k=self._random.randrange(40)))

    def _cut_json(self) -> Frame:
        text = json.dumps(self._event())
        return text[: self._random.randrange(len(text))]

    def _flipped_json(self) -> Frame:
        text = list(json.dumps(self._event()))
        for _ in range(self._random.randint(1, 4)):
            text[self._random.randrange(len(text))] = self._random.choice(_TOKENS)
        return "".join(text)

    def _no_object(self) -> Frame:
        return json.dumps(self._random.choice([value for value in _ODD if not isinstance(value, dict)]))

    def _missing_field(self) -> Frame:
        event = self._event()
        for _ in range(self._random.randint(1, 3)):
            parent, key = self._place(event)
            if isinstance(parent, dict):
                parent.pop(key)
            elif parent:
                del parent[key]
        return json.dumps(event)

    def _odd_field(self) -> Frame:
        event = self._event()
        for _ in range(self._random.randint(1, 3)):
            parent, key = self._place(event)
            parent[key] = deepcopy(self._random.choice(_ODD))
        return json.dumps(event)

    def _nested(self) -> Frame:
        depth = self._random.choice((3, 60, 150, 250, 5000))
        opening, closing = self._random.choice((("[", "]"), ('{"a":', "}")))
        inner = opening * depth + "1" + closing * depth
        kind = self._random.choice(VALID)["type"]
        return f'{{"type": "{kind}", "event_id": "mine", "session": {inner}, "item": {inner}, "response": {inner}}}'

    def _broken_clip(self) -> Frame:
        """A message, or a response about one, with clips of which some are no audio."""
        audio = base64.b64encode(self._random.randbytes(self._random.randrange(200))).decode()
        broken = (
            *("AAAA" * 2 * self._random.randrange(1, 50),) * 3,
            audio,
            audio[: self._random.randrange(len(audio) + 1)],
            audio + self._random.choice(_TOKENS),
            "A" * self._random.choice((1, 4, 5_000)),
            self._random.choice(_ODD),
        )
        roles = (*("user",) * 8, "assistant", "system")
        kinds = (*("input_audio",) * 8, "input_text", "output_audio")
        content = [
            {"type": self._random.choice(kinds), "audio": self._random.choice(broken), "transcript": "x"}
            for _ in range(self._random.randint(1, 4))
        ]
        item = {"type": "message", "role": self._random.choice(roles), "content": content}
        if self._random.random() < 0.3:
            response = {"conversation": "none", "output_modalities": ["text"], "input": [item]}
            return json.dumps({"type": "response.create", "event_id": "mine", "response": response})
        return json.dumps({"type": "conversation.item.create", "event_id": "mine", "item": item})

    def _place(self, event: dict[str, Any]) -> tuple[Any, Any]:
        """Somewhere in the event: a container and a key of it."""
        places: list[tuple[Any, Any]] = []

        def collect(value: Any) -> None:
            keys = list(value) if isinstance(value, dict) else range(len(value))
            for key in keys:
                places.append((value, key))
                if isinstance(value[key], dict | list):
                    collect(value[key])

        collect(event)
        return self._random.choice(places) if places else ({"": 0}, "")
