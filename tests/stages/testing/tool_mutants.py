"""Two tools that are right, and with one fault at a time. Not collected by itself."""

import logging
import socket
import time
from asyncio import get_running_loop
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import anyio

from stageflow.tools import Tool
from tests.stages.testing.mutants import KEY

log = logging.getLogger("acme")
CALLS: Mapping[str, Mapping[str, object]] = {"in_stock": {"what": "shoes"}, "town": {}}
FAULTS = (
    "has a name with a space",
    "does not say what it is for",
    "is there twice",
    "is not there at all",
    "has a schema that is no JSON",
    "takes what is no object",
    "requires what it does not describe",
    "fails at once",
    "fails the second time",
    "fails when two call",
    "gives what no model can read",
    "says nothing",
    "blocks",
    "leaves a task",
    "leaves a socket",
    "logs its key",
    "says its key",
    "shows its key in an error",
    "takes any arguments",
    "fails where arguments lack",
    "swallows its cancellation",
    "goes on after it is cancelled",
    "hangs where there is much",
)
_kept: list[Any] = []


class Shop:
    """How many of an article there are, and where."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.calls = self.under_way = 0

    def has(self, fault: str) -> bool:
        return self.fault == fault

    def tools(self) -> Sequence[Tool]:
        stock, town = Tool.of(self.in_stock, effect="none", timeout_s=2.0), Tool.of(self.town, effect="none")
        one_string = {"type": "string"}
        other: dict[str, dict[str, Any]] = {
            "has a name with a space": {"name": "in stock"},
            "does not say what it is for": {"description": " "},
            "is there twice": {"name": "town"},
            "has a schema that is no JSON": {"parameters": {"type": "object", "properties": {"what": Shop}}},
            "takes what is no object": {"parameters": one_string},
            "requires what it does not describe": {
                "parameters": {"type": "object", "properties": {}, "required": ["what"]}
            },
            "takes any arguments": {"function": self.anything, "validate": None},
            "fails where arguments lack": {"validate": None},
        }
        tools = (replace(stock, **other.get(self.fault, {})), town)
        return () if self.has("is not there at all") else tools

    async def anything(self, **what: object) -> Any:
        return await self.in_stock("anything")

    async def town(self) -> str:
        """Where the shop is."""
        return "Lisbon"

    async def in_stock(self, what: str) -> Any:
        """How many of an article there are."""
        self.calls += 1
        self.under_way += 1
        try:
            self._misbehave()
            await self._asked(what)
            if self.has("fails when two call") and self.under_way > 1:
                raise RuntimeError("busy")
        finally:
            self.under_way -= 1
        odd = {"gives what no model can read": self, "says nothing": " ", "says its key": f"7, by {KEY}"}
        return odd.get(self.fault, f"7 {what[:20]}")

    def _misbehave(self) -> None:
        if self.has("fails at once") or (self.has("fails the second time") and self.calls > 1):
            raise RuntimeError("no stock")
        if self.has("shows its key in an error"):
            raise RuntimeError(f"refused {KEY}")
        if self.has("logs its key"):
            log.info("asked with %s", KEY)
        if self.has("leaves a socket"):
            _kept.append(socket.socket())
        if self.has("leaves a task"):
            _kept.append(get_running_loop().create_task(anyio.sleep(3600), name="for ever"))
        end = time.thread_time() + (0.02 if self.has("blocks") else 0)
        while time.thread_time() < end:
            pass

    async def _asked(self, what: str) -> None:
        try:
            await anyio.sleep(3600 if self.has("hangs where there is much") and len(what) > 1000 else 0.012)
        except anyio.get_cancelled_exc_class():
            if self.has("goes on after it is cancelled"):
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.1)
            if not self.has("swallows its cancellation"):
                raise
