"""Where the server listens: whether it can, and in words what is in the way."""

import asyncio
import errno
import socket

from server.domain.errors import ConfigError

_HOST, _PORT = "STAGEFLOW_VOICE_HOST (or --host)", "STAGEFLOW_VOICE_PORT (or --port)"


def in_url(host: str) -> str:
    """The host as an address on the web has it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


async def try_to_bind(host: str, port: int) -> None:
    """Listen for a moment. Raises ConfigError: better now than after the models have been loaded."""
    try:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
    except (OSError, UnicodeError) as error:
        raise cannot_bind(host, port, error) from error
    server.close()
    await server.wait_closed()


def cannot_bind(host: str, port: int, error: OSError | UnicodeError) -> ConfigError:
    """Why one cannot listen there, and what to do about it."""
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EADDRINUSE:
        why = f"something listens there already: stop it, or set {_PORT} to another port"
    elif number in (errno.EACCES, errno.EPERM):
        why = f"that is not allowed: set {_PORT} to one above 1023"
    elif number == errno.EADDRNOTAVAIL:
        why = f"this machine has no such address: set {_HOST} to one of its own, to 127.0.0.1, or to 0.0.0.0 for all"
    elif isinstance(error, (socket.gaierror, UnicodeError)):
        why = (
            f"there is no such host: set {_HOST} to an address of this machine, or to 0.0.0.0 for all of them"
        )
    else:
        why = str(error)
    return ConfigError(f"cannot listen on {host}, port {port}: {why}")
