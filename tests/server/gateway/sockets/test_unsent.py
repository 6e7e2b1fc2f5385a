"""What the network has not taken is counted, in the process and in the system."""

import asyncio
import socket

from server.gateway.sockets.unsent import unsent_bytes


async def test_what_nobody_reads_counts_as_unsent_until_it_is_read() -> None:
    loop = asyncio.get_running_loop()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)
    with listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        transport, _ = await loop.create_connection(asyncio.Protocol, *listener.getsockname())
        peer, _ = listener.accept()
        peer.setblocking(False)
        with peer:
            assert unsent_bytes(transport) == 0
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 256 << 10)
            transport.write(bytes(128 << 10))
            assert transport.get_write_buffer_size() == 0, "the system has taken it all"
            assert 64 << 10 < unsent_bytes(transport) <= 128 << 10
            transport.write(bytes(4 << 20))
            assert unsent_bytes(transport) > 3 << 20
            left_bytes = (4 << 20) + (128 << 10)
            while left_bytes:
                left_bytes -= len(await loop.sock_recv(peer, 1 << 20))
            while unsent_bytes(transport):  # noqa: ASYNC110 - the system tells nobody
                await asyncio.sleep(0.001)
            transport.close()
            assert unsent_bytes(transport) == 0
