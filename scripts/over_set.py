"""What people say while somebody speaks to them: hums, words of agreement, words that want silence, and questions.

Spoken by Kokoro's and Pico's English voices, none of which had a part in the choice of any figure of the recogniser; no
collection of Debian's holds a hum. Kept in the cache, because Kokoro takes a second for each.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anyio
import numpy as np
import soundfile
import soxr

from audio.formats import Samples
from audio.levels import loud_dbfs, quantise
from stages.ports import Synthesiser
from stages.providers.kokoro.voice import KokoroVoice
from stages.providers.kokoro.voices import LANGUAGES
from stages.providers.pico.voice import PicoSettings, PicoVoice
from stages.runtime.models import model_dir
from tests.support.echo_room import HZ

HUM, AGREES, STOP, WORDS = "hum", "agrees", "stop", "words"
TEXTS = {
    HUM: ("Mhm.", "Mm-hmm.", "Uh-huh.", "Hmm.", "Aha.", "Oh."),
    AGREES: ("Yeah.", "Okay.", "Right.", "I see.", "Sure.", "Got it."),
    STOP: ("Stop.", "Wait.", "No.", "Hold on.", "Stop it.", "Wait a moment.", "No, no.", "Quiet, please."),
    WORDS: ("Which doctor speaks Spanish?", "And on Sunday?", "What about parking?", "Tomorrow.", "Eight."),
}
VOICES = (
    "af_bella", "af_nicole", "af_kore", "am_fenrir", "am_puck", "bf_alice", "bm_daniel",
    "af_sarah", "af_sky", "am_adam", "am_onyx", "bf_lily", "bm_lewis",
)  # fmt: skip
LOUD_DBFS = -22.0
"""As loud as somebody near the microphone is."""


@dataclass(frozen=True)
class Sound:
    """One of them: of its kind, whose it is, and its samples of 24 kHz, which begin and end with voice."""

    kind: str
    text: str
    voice: str
    samples: Samples


def sounds() -> list[Sound]:
    """All of them; spoken at the first time."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stageflow-voice" / "over-set"
    wanted = [
        (kind, text, voice) for voice in ("Pico", *VOICES) for kind, texts in TEXTS.items() for text in texts
    ]
    files = {one: folder / f"{one[2]}-{''.join(filter(str.isalpha, one[1]))}.wav" for one in wanted}
    missing = [one for one in wanted if not files[one].exists()]
    if missing:
        folder.mkdir(parents=True, exist_ok=True)
        for one, samples in _spoken(missing):
            soundfile.write(files[one], samples, HZ, subtype="PCM_16")
    return [Sound(*one, soundfile.read(files[one], dtype="int16")[0]) for one in wanted]


def _spoken(missing: list[tuple[str, str, str]]) -> Iterator[tuple[tuple[str, str, str], Samples]]:
    kokoro = KokoroVoice.load(model_dir("kokoro"), {"en": LANGUAGES["en"]})
    pico = PicoVoice.from_settings(PicoSettings(language=("en",)))
    for one in missing:
        _, text, name = one
        is_pico = name == "Pico"
        yield one, _level(anyio.run(_say, pico if is_pico else kokoro, None if is_pico else name, text))
    kokoro.close()
    pico.close()


async def _say(voice: Synthesiser, name: str | None, text: str) -> Samples:
    spoken = np.concatenate([speech.samples async for speech in voice.stream(text, voice=name)])
    return quantise(soxr.resample(spoken.astype(np.float64), voice.rate_hz, HZ))


def _level(samples: Samples) -> Samples:
    """The voice alone, from 40 dB below its loudest on, at the level of all others."""
    loud = np.flatnonzero(np.abs(samples) > np.abs(samples).max() / 100)
    voiced = samples[loud[0] : loud[-1] + 1].astype(np.float64)
    return quantise(voiced * 10 ** ((LOUD_DBFS - loud_dbfs(quantise(voiced), HZ // 50)) / 20))


if __name__ == "__main__":
    print(len(sounds()), "sounds")
