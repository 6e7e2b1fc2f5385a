"""The client's microphone: its audio, and what the client says about it. What is heard in it goes to `Speech`."""

from collections.abc import Iterable

from server.domain import events as ev
from server.domain.values import SessionConfig
from server.domain.voice_events import EndedBy
from server.output.outbound import Outbound
from server.turntaking.hearing import Hearing
from server.turntaking.speech import Speech
from server.turntaking.speech_events import SpeechEvent


class Microphone:
    """The client's microphone in one session. Plain calls; nothing here waits."""

    def __init__(self, hearing: Hearing, speech: Speech, outbound: Outbound) -> None:
        self._hearing = hearing
        self._speech = speech
        self._overlaps = speech.overlaps
        self._outbound = outbound
        hearing.listen(speech)
        hearing.listen_late(self._hear)

    def push(self, data: bytes) -> None:
        """More audio from the client. The hot path. Raises ClientError as `Hearing.push` does."""
        self._hear(self._hearing.push(data))

    def _hear(self, events: Iterable[SpeechEvent]) -> None:
        for heard in events:
            self._speech.heard(heard)
        self._hearing.flush()
        self._overlaps.weigh_newest()

    def configure(self, config: SessionConfig) -> None:
        """Hear by another configuration; raises ClientError, and then nothing has changed."""
        was_speaking = self._hearing.is_speaking
        self._hearing.configure(config)
        if was_speaking and not self._hearing.is_speaking:
            self._speech.abandon()

    def commit(self, ended_by: EndedBy = "client") -> None:
        """The utterance ends here, mostly because the client says so, who then asks for an answer when it wants one.

        Raises ClientError when there is too little of it.
        """
        utterance, ended_ms = self._hearing.commit()
        self._speech.committed(utterance, ended_ms, ended_by)

    def clear(self) -> None:
        """Forget the audio that has not been committed."""
        was_speaking = self._hearing.clear()
        self._outbound.put(ev.AudioCleared())
        if was_speaking:
            self._speech.abandon()

    def end_here(self) -> None:
        """The audio has stopped coming: what was said is all there is."""
        if self._hearing.is_speaking:
            self.commit("stall")
        else:
            self._speech.gone()

    def close(self) -> None:
        """Let go of the recogniser and of the end-of-turn model."""
        self._hearing.close()
        self._speech.close()
