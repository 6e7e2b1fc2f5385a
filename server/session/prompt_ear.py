"""Hears a frame of the microphone where the connection brings it, while the session's reader waits for it.

A frame of the microphone, as it nearly always is, finds the reader waiting, and is heard then and there, without a
change of tasks. That is all its way and not the first half of one: whatever may have to wait, or is anything else, is
left to the reader, so that all is obeyed in the order in which it came.
"""

from typing import cast

from audio.formats import AudioFormat
from server.domain.errors import ClientError
from server.domain.wire import Dialect, PromptDialect, PromptWire, Wire
from server.output.link import LinkState
from server.session.audio_pace import AudioPace, bytes_per_s
from server.session.base import SessionBase
from server.session.key_quota import AudioAccount
from server.session.lifetime import Lifetime
from server.session.listening import Listening
from server.session.orders import Orders
from stages.runtime.contexts import context_of_task


class PromptEar:
    """Hears the usual frames of one session, for its reader, whose account and pace it has."""

    def __init__(
        self,
        base: SessionBase,
        dialect: Dialect,
        listening: Listening,
        orders: Orders,
        lifetime: Lifetime,
        bought: AudioAccount,
        pace: AudioPace,
    ) -> None:
        self._base = base
        prompt = cast("PromptDialect", dialect) if hasattr(dialect, "usual_audio") else None
        self.usual_audio = _no_audio if prompt is None else prompt.usual_audio
        """See `PromptDialect.usual_audio`; of any dialect."""
        self._usual_frame = None if prompt is None else prompt.usual_frame
        self._listening = listening
        self._orders = orders
        self._lifetime = lifetime
        self._bought = bought
        self._pace = pace
        self.wire: Wire | None = None
        """Where it listens."""
        self._format: AudioFormat | None = None
        self._second_bytes = 0
        """Of that format."""
        self.failure: Exception | None = None
        """What a frame brought that was heard as it came, and ends the session."""

    def listen_at(self, wire: Wire) -> None:
        """Hear frames as they come over this connection, if it can do that. To be called in the reader's task."""
        self.wire = wire
        if self._usual_frame is not None and hasattr(wire, "hear_by"):
            context, usual = context_of_task(), self._usual_frame
            cast("PromptWire", wire).hear_by(
                lambda frame: isinstance(frame, usual) and context.run(self._hear_now, frame)
            )

    def hear(self, data: bytes, now: float) -> None:
        """Hear a slice of audio. Raises ClientError as `Microphone.push` does."""
        self._lifetime.heard(now)
        self._listening.floor.audio_came(now)
        self._listening.microphone.push(data)

    def hear_if_free(self, data: bytes) -> bool:
        """Hear audio for which nothing has to wait, before or after; False, and nothing done, for any other. Raises
        ClientError as `Microphone.push` does."""
        now = self._base.now()
        if not self._is_free(len(data), now):
            return False
        self._hear_free(data, now)
        return True

    def _hear_now(self, frame: str | bytes) -> bool:
        """Hear a frame for which the reader waits; False, and nothing done, if that is not all there is to do."""
        link, now = self._base.link, self._base.now()
        if link.state is not LinkState.ATTACHED or not self._is_free(len(frame), now):
            return False
        data = self.usual_audio(frame)
        if data is None:
            return False
        link.received_events += type(frame) is str
        try:
            self._hear_free(data, now)
        except ClientError as error:
            self._orders.complain(error)
        except Exception as error:  # noqa: BLE001  # the task of the session is to fail with it
            self.failure = error
            return False
        return True

    def _is_free(self, size_bytes: int, now: float) -> bool:
        config = self._base.config.current
        if config.input_format is not self._format:
            self._format = config.input_format
            self._second_bytes = bytes_per_s(config.input_format)
        most_s, is_detected = size_bytes / self._second_bytes, config.turn_detection is not None
        return self._bought.has(most_s) and self._pace.is_free(most_s, now, is_detected=is_detected)

    def _hear_free(self, data: bytes, now: float) -> None:
        """Hear no more than is free."""
        audio_s = len(data) / self._second_bytes
        self._bought.covers(audio_s)
        self._pace.heard(audio_s, now, is_detected=self._base.config.current.turn_detection is not None)
        self.hear(data, now)


def _no_audio(frame: str | bytes) -> bytes | None:
    """Of a dialect that has no short way."""
    return None
