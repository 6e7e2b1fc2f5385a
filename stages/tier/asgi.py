"""One engine of the tier as an ASGI application, for servers of such applications, among them Ray Serve."""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from stages.runtime.worker import worker_statistics
from stages.tier.door import BUSY_CODE, answer, is_let_in
from stages.tier.engine import TierEngine

Scope = MutableMapping[str, Any]
Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

log = logging.getLogger(__name__)


class _Channel:
    """The WebSocket of a scope as a `TierConnection`."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._is_left = False

    async def receive(self) -> str | bytes | None:
        event = await self._receive()
        if event["type"] != "websocket.receive":
            self._is_left = True
            return None
        text: str | None = event.get("text")
        data: bytes | None = event.get("bytes")
        return text if text is not None else data

    async def send(self, message: str | bytes) -> None:
        if self._is_left:
            return
        field = "text" if isinstance(message, str) else "bytes"
        try:
            await self._send({"type": "websocket.send", field: message})
        except (OSError, RuntimeError):
            self._is_left = (
                True  # the servers of applications differ in how they say it; the reader finds out
            )


class EngineApp:
    """WebSocket: a stream of the engine, whatever the path. HTTP: how it does."""

    def __init__(self, engine: TierEngine, key: str | None = None) -> None:
        self._engine = engine
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection, request or life of the application."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._tell(scope["path"], send)
        else:
            await self._converse(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.shutdown":
                await self._engine.close()
                await send({"type": "lifespan.shutdown.complete"})
                return
            await send({"type": "lifespan.startup.complete"})

    async def _tell(self, path: str, send: Send) -> None:
        told = answer(path, {self._engine.choice.kind: self._engine}, worker_statistics())
        headers = [(b"content-type", told.content_type.encode())]
        await send({"type": "http.response.start", "status": told.status, "headers": headers})
        await send({"type": "http.response.body", "body": told.body.encode()})

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        await receive()  # the request to connect
        if not is_let_in(headers.get("authorization"), self._key):
            await send({"type": "websocket.close", "code": 1008, "reason": "the key is wrong"})
            return  # before it is accepted: a refusal by HTTP, 403
        await send({"type": "websocket.accept"})
        engine = self._engine
        if engine.is_full:
            engine.figures.refused += 1
            await send({"type": "websocket.close", "code": BUSY_CODE, "reason": "full"})
            return
        channel = _Channel(receive, send)
        try:
            await engine.serve(channel)
        except Exception:  # one stream's fault, whatever a provider raises, ends that stream and no other
            log.exception("a stream of %s failed", engine.choice.use)
            await send({"type": "websocket.close", "code": 1011, "reason": "failed"})
