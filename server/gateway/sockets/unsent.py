"""How much of what was sent still waits for the network: in the process, and in the system's buffer of the socket."""

import asyncio
import socket
import struct
import sys

if sys.platform != "win32":  # which does not tell
    from fcntl import ioctl
    from termios import TIOCOUTQ

_INT = struct.Struct("i")


def unsent_bytes(transport: asyncio.WriteTransport) -> int:
    """Bytes that were written and that the other side has not acknowledged, as far as the system tells."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    return transport.get_write_buffer_size() + (0 if sock is None else _queued_bytes(sock))


def _queued_bytes(sock: socket.socket) -> int:
    if sys.platform == "win32":
        return 0
    try:
        (queued,) = _INT.unpack(ioctl(sock.fileno(), TIOCOUTQ, bytes(_INT.size)))
    except (OSError, ValueError):  # closed, or no socket of this kind
        return 0
    return int(queued)
