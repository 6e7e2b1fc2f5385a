"""Several processes under one controller, here or on other machines: their shares of a load, and what they found."""

import os
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from server.client.load.calls.audit import Audit
from server.client.load.calls.run import Findings, Progress, Watch
from server.client.load.measuring.jobs import FROM_WORKER, Done, Failed, Going, Job, Ready, Start, Stop
from server.client.load.measuring.worker import MOST_BYTES
from server.domain.errors import ServerError

KEY_VARIABLE = "STAGEFLOW_VOICE_LOAD_KEY"
_START_S = 30.0
_END_S = 10.0
"""What a process has found is waited for so long after it was told to stop."""
_SILENT_S = 60.0
"""A worker tells each second how it goes. One that tells nothing for so long is gone, also with its connection open."""

_LISTENS = "listening on "


class WorkerError(ServerError):
    """A worker cannot be had, or cannot do its job; the message names it."""


class Fleet:
    """Workers that are connected. One load at a time."""

    def __init__(
        self, workers: dict[str, ClientConnection], *, silent_s: float = _SILENT_S, end_s: float = _END_S
    ) -> None:
        """By the names that are shown. A worker is given up that tells nothing for `silent_s`, or that does not tell
        within `end_s` of being stopped what it has found."""
        self._workers = workers
        self._silent_s, self._end_s = silent_s, end_s
        self._progress: dict[str, Progress] = {}
        self._found: dict[str, Findings] = {}

    @property
    def findings(self) -> Findings:
        """Of the last load; a worker that is gone has no part in it, and is a fault."""
        return Findings.of_all(list(self._found.values()))

    async def run(self, job: Job, watch: Watch) -> None:
        """A load, each with its share; a cancelled one ends with what has been found. Raises WorkerError."""
        self._progress, self._found = {}, {}
        names = list(self._workers)
        for number, name in enumerate(names):
            share = job.model_copy(update={"load": replace(job.load, share=(number, len(names)))})
            await self._tell(name, share)
        for name in names:
            await self._expect_ready(name)
        for name in names:
            await self._tell(name, Start())
        try:
            async with anyio.create_task_group() as tasks:
                for name in names:
                    tasks.start_soon(self._follow, name, watch)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True), anyio.move_on_after(self._end_s):
                await self._stop()
            for name in self._workers.keys() - self._found.keys():
                self._give_up(name, f"it said nothing for {self._end_s:g} s after it was told to stop")
            raise

    async def _tell(self, name: str, message: Job | Start) -> None:
        try:
            await self._workers[name].send(message.model_dump_json())
        except ConnectionClosed as error:
            raise WorkerError(f"the worker {name} is gone: {error}") from error

    async def _expect_ready(self, name: str) -> None:
        try:
            with anyio.fail_after(_START_S):
                message = FROM_WORKER.validate_json(await self._workers[name].recv())
        except (ConnectionClosed, TimeoutError, ValueError) as error:
            raise WorkerError(f"the worker {name} does not answer: {error}") from error
        if not isinstance(message, Ready):
            told = message.message if isinstance(message, Failed) else message.type
            raise WorkerError(f"the worker {name} cannot do this: {told}")

    async def _stop(self) -> None:
        async with anyio.create_task_group() as tasks:
            for name in self._workers.keys() - self._found.keys():
                with suppress(ConnectionClosed):
                    await self._workers[name].send(Stop().model_dump_json())
                tasks.start_soon(self._follow, name, lambda _: None)

    async def _follow(self, name: str, watch: Watch) -> None:
        """Until the worker is done."""
        try:
            while name not in self._found:
                with anyio.fail_after(self._silent_s):
                    message = FROM_WORKER.validate_json(await self._workers[name].recv())
                if isinstance(message, Going):
                    self._note(name, message.progress, watch)
                elif isinstance(message, Done):
                    self._found[name] = message.findings
                elif isinstance(message, Failed):
                    self._give_up(name, message.message)
        except TimeoutError:
            self._give_up(name, f"it said nothing for {self._silent_s:g} s")
        except (ConnectionClosed, ValueError) as error:
            self._give_up(name, str(error))

    def _give_up(self, name: str, why: str) -> None:
        fault = f"the worker {name} is gone, and what it found with it: {why}"
        self._found[name] = Findings([], 0.0, Audit.of_all([]), (fault,))

    def _note(self, name: str, progress: Progress, watch: Watch) -> None:
        self._progress[name] = progress
        if name == next(iter(self._workers)):
            watch(Progress.of_all(list(self._progress.values())))


@asynccontextmanager
async def connected(addresses: Sequence[str], key: str | None) -> AsyncIterator[Fleet]:
    """Workers that there are already, as `host:port`. Raises WorkerError."""
    async with AsyncExitStack() as stack:
        workers: dict[str, ClientConnection] = {}
        for address in addresses:
            headers = {"Authorization": f"Bearer {key}"} if key else None
            try:
                opened = connect(
                    f"ws://{address}/",
                    additional_headers=headers,
                    compression=None,
                    max_size=MOST_BYTES,
                    ping_interval=None,
                )
                workers[address] = await stack.enter_async_context(opened)
            except InvalidStatus as error:
                raise WorkerError(
                    f"the worker {address} refuses: {error.response.body.decode().strip()}"
                ) from error
            except (OSError, ValueError, WebSocketException) as error:
                start = "start one with `stageflow-voice load worker --listen HOST:PORT`"
                raise WorkerError(f"no worker at {address} ({error}); {start}") from error
        yield Fleet(workers)


@asynccontextmanager
async def spawned(processes: int) -> AsyncIterator[Fleet]:
    """So many workers on this machine, which end with this one. Raises WorkerError."""
    key = secrets.token_hex(16)
    command = [sys.executable, "-m", "server", "load", "worker", "--listen", "127.0.0.1:0", "--once"]
    async with AsyncExitStack() as stack:
        addresses = []
        for _ in range(processes):
            environment = {**os.environ, KEY_VARIABLE: key}
            # A session of its own: Ctrl-C is for the controller, which asks them to end.
            process = await anyio.open_process(command, env=environment, stderr=None, start_new_session=True)
            stack.push_async_callback(_end, process)
            addresses.append(process)
        found = [await _address(process) for process in addresses]
        yield await stack.enter_async_context(connected(found, key))


async def _address(process: anyio.abc.Process) -> str:
    """Where a worker says that it listens."""
    said = b""
    with anyio.move_on_after(_START_S):
        while b"\n" not in said and process.stdout is not None:
            try:
                said += await process.stdout.receive()
            except anyio.EndOfStream:
                break
    line = said.decode(errors="replace").strip()
    if not line.startswith(_LISTENS):
        raise WorkerError(f"a process of this machine did not begin: {line or 'it said nothing'}")
    return line.removeprefix(_LISTENS)


async def _end(process: anyio.abc.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    with anyio.CancelScope(shield=True):
        await process.aclose()
