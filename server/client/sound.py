"""PortAudio behind plain calls: a microphone that fills a ring and a loudspeaker that empties one.

PortAudio calls back on threads of its own, every 10 ms. All that happens there is that samples move between its
buffers and the rings. `sounddevice`, the optional package that knows PortAudio, is imported when it is needed: its
import fails where PortAudio is missing.
"""

from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, Self

from audio.formats import Samples
from server.client.play_ring import PlayRing
from server.client.sample_ring import SampleRing
from server.domain.clock import Now
from server.domain.errors import ServerError

RATES_HZ = (24_000, 48_000, 44_100, 16_000)
"""What is tried with a device, in this order; the server takes any of them."""

BLOCK_MS = 10
LATENCY_S = 0.04
"""Of each stream, if the device can: with less, a busy machine is heard crackling."""

MICROPHONE_S = 2.0
"""How much of the microphone is kept while nobody can send it; what comes then is lost."""

_LATEST_S = 2.0
"""A loudspeaker that says that it is later than that does not know."""

Kind = Literal["input", "output"]


class SoundError(ServerError):
    """There is no sound to be had; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Device:
    """A microphone or a loudspeaker, and the rate at which it is opened."""

    index: int
    name: str
    rate_hz: int


def load_sounddevice() -> Any:
    """The module. Raises SoundError when it, or PortAudio, is not installed."""
    try:
        return import_module("sounddevice")
    except ImportError:
        raise SoundError(
            "the microphone needs the package sounddevice: run `scripts/setup mic`, "
            "or `pip install 'stageflow-voice[mic]'`"
        ) from None
    except OSError:
        raise SoundError(
            "the microphone needs PortAudio: install it, e.g. with `sudo apt install libportaudio2`"
        ) from None


def list_devices() -> str:
    """All devices, for people: number, name, channels; the default ones are marked. Raises SoundError."""
    return str(load_sounddevice().query_devices()) or "there are no devices"


class Sound:
    """A microphone and a loudspeaker. The rings lie between PortAudio's threads and the event loop."""

    def __init__(self, microphone: Device, speaker: Device, now: Now) -> None:
        self._now = now
        self.microphone = microphone
        self.speaker = speaker
        self.captured = SampleRing(int(microphone.rate_hz * MICROPHONE_S))
        self.playing = PlayRing(speaker.rate_hz)
        self.lost_samples = 0
        """Of the microphone, because nobody took them in time."""
        self.played: SampleRing | None = None
        """All that goes to the loudspeaker, for who has put a ring here and takes it; what does not fit is left out."""
        self._streams: list[Any] = []

    @classmethod
    def open(cls, microphone: str | None, speaker: str | None, now: Now) -> Self:
        """Start devices, given by number or a part of the name, or the default ones.

        `now` is the clock by which `playing` says what was heard; PortAudio's own cannot be read without waiting for
        the sound card. Blocks. Raises SoundError.
        """
        sounddevice = load_sounddevice()
        sound = cls(_find(sounddevice, "input", microphone), _find(sounddevice, "output", speaker), now)
        try:
            sound._start(sounddevice)
        except sounddevice.PortAudioError as error:
            sound.close()
            raise SoundError(f"the sound card does not start: {error}") from error
        return sound

    @property
    def is_running(self) -> bool:
        """Whether both devices are still there."""
        return all(stream.active for stream in self._streams)

    def close(self) -> None:
        """Fall silent and let go of the devices. Blocks for a moment."""
        for stream in self._streams:
            with suppress(Exception):  # a device that is gone cannot be closed either
                stream.abort()
                stream.close()

    def _start(self, sounddevice: Any) -> None:
        for kind, device, callback in (
            (sounddevice.InputStream, self.microphone, self._capture),
            (sounddevice.OutputStream, self.speaker, self._play),
        ):
            stream = kind(
                device=device.index,
                samplerate=device.rate_hz,
                channels=1,  # PortAudio makes one of several, and several of one
                blocksize=device.rate_hz * BLOCK_MS // 1000,
                latency=LATENCY_S,
                dtype="int16",
                callback=callback,
            )
            self._streams.append(stream)
            stream.start()

    # --- on PortAudio's threads -----------------------------------------------------------------------------

    def _capture(self, samples: Samples, count: int, times: Any, status: Any) -> None:
        """`int16[count, 1]` has come."""
        if not self.captured.put(samples[:, 0]):
            self.lost_samples += count

    def _play(self, out: Samples, count: int, times: Any, status: Any) -> None:
        """`int16[count, 1]` is wanted."""
        late_s = times.outputBufferDacTime - times.currentTime
        if not 0 <= late_s <= _LATEST_S:
            late_s = LATENCY_S
        self.playing.read(out[:, 0], self._now() + late_s)
        if self.played is not None:
            self.played.put(out[:, 0])


def _find(sounddevice: Any, kind: Kind, wanted: str | None) -> Device:
    """The device, and the first of the rates that it can do."""
    what = {"input": "microphone", "output": "loudspeaker"}[kind]
    key = int(wanted) if wanted is not None and wanted.isdecimal() else wanted
    try:
        found = sounddevice.query_devices(key, kind)
    except (ValueError, sounddevice.PortAudioError) as error:
        why = f"there is no {what}" if wanted is None else f"there is no {what} {wanted!r} ({error})"
        instead = ", a recording or --text needs none" if wanted is None else ""
        raise SoundError(f"{why}; --list-devices shows what there is{instead}") from error
    check = getattr(sounddevice, f"check_{kind}_settings")
    for rate_hz in RATES_HZ:
        with suppress(sounddevice.PortAudioError):
            check(found["index"], channels=1, dtype="int16", samplerate=rate_hz)
            return Device(found["index"], found["name"], rate_hz)
    rates = ", ".join(map(str, RATES_HZ))
    raise SoundError(
        f"the {what} {found['name']!r} does none of {rates} Hz; choose another by --{kind}-device"
    )
