"""The protocols in the box, a small class each, and how another is named on the command line."""

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from inspect import getattr_static
from typing import Any, ClassVar

import numpy as np
import pybase64

from audio.formats import RATES_HZ, Samples
from server.client.load.pipecat import Pipecat
from server.client.load.script import Tool
from server.client.load.wire import (
    Audio,
    Mark,
    Order,
    Sound,
    Target,
    TargetError,
    ToolCall,
    Trouble,
    Wire,
    WordEnds,
)
from server.dialects.voice.frames import HEADER_BYTES, WRAP, Stream, pack_frame, unpack_frame

VOICE = "voice.v1"
_OFFSET_BYTES = 4
_OFFSET_AT = HEADER_BYTES - _OFFSET_BYTES
_HEADER_BEGINS = pack_frame(Stream.MICROPHONE, 0, 0, b"")[:_OFFSET_AT]
_PCM_16 = np.dtype("<i2")
_FLUSHED_BY = ("input_audio_buffer.speech_started", "output_audio_buffer.cleared")
_MARKS = {
    "input_audio_buffer.speech_started": "speech started",
    "input_audio_buffer.speech_stopped": "speech stopped",
    "input_audio_buffer.committed": "turn ended",
    "response.created": "answer begun",
    "response.done": "answer done",
}
_ORDERS = {
    "response.output_audio.done": Order.ITEM_ENDS,
    "response.done": Order.ANSWER_ENDS,
    "x_duck": Order.DUCK,
    "x_pause": Order.PAUSE,
    "x_resume": Order.RESUME,
}


class Realtime(Target):
    """OpenAI's Realtime protocol: JSON, audio in base64. The player is flushed when the server hears speech."""

    subprotocols: ClassVar[tuple[str, ...]] = ("realtime",)

    def __init__(self) -> None:
        self._response_id = ""
        self._flushed_id = ""
        """Of an answer whose audio may still be on its way."""

    @classmethod
    def prepare(cls, samples: Samples) -> Wire:
        """An `input_audio_buffer.append`."""
        audio = pybase64.b64encode(samples.astype("<i2").tobytes()).decode()
        return json.dumps({"type": "input_audio_buffer.append", "audio": audio})

    def typed(self, text: str) -> Sequence[Wire]:
        """An item of the user's, and the request to answer it."""
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        create = {"type": "conversation.item.create", "item": item}
        return json.dumps(create), json.dumps({"type": "response.create"})

    def declare(self, tools: Sequence[Tool]) -> Sequence[Wire]:
        """A `session.update` with them."""
        if not tools:
            return ()
        declared = [
            {"type": "function"} | tool.model_dump(include={"name", "description", "parameters"})
            for tool in tools
        ]
        return (json.dumps({"type": "session.update", "session": {"type": "realtime", "tools": declared}}),)

    def tool_result(self, call_id: str, result: str) -> Sequence[Wire]:
        """An item with it, and the request to go on."""
        item = {"type": "function_call_output", "call_id": call_id, "output": result}
        create = {"type": "conversation.item.create", "item": item}
        return json.dumps(create), json.dumps({"type": "response.create"})

    def hear(self, message: Wire) -> Sequence[Sound]:
        """What one event means; most mean nothing to a listener."""
        event = json.loads(message)
        if event["type"] == "response.output_audio.delta":
            self._response_id = event.get("response_id", "")
            if self._response_id and self._response_id == self._flushed_id:
                return ()
            return (Audio(np.frombuffer(pybase64.b64decode(event["delta"]), _PCM_16), event["item_id"]),)
        return self._obey(event)

    def heard(self, item_id: str, played_samples: int, *, underruns: int, is_cut: bool) -> Sequence[Wire]:
        """Where an answer was cut, as clients of the protocol tell it."""
        if not is_cut or not item_id:
            return ()
        end_ms = played_samples * 1000 // self.rate_hz
        cut = {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0}
        return (json.dumps({**cut, "audio_end_ms": end_ms}),)

    def _obey(self, event: Mapping[str, Any]) -> Sequence[Sound]:
        mark = _MARKS.get(event["type"])
        return (*self._orders(event), *([] if mark is None else [Mark(mark)]))

    def _orders(self, event: Mapping[str, Any]) -> Sequence[Sound]:
        if event["type"] in _FLUSHED_BY:
            self._flushed_id = self._response_id
            return (Order.FLUSH,)
        if event["type"] == "error":
            return (Trouble(str(event["error"].get("message"))),)
        if event["type"] == "response.done" and event["response"]["status"] == "failed":
            return Trouble("an answer failed"), Order.ANSWER_ENDS
        if event["type"] == "response.function_call_arguments.done":
            return (ToolCall(event["call_id"], event["name"]),)
        order = _ORDERS.get(event["type"])
        return () if order is None else (order,)


class Voice(Realtime):
    """`voice.v1`: the same events, audio in binary frames, flushed by epoch, and told what was heard."""

    subprotocols: ClassVar[tuple[str, ...]] = (VOICE,)
    can_resume: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._epoch = 0
        self._begins = b""
        """How frames begin whose audio is to be played; nothing until one has come."""
        self._item_id = ""
        self._told_id = self._told_begins = ""
        """What was told of last, and how all that is told of it begins."""

    @classmethod
    def prepare(cls, samples: Samples) -> Wire:
        """The samples; the header goes before them when they are sent."""
        return samples.astype("<i2").tobytes()

    def header(self, sent_samples: int) -> bytes:
        """The header of this session's audio frames."""
        return _HEADER_BEGINS + (sent_samples % WRAP).to_bytes(_OFFSET_BYTES, "little")

    def hear(self, message: Wire) -> Sequence[Sound]:
        """Audio of an epoch that was not thrown away, and what the server orders."""
        if isinstance(message, str):
            return self._obey(json.loads(message))
        # Most frames are as the one before but for the offset, and need no more than that.
        if not (self._begins and message.startswith(self._begins) and len(message) >= HEADER_BYTES):
            frame = unpack_frame(message)
            is_stale = 0 < (self._epoch - frame.epoch) % WRAP < WRAP // 2
            if frame.stream is not Stream.ANSWER or is_stale:
                return ()
            self._begins = message[:_OFFSET_AT]
        if len(message) == HEADER_BYTES:
            return ()
        return (Audio(np.frombuffer(message, _PCM_16, offset=HEADER_BYTES), self._item_id),)

    def heard(self, item_id: str, played_samples: int, *, underruns: int, is_cut: bool) -> Sequence[Wire]:
        """An `x_playback`."""
        if not item_id:
            return ()
        if item_id != self._told_id:
            told = json.dumps({"type": "x_playback", "item_id": item_id})
            self._told_id, self._told_begins = item_id, told.removesuffix("}")
        return (f'{self._told_begins}, "played_samples": {played_samples}, "underruns": {underruns}}}',)

    def _orders(self, event: Mapping[str, Any]) -> Sequence[Sound]:
        match event:
            case {"type": "x_flush", "epoch": int(epoch)}:
                self._epoch, self._begins = epoch, b""
                return (Order.FLUSH,)
            case {"type": "response.output_item.added", "item": {"type": "message", "id": str(item_id)}}:
                self._item_id = item_id
                return ()
            case {"type": "x_words", "item_id": str(item_id), "words": list(words)}:
                return (WordEnds(item_id, tuple(int(word["end_sample"]) for word in words)),)
            case {"type": type} if type in _FLUSHED_BY:
                return ()  # the server says itself what is flushed
        return super()._orders(event)


class Pcm(Target):
    """Binary messages of linear PCM, 16 bit, little-endian, mono, both ways. Text messages are passed over."""

    tells_ends: ClassVar[bool] = False

    @classmethod
    def prepare(cls, samples: Samples) -> Wire:
        """The samples."""
        return samples.astype("<i2").tobytes()

    def hear(self, message: Wire) -> Sequence[Sound]:
        """Audio, if it is binary. Raises ValueError for half a sample."""
        return (Audio(np.frombuffer(message, "<i2")),) if isinstance(message, bytes) and message else ()


IN_THE_BOX: Mapping[str, type[Target]] = {"realtime": Realtime, VOICE: Voice, "pcm": Pcm, "pipecat": Pipecat}
_WITH_RATES = ("pcm", "pipecat")


def find_target(name: str) -> type[Target]:
    """The class of a protocol: `realtime`, `voice.v1`, `pcm`, `pcm:16000`, `pipecat`, `pipecat:24000`, or
    `module:Class`. Raises TargetError."""
    if name in IN_THE_BOX:
        return IN_THE_BOX[name]
    module, colon, attribute = name.partition(":")
    if module in _WITH_RATES and colon:
        return _at_rate(module, attribute)
    known = ", ".join(IN_THE_BOX)
    if not (module and attribute):
        raise TargetError(
            f"--protocol: there is no {name!r}; choose from {known}, pcm:RATE, pipecat:RATE, or name module:Class"
        )
    return _load(name, module, attribute)


def target_name(target: type[Target]) -> str:
    """The name of a class, as it is given."""
    return next((name for name, known in IN_THE_BOX.items() if known is target), target.__name__)


def _at_rate(name: str, rate: str) -> type[Target]:
    if not rate.isdecimal() or int(rate) not in RATES_HZ:
        raise TargetError(f"--protocol: {name}:{rate} is no rate; use one of {', '.join(map(str, RATES_HZ))}")
    return type(f"{name.capitalize()}{rate}", (IN_THE_BOX[name],), {"rate_hz": int(rate)})


def _load(name: str, module: str, attribute: str) -> type[Target]:
    try:
        found: Callable[..., object] = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise TargetError(f"--protocol {name}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Target)):
        raise TargetError(f"--protocol {name}: must be a class that extends server.client.load.wire.Target")
    if not isinstance(getattr_static(found, "prepare"), classmethod | staticmethod):
        raise TargetError(
            f"--protocol {name}: `prepare` must be a @classmethod: all calls share what it prepares"
        )
    return found
