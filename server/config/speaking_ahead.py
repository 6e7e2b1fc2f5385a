"""What the server says when a provider is late or fails, spoken at the start: then it must not depend on a provider.

Where the voice does not speak then, the apology is a clip that comes with the server, in another voice: a caller hears
that something is wrong, and not silence. `scripts/write_apologies.py` writes the clips.
"""

import logging
import wave
from collections.abc import Iterable, Mapping
from pathlib import Path

import anyio.to_thread

from audio.formats import samples_to_ms
from server.config.languages import PHRASES
from server.config.providers import Providers
from server.config.settings import Settings
from server.response.prepared import Prepared, prepare
from stages.chunks import pcm16
from stages.errors import ProviderError
from stages.runtime.plug_in_loops import path_of

log = logging.getLogger(__name__)

PREPARE_S = 20.0
"""How long the voice may take for each sentence."""

SPOKEN = Path(__file__).with_name("spoken")
"""Where the clips are, by language."""
SPOKEN_HZ = 8000


def own_words(settings: Settings) -> tuple[str, ...]:
    """All that is said without a model."""
    phrases = [PHRASES[code] for code in settings.language]
    return (*(one.apology for one in phrases), *(one.filler for one in phrases))


async def spoken_ahead(providers: Providers, texts: Iterable[str]) -> Mapping[str, Prepared]:
    """The texts, spoken; where the voice cannot do that, of which the log tells, the apologies among them."""
    texts = tuple(texts)
    try:
        async with providers.of_session() as opened:
            return await prepare(opened.voice, texts, PREPARE_S)
    except (ProviderError, TimeoutError) as error:
        log.warning("the voice could not speak ahead; its apology is another one's: %s", error)
    except Exception as error:  # somebody else's: what it raises must not end the server
        log.warning("the voice %s raises what is no ProviderError", path_of(providers.voice), exc_info=error)
    return await anyio.to_thread.run_sync(_clips, texts)


def _clips(texts: Iterable[str]) -> Mapping[str, Prepared]:
    """Those of the texts that come with the server as clips. Reads files."""
    codes = {phrases.apology: code for code, phrases in PHRASES.items()}
    found = {}
    for text in texts:
        path = SPOKEN / f"{codes.get(text, '')}.wav"
        if path.is_file():
            with wave.open(str(path)) as file:
                data, samples = file.readframes(file.getnframes()), file.getnframes()
            found[text] = Prepared(text, data, pcm16(SPOKEN_HZ), samples_to_ms(samples, SPOKEN_HZ), ())
    return found
