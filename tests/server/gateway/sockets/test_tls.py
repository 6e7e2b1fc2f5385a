"""A certificate that is renewed in place is served to whoever comes next, without a restart."""

import asyncio
import hashlib
import shutil
import ssl
from pathlib import Path

import anyio
import anyio.to_thread

from server.gateway.sockets.tls import Certificate
from tests.support.certificate import self_signed


async def seen(port: int) -> str:
    """Which certificate a client is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return hashlib.sha256(shown).hexdigest()


async def test_a_renewed_certificate_is_served_and_one_that_cannot_be_used_is_not(tmp_path: Path) -> None:
    made = await anyio.to_thread.run_sync(self_signed, tmp_path)
    certificate = await anyio.to_thread.run_sync(lambda: Certificate(made.cert_file, made.key_file))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def renewed() -> str:
        await anyio.to_thread.run_sync(certificate.refresh)
        return await seen(port)

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=certificate.context) as server:
        port = server.sockets[0].getsockname()[1]
        first = await seen(port)
        assert await renewed() == first, "nothing has changed"

        other = tmp_path / "other"
        await anyio.Path(other).mkdir()
        new = await anyio.to_thread.run_sync(self_signed, other)
        await anyio.to_thread.run_sync(shutil.copy, new.cert_file, made.cert_file)
        assert await renewed() == first, "its key is not there yet"
        await anyio.to_thread.run_sync(shutil.copy, new.key_file, made.key_file)
        second = await renewed()
        assert second != first

        await anyio.to_thread.run_sync(made.cert_file.unlink)
        assert await renewed() == second, "the last one that could be used stays"
