"""A process that makes a share of a load's calls for a controller: `stageflow-voice load worker`."""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

import anyio
from pydantic import BaseModel, ValidationError
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from server.client.load.calls.run import Run
from server.client.load.calls.runner import Runner
from server.client.load.measuring.jobs import TO_WORKER, Done, Failed, Going, Job, Ready, Start, Stop
from server.domain.errors import ServerError
from server.first_use import set_aside

MOST_BYTES = 1 << 28
"""All that is said in a mix, or all turns of a long run."""
IDLE_S = 300.0
"""A controller from which no job comes for so long is gone, also with its connection open: others may have the
worker."""


@asynccontextmanager
async def worker(
    host: str, port: int, key: str | None, *, idle_s: float = IDLE_S
) -> AsyncIterator[tuple[int, anyio.Event]]:
    """Serve controllers, one at a time, each until it goes or gives no job for `idle_s`.

    Gives the port, and an event that is set when the first has gone.
    """
    gone, lock = anyio.Event(), anyio.Lock()

    def check(connection: ServerConnection, request: Request) -> Response | None:
        told = request.headers.get("Authorization", "")
        if key is not None and not hmac.compare_digest(told.encode(), f"Bearer {key}".encode()):
            return connection.respond(
                HTTPStatus.UNAUTHORIZED, "give the key of this worker with --worker-key\n"
            )
        if lock.statistics().locked:
            return connection.respond(
                HTTPStatus.SERVICE_UNAVAILABLE, "this worker has a controller already\n"
            )
        return None

    async def hold(connection: ServerConnection) -> None:
        async with lock:
            try:
                with suppress(ConnectionClosed, TimeoutError):
                    await _Service(connection, idle_s).serve()
            finally:
                gone.set()

    async with serve(
        hold, host, port, process_request=check, compression=None, max_size=MOST_BYTES, ping_interval=None
    ) as server:
        yield int(next(iter(server.sockets)).getsockname()[1]), gone


class _Service:
    """What a worker does for one controller."""

    def __init__(self, connection: ServerConnection, idle_s: float) -> None:
        self._connection = connection
        self._idle_s = idle_s

    async def serve(self) -> None:
        """One job after another. Raises ConnectionClosed when the controller goes, TimeoutError if nothing comes."""
        while True:
            try:
                message = await self._next()
                if isinstance(message, Job):
                    await self._do(message)
            except (ServerError, ValidationError, ValueError) as error:
                await self._tell(Failed(message=str(error)[:2_000]))

    async def _do(self, job: Job) -> None:
        voicebox = await anyio.to_thread.run_sync(job.voicebox)
        set_aside()
        runner = Runner(job.place(), job.mix, voicebox, job.load, job.seed)
        await self._tell(Ready())
        if not isinstance(await self._next(), Start):
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._report, runner.so_far, tasks.cancel_scope)
            tasks.start_soon(self._until_stopped, tasks.cancel_scope)
            await runner.run()
            tasks.cancel_scope.cancel()
        await self._tell(Done(findings=runner.so_far.findings()))

    async def _next(self) -> Job | Start | Stop:
        with anyio.fail_after(self._idle_s):
            return TO_WORKER.validate_json(await self._connection.recv())

    async def _until_stopped(self, scope: anyio.CancelScope) -> None:
        """The controller says that it is enough, or is gone."""
        with suppress(ConnectionClosed):
            await self._connection.recv()
        scope.cancel()

    async def _report(self, run: Run, scope: anyio.CancelScope) -> None:
        """How it goes, once a second."""
        try:
            while True:
                await anyio.sleep(1.0)
                await self._tell(Going(progress=run.progress()))
        except ConnectionClosed:
            scope.cancel()

    async def _tell(self, message: BaseModel) -> None:
        await self._connection.send(message.model_dump_json())
