"""Values as JSON with their bytes beside it, and back: plain data, and the frozen values that cross the seams.

Nothing but what is listed here is ever made of a file, so that one from a stranger does no harm.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from audio import formats
from server.conversation import kept_items
from server.dialects.realtime import locks, session
from server.domain import errors as domain_errors
from server.domain import limits, mcp_tools, values
from server.domain.wire import WireClosed
from server.output.link import HistoryLost
from server.response import prepared
from server.session import snapshot
from server.tools import mcp_policy
from stageflow import context, tools
from stages import errors, ports
from stages.client_tools import client_tool

_MODULES: tuple[ModuleType, ...] = (
    ports,
    tools,
    context,
    formats,
    values,
    mcp_tools,
    limits,
    prepared,
    mcp_policy,
    locks,
    session,
    snapshot,
    kept_items,
)
"""What is in them may be made of a file."""
_KEPT = (
    "kind",
    "retry_after_s",
    "code",
    "is_http",
    "message",
    "param",
    "blame",
    "ref",
    "close_code",
    "reason",
    "error",
)
"""What errors have beside their text."""


class UnknownValue(Exception):
    """Something that no record can hold, or that no record of ours holds."""


@cache
def _classes() -> Mapping[str, type[Any]]:
    found: dict[str, type[Any]] = {
        name: one
        for module in _MODULES
        for name, one in vars(module).items()
        if isinstance(one, type) and (dataclasses.is_dataclass(one) or issubclass(one, Enum))
    }
    found.update(ErrorKind=errors.ErrorKind, Fault=domain_errors.Fault)
    return found


@cache
def _errors() -> Mapping[str, type[Exception]]:
    found: dict[str, type[Exception]] = {
        one.__name__: one
        for one in (HistoryLost, WireClosed, ValueError, TypeError, RuntimeError, TimeoutError)
    }
    for module in (errors, domain_errors):
        found |= {
            name: one
            for name, one in vars(module).items()
            if isinstance(one, type) and issubclass(one, Exception)
        }
    return found


class ForeignError(Exception):
    """Stands for an error whose class only the recorded server knew."""


class Packer:
    """Collects the bytes of what it packs."""

    def __init__(self) -> None:
        self.blob = bytearray()

    def pack(self, value: Any) -> Any:
        """Something that `json.dumps` takes. Raises UnknownValue."""
        if value is None or type(value) in (bool, int, float, str):
            return value
        if type(value) is list:
            return [self.pack(one) for one in value]
        for kinds, tag, say in self._ways():
            if isinstance(value, kinds):
                return {"$": tag, **say(value)}
        if isinstance(value, Sequence):
            return [self.pack(one) for one in value]
        if dataclasses.is_dataclass(value) and type(value).__name__ in _classes():
            named = {
                one.name: self.pack(getattr(value, one.name)) for one in dataclasses.fields(value) if one.init
            }
            return {"$": "data", "c": type(value).__name__, "v": named}
        raise UnknownValue(f"{type(value).__module__}.{type(value).__qualname__}")

    def _ways(self) -> tuple[tuple[Any, str, Callable[[Any], dict[str, Any]]], ...]:
        return (
            (tools.Tool, "tool", self._tool),
            (Enum, "enum", lambda one: {"c": type(one).__name__, "v": one.value}),
            ((bytes, bytearray), "bytes", self._bytes),
            (np.ndarray, "array", lambda one: {"t": one.dtype.str, **self._bytes(one.tobytes())}),
            (np.generic, "number", lambda one: {"t": one.dtype.str, "v": one.item()}),
            (tuple, "tuple", lambda one: {"v": [self.pack(each) for each in one]}),
            (frozenset, "set", lambda one: {"v": [self.pack(each) for each in sorted(one)]}),
            (Mapping, "map", lambda one: {"v": [[self.pack(k), self.pack(v)] for k, v in one.items()]}),
            (Exception, "error", self._error),
            (bool, "bool", lambda one: {"v": bool(one)}),
            (str, "str", lambda one: {"v": str(one)}),
        )

    def _tool(self, tool: tools.Tool) -> dict[str, Any]:
        """One of the client's: it is never run here."""
        return {"v": [self.pack(one) for one in (tool.name, tool.description, tool.parameters)]}

    def _bytes(self, value: bytes) -> dict[str, Any]:
        at = len(self.blob)
        self.blob += value
        return {"at": at, "n": len(value)}

    def _error(self, error: Exception) -> dict[str, Any]:
        kept = {name: self.pack(getattr(error, name)) for name in _KEPT if hasattr(error, name)}
        arguments = [str(one) for one in error.args]
        return {"c": type(error).__name__, "v": arguments, "kept": kept}


def unpack(value: Any, blob: bytes) -> Any:
    """What was packed. Raises UnknownValue."""
    if isinstance(value, list):
        return [unpack(one, blob) for one in value]
    if not isinstance(value, dict):
        return value
    tag = value["$"]
    if tag in ("data", "enum", "error", "tool"):
        return _made(value, blob)
    if tag in ("bytes", "array", "number"):
        return _numbers(value, blob)
    match tag:
        case "tuple":
            return tuple(unpack(one, blob) for one in value["v"])
        case "set":
            return frozenset(unpack(one, blob) for one in value["v"])
        case "map":
            return {unpack(k, blob): unpack(v, blob) for k, v in value["v"]}
        case "bool" | "str":
            return value["v"]
    raise UnknownValue(str(tag))


def _numbers(value: Any, blob: bytes) -> Any:
    if value["$"] == "number":
        return np.dtype(value["t"]).type(value["v"])
    data = blob[value["at"] : value["at"] + value["n"]]
    return data if value["$"] == "bytes" else np.frombuffer(data, dtype=value["t"]).copy()


def _made(value: Any, blob: bytes) -> Any:
    if value["$"] == "tool":
        return client_tool(*(unpack(one, blob) for one in value["v"]))
    name = value["c"]
    if value["$"] == "error":
        kind = _errors().get(name)
        error = Exception.__new__(kind or ForeignError)
        error.args = tuple(value["v"]) if kind else (f"{name}: {' '.join(value['v'])}",)
        for field, kept in value["kept"].items():
            setattr(error, field, unpack(kept, blob))
        return error
    if name not in _classes():
        raise UnknownValue(name)
    if value["$"] == "enum":
        return _classes()[name](value["v"])
    return _classes()[name](**{field: unpack(one, blob) for field, one in value["v"].items()})
