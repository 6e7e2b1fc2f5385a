"""The process of a server, from its start to its end: on SIGTERM it stops gracefully, on Ctrl-C at once.

SIGHUP reads the configuration and the certificate's files again: new sessions use what is right in them. SIGUSR1 and
SIGUSR2 do nothing. None of them touches a call. What is printed may go nowhere (its reader is gone, the disk is full):
nothing else depends on it.
"""

import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from server.config.configuration import Configuration
from server.config.languages import PHRASES
from server.config.model_variables import adopt_model_variables
from server.config.providers import ROLES, Providers
from server.config.settings import Settings
from server.first_use import give_memory_back, pause_collector, set_aside
from server.gateway.sockets.binding import in_url, try_to_bind
from server.process.listening_server import serving
from server.process.reloading import ReadConfiguration, Reloading
from server.process.ways_in import page_url, talk_command
from server.telemetry.line_writer import LineWriter
from server.telemetry.logs import log_to

if TYPE_CHECKING:
    from server.app import App

log = logging.getLogger(__name__)

_HARMLESS = [getattr(signal, name) for name in ("SIGHUP", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)]
"""Signals that end a process which does not expect them; not every system has them."""

Greet = Callable[[Settings, int], None]
"""Says how to get in, at the port that is open. May block."""

OUTPUT = LineWriter()
"""What the process prints, and its log."""

_say = OUTPUT.say


def serve(configure: ReadConfiguration, greet: Greet | None = None) -> None:
    """Serve until told to stop; `greet` is told the port once it is open, and says how to get in.

    Raises ConfigError or ModelFileError before that.
    """
    pause_collector()
    try:
        _configure_and_serve(configure, greet or _say_ways_in)
    finally:
        gc.enable()  # a start that failed has not done so


def _configure_and_serve(configure: ReadConfiguration, greet: Greet) -> None:
    configuration = configure()
    settings = configuration.settings
    adopt_model_variables()
    for number in _HARMLESS:  # until there is somebody to receive them
        signal.signal(number, signal.SIG_IGN)
    with OUTPUT:
        personal, secrets = settings.log_personal, configuration.secrets()
        log_to(OUTPUT.log, settings.log_level, settings.log_format, personal=personal, secrets=secrets)
        options: dict[str, Any] = {"use_uvloop": sys.platform != "win32"}
        if settings.record.dir is not None:
            from server.journal.loops import FollowedLoop

            options = {"loop_factory": FollowedLoop}
        anyio.run(_serve, configuration, configure, greet, backend_options=options)


def _say_ways_in(settings: Settings, port: int) -> None:
    _say(f"talk to it: open {page_url(settings, port)} in a browser")
    _say(f"or try: {talk_command(settings, port)}")


async def _serve(configuration: Configuration, configure: ReadConfiguration, greet: Greet) -> None:
    settings = configuration.settings
    give_memory_back()
    await try_to_bind(settings.listen_host, settings.port)
    async with serving(configuration, _say) as listening:
        app = listening.app
        set_aside()
        with (
            anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as stops,
            anyio.open_signal_receiver(*_HARMLESS) as others,
        ):
            # What is said here invites signals, so the receivers are open by now.
            _introduce(settings, listening.providers, listening.port)
            await anyio.to_thread.run_sync(greet, settings, listening.port)
            async with anyio.create_task_group() as tasks, AsyncExitStack() as loaded:
                from server.gateway.page.web_pages import files  # imported by now; it was not when this began

                tasks.start_soon(app.watch)
                tasks.start_soon(anyio.to_thread.run_sync, files)
                tasks.start_soon(_heed_signals, others, app, Reloading(listening, configure, loaded))
                if app.certificate is not None:
                    tasks.start_soon(app.certificate.keep)
                await _until_stopped(stops, app, settings.drain_s)
                tasks.cancel_scope.cancel()
    _say("stopped")


def _introduce(settings: Settings, providers: Providers, port: int) -> None:
    address = f"{in_url(settings.listen_host)}:{port}"
    s = "s" if settings.tls_cert_file else ""
    for role, name in zip(ROLES.values(), providers.names, strict=True):
        # Here and not in the name, which `/healthz` tells everybody.
        place = f" at {settings.chat_host}" if role == "agent" and settings.uses_chat_model else ""
        _say(f"{role:>10}: {name}{place}")
    if unspoken := foreign_to(providers.model, settings.language):
        _say(
            f"the agent does not speak {unspoken}: choose a chat model by OPENAI_MODEL, or STAGEFLOW_VOICE_LLM=local"
        )
    if not settings.api_keys:
        _say("no key is configured, so only this machine can connect (STAGEFLOW_VOICE_API_KEYS)")
    _say(f"listening on http{s}://{address}/ and ws{s}://{address}/v1/realtime")


async def _heed_signals(signals: AsyncIterator[signal.Signals], app: "App", reloading: Reloading) -> None:
    """Those that are no reason to stop. Returns only when cancelled."""
    async for number in signals:
        name = signal.Signals(number).name
        if name != "SIGHUP":
            log.info("%s: nothing changes", name)
            continue
        await reloading.reload()  # which tells of it
        if app.certificate is not None:
            await anyio.to_thread.run_sync(app.certificate.refresh)


async def _until_stopped(signals: AsyncIterator[signal.Signals], app: "App", drain_s: float) -> None:
    """Wait for a signal, and after SIGTERM for the sessions too, unless another signal comes."""
    if await anext(signals) is signal.SIGINT:
        return
    _say(f"stopping: no more sessions are taken, those that run have {drain_s:g} s")
    async with anyio.create_task_group() as tasks:

        async def drain() -> None:
            await app.drain()
            tasks.cancel_scope.cancel()

        tasks.start_soon(drain)
        await anext(signals)
        tasks.cancel_scope.cancel()


def foreign_to(model: object, languages: Iterable[str]) -> str:
    """The names of those that the model says it does not speak; the scripted agent speaks English alone."""
    spoken = getattr(getattr(model, "capabilities", None), "languages", ("*",))
    return "" if "*" in spoken else " or ".join(PHRASES[one].name for one in languages if one not in spoken)
