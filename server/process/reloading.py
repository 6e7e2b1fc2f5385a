"""Reads the configuration again while the server runs: new sessions use it if it is right, running ones go on."""

import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import anyio.to_thread

from server.config.configuration import Configuration
from server.config.providers import load_providers
from server.domain.errors import ServerError
from server.process.listening_server import ListeningServer
from stages.errors import StagesError

log = logging.getLogger(__name__)

ReadConfiguration = Callable[[], Configuration]
"""Reads the configuration: at the start, and again at each SIGHUP."""

FIXED = frozenset(
    {"host", "port", "api_keys", "allowed_origins", "tls_cert_file", "tls_key_file", "quotas", "log_level"}
)
"""Settings of the open port, which take a restart."""


class Reloading:
    """The configuration of a running server, and how it is read anew."""

    def __init__(
        self, listening: ListeningServer, configure: ReadConfiguration, loaded: AsyncExitStack
    ) -> None:
        """What is loaded anew is closed with `loaded`: sessions may use it until then."""
        self._app = listening.app
        self._current = listening.configuration
        self._providers = listening.providers
        self._configure = configure
        self._loaded = loaded

    async def reload(self) -> bool:
        """Whether new sessions use what is configured now. What is wrong is told in the log, and changes nothing."""
        try:
            new = await anyio.to_thread.run_sync(self._configure)
            providers = self._providers
            if _providers_of(new) != _providers_of(self._current):
                providers = await self._loaded.enter_async_context(
                    load_providers(new.settings, log.info, new.choice, new.models)
                )
                providers = replace(providers, operator_tools=self._providers.operator_tools)
            await self._app.take(new.settings, providers, new.crew)
        except (ServerError, StagesError) as error:
            log.error("the configuration stays as it was: %s", error)
            return False
        before, after = self._current.settings, new.settings
        if fixed := [name for name in sorted(FIXED) if getattr(before, name) != getattr(after, name)]:
            log.warning("%s: takes a restart to change", ", ".join(fixed))
        if new.crew.servers != self._current.crew.servers:
            log.warning("tools.servers: takes a restart to change")
        self._current, self._providers = new, providers
        log.info("new sessions use the configuration as it is now")
        return True


def _providers_of(configuration: Configuration) -> object:
    chosen = {
        kind: [(part.provider, part.settings) for part in one.parts]
        for kind, one in configuration.choice.providers.items()
    }
    return chosen, dict(configuration.choice.given), list(configuration.models.items())
