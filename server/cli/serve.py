"""`stageflow-voice serve`: load the models, listen, and stop: on SIGTERM gracefully, on Ctrl-C at once.

SIGHUP looks at the certificate's files at once; SIGUSR1 and SIGUSR2 do nothing. None of them touches a call. What is
printed may go nowhere (its reader is gone, the disk is full): nothing else depends on it.
"""

import argparse
import gc
import logging
import signal
import sys

import anyio
import anyio.to_thread

from server.app import App
from server.config.model_variables import adopt_model_variables
from server.config.providers import ROLES, Providers, load_providers
from server.config.settings import Settings, load_settings
from server.gateway.binding import in_url, try_to_bind
from server.gateway.tls import Certificate
from server.telemetry.line_writer import LineWriter
from server.telemetry.logs import log_to

log = logging.getLogger(__name__)

_HARMLESS = [getattr(signal, name) for name in ("SIGHUP", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)]
"""Signals that end a process which does not expect them; not every system has them."""

_OUTPUT = LineWriter()
_say = _OUTPUT.say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to listen; everything else is in the environment."""
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default: 8080)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop. Raises ConfigError or ModelFileError before the port is opened."""
    settings = load_settings({"host": arguments.host, "port": arguments.port})
    adopt_model_variables()
    for number in _HARMLESS:  # until there is somebody to receive them
        signal.signal(number, signal.SIG_IGN)
    with _OUTPUT:
        personal, secrets = settings.log_personal, settings.secrets()
        log_to(_OUTPUT.log, settings.log_level, settings.log_format, personal=personal, secrets=secrets)
        anyio.run(_serve, settings, backend_options={"use_uvloop": sys.platform != "win32"})
    return 0


async def _serve(settings: Settings) -> None:
    await try_to_bind(settings.listen_host, settings.port)
    async with load_providers(settings, _say) as providers:
        app = App(settings, providers)
        async with app.listening() as server:
            # What has been loaded stays: to go through it again would take each full collection 20 ms.
            gc.collect()
            gc.freeze()
            _introduce(settings, providers, server.sockets[0].getsockname()[1])
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(app.watch)
                tasks.start_soon(_heed_signals, app.certificate)
                if app.certificate is not None:
                    tasks.start_soon(app.certificate.keep)
                await _until_stopped(app, settings.drain_s)
                tasks.cancel_scope.cancel()
        _say("stopped")


def _introduce(settings: Settings, providers: Providers, port: int) -> None:
    address = f"{in_url(settings.listen_host)}:{port}"
    s = "s" if settings.tls_cert_file else ""
    for role, name in zip(ROLES.values(), providers.names, strict=True):
        # Here and not in the name, which `/healthz` tells everybody.
        place = f" at {settings.chat_host}" if role == "agent" and settings.uses_chat_model else ""
        _say(f"{role:>10}: {name}{place}")
    if not settings.api_keys:
        _say("no key is configured, so only this machine can connect (STAGEFLOW_VOICE_API_KEYS)")
    _say(f"listening on http{s}://{address}/ and ws{s}://{address}/v1/realtime")
    _say(f"talk to it: open http{s}://{address}/ in a browser")
    key = " --api-key KEY" if settings.api_keys else ""
    _say(f"or try: scripts/talk docs/examples/question.wav{key} --url ws{s}://{address}/v1/realtime")


async def _heed_signals(certificate: Certificate | None) -> None:
    """Those that are no reason to stop. Returns only when cancelled."""
    if not _HARMLESS:
        return
    with anyio.open_signal_receiver(*_HARMLESS) as signals:
        async for number in signals:
            log.info("%s: nothing of a call changes", signal.Signals(number).name)
            if number == _HARMLESS[0] and certificate is not None:
                await anyio.to_thread.run_sync(certificate.refresh)


async def _until_stopped(app: App, drain_s: float) -> None:
    """Wait for a signal, and after SIGTERM for the sessions too, unless another signal comes."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
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
