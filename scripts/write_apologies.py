"""Writes the clips of `server/config/spoken`: the apology of each language, by the voices that come with the server."""

import sys
import wave
from pathlib import Path

import anyio
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from audio.resample import Resampler
from server.config.languages import PHRASES, parts_of
from server.config.speaking_ahead import SPOKEN, SPOKEN_HZ
from server.response.prepared import prepare
from stages.chunks import decode_chunk
from stages.providers.configured import configure
from stages.providers.registry import find_provider


async def main() -> None:
    for code, phrases in PHRASES.items():
        name = "embedded" if code == "en" else parts_of([code])["tts"]
        table = {} if code == "en" else {"language": code}
        configured, faults = configure(find_provider("tts", name), table, {})
        assert configured is not None, faults
        voice = configured.make()
        prepared = (await prepare(voice, [phrases.apology], 60.0))[phrases.apology]
        samples, rate_hz = decode_chunk(prepared.data, prepared.format)
        clip = Resampler(rate_hz, SPOKEN_HZ).process(samples, last=True)
        with wave.open(str(SPOKEN / f"{code}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SPOKEN_HZ)
            file.writeframes(np.asarray(clip, "<i2").tobytes())
        print(code, f"{len(clip) / SPOKEN_HZ:.1f} s")


anyio.run(main)
