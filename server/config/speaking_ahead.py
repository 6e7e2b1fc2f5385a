"""What the server says when a provider is late or fails, spoken at the start: then it must not depend on a provider."""

import logging
from collections.abc import Iterable, Mapping

from server.config.languages import PHRASES
from server.config.providers import Providers
from server.config.settings import Settings
from server.response.prepared import Prepared, prepare
from stages.errors import ProviderError
from stages.runtime.plug_in_loops import path_of

log = logging.getLogger(__name__)

PREPARE_S = 20.0
"""How long the voice may take for each sentence."""


def own_words(settings: Settings) -> tuple[str, ...]:
    """All that is said without a model."""
    phrases = [PHRASES[code] for code in settings.language]
    return (*(one.apology for one in phrases), *(one.filler for one in phrases))


async def spoken_ahead(providers: Providers, texts: Iterable[str]) -> Mapping[str, Prepared]:
    """The texts, spoken; none of them where the voice cannot do that, of which the log tells."""
    try:
        async with providers.of_session() as opened:
            return await prepare(opened.voice, texts, PREPARE_S)
    except (ProviderError, TimeoutError) as error:
        log.warning("the voice could not speak ahead, and does so when asked: %s", error)
    except Exception as error:  # somebody else's: what it raises must not end the server
        log.warning("the voice %s raises what is no ProviderError", path_of(providers.voice), exc_info=error)
    return {}
