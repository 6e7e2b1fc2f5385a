"""`stageflow-voice serve`: load the models, listen, and stop: on SIGTERM gracefully, on Ctrl-C at once."""

import argparse
import gc
import logging
import signal
import sys

import anyio

from server.app import ROLES, App, load_providers
from server.config.settings import Settings, load_settings
from server.gateway.binding import try_to_bind


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to listen; everything else is in the environment."""
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default: 8080)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop. Raises ConfigError or ModelFileError before the port is opened."""
    settings = load_settings({"host": arguments.host, "port": arguments.port})
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("websockets").setLevel(logging.WARNING)  # below INFO it prints keys
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
            port = server.sockets[0].getsockname()[1]
            address = f"{settings.listen_host}:{port}"
            s = "s" if settings.tls_cert_file else ""
            for role, name in zip(ROLES, providers.names, strict=True):
                # Here and not in the name, which `/healthz` tells everybody.
                place = f" at {settings.chat_host}" if role == "agent" and settings.uses_chat_model else ""
                _say(f"{role:>10}: {name}{place}")
            if not settings.api_keys:
                _say("no key is configured, so only this machine can connect (STAGEFLOW_VOICE_API_KEYS)")
            _say(f"listening on http{s}://{address}/ and ws{s}://{address}/v1/realtime")
            _say(f"talk to it: open http{s}://{address}/ in a browser")
            key = " --api-key KEY" if settings.api_keys else ""
            _say(f"or try: scripts/talk docs/examples/question.wav{key} --url ws{s}://{address}/v1/realtime")
            await _until_stopped(app, settings.drain_s)
        _say("stopped")


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


def _say(text: str) -> None:
    print(text, flush=True)
