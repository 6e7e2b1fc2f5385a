"""A stage that is right, and the same with one fault at a time. Not collected by itself."""

import asyncio
import logging
import re
import socket
import time
from typing import Any

import anyio

from stageflow import LLMPorts, StageContext, StageOutput
from stageflow.testing import create_test_snapshot

KEY = "sk-not-to-be-shown"
SITUATION = {
    "snapshot": create_test_snapshot("Please book a table."),
    "inputs": {"stt": {"text": "Please book a table."}},
    "streams": {"agent": ("A table ", "is booked.")},
    "ports": LLMPorts(llm_provider={"voice": "one"}),
}
log = logging.getLogger("acme")
_kept: list[Any] = []


class Faulty:
    """Says again what it reads, and counts the words that were said."""

    name = "faulty"

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.seen: list[str] = []
        self.text = ""

    def has(self, fault: str) -> bool:
        return self.fault == fault

    async def execute(self, ctx: StageContext) -> Any:
        text = str(ctx.inputs.get_from("stt", "text", default=""))
        if self.has("trusts its inputs"):
            text = ctx.inputs.get("text").lower()
        if self.has("trusts its ports"):
            text = ctx.ports.llm_provider["voice"]
        self.misbehaves()
        self.chokes_on(text)
        await self.waits()
        if self.has("keeps the text on itself"):
            self.text = text
            await anyio.sleep(0.05)
            text = self.text
        if self.has("remembers the runs before"):
            self.seen.append(text)
            text = " ".join(self.seen)
        async for token in ctx.inputs.stream("agent"):
            await ctx.stream.send(token)
        return self.given(ctx, text)

    async def waits(self) -> None:
        if self.has("waits for ever"):
            await anyio.sleep_forever()
        if self.has("shields itself"):
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.1)
        try:
            await anyio.sleep(0.003)
        except asyncio.CancelledError:
            if self.has("goes on after it is cancelled"):
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.1)
            raise

    def misbehaves(self) -> None:
        if self.has("blocks the loop"):
            time.sleep(0.02)  # noqa: TID251  # that is the fault
        if self.has("computes on the loop"):
            until = time.thread_time() + 0.02  # of its own: the kit does not count what others had
            while time.thread_time() < until:
                pass
        if self.has("leaves a task"):
            _kept.append(asyncio.get_running_loop().create_task(asyncio.sleep(60)))
        if self.has("leaves a socket"):
            _kept.append(socket.socketpair())
        if self.has("logs its key"):
            log.warning("asked with %s", KEY)

    def chokes_on(self, text: str) -> None:
        if self.has("wants a word"):
            text.split()[0]
        if self.has("cannot take other scripts"):
            text.encode("latin-1")
        if self.has("cannot take NUL") and "\0" in text:
            raise ValueError("a NUL")
        if self.has("fails with long texts") and len(text) > 10_000:
            raise ValueError("too long")
        if self.has("raises what its parser raises"):
            re.fullmatch(r"[\w .,-]*", text).group()  # type: ignore[union-attr]
        if self.has("shows its key in an error") and not text:
            raise ValueError(f"nothing to ask {KEY}")

    def given(self, ctx: StageContext, text: str) -> Any:
        if self.has("returns a number"):
            return 7
        if self.has("returns what it shows"):
            return {"words": len(text.split()), "asked_with": KEY}
        if self.has("tells of objects"):
            ctx.emit_event("looked", {"by": {"who": object}})
        if self.has("tells of bytes"):
            ctx.add_artifact("sound", b"\0\0")
        if self.has("tells its key"):
            ctx.emit_event("looked", {"key": KEY})
        if self.has("tells something after its end"):
            asyncio.get_running_loop().call_later(0.01, ctx.emit_event, "late", {})
        return StageOutput.ok(words=len(text.split()), text=text)


FAULTS = (
    "trusts its inputs", "trusts its ports", "keeps the text on itself", "remembers the runs before", "waits for ever",
    "shields itself", "goes on after it is cancelled", "blocks the loop", "computes on the loop", "leaves a task",
    "leaves a socket", "logs its key", "wants a word", "cannot take other scripts", "cannot take NUL",
    "fails with long texts", "raises what its parser raises", "shows its key in an error", "returns a number",
    "returns what it shows", "tells of objects", "tells of bytes", "tells its key", "tells something after its end",
)  # fmt: skip
"""Each a mutant."""
