"""Makes values unchangeable where they enter a run, so that they can be handed out to everybody without copying.

Dicts, lists, sets and bytearrays, at any depth and in frozen dataclasses too, become values that refuse every change.
What cannot be frozen is copied, and what holds it is marked as loose: whoever hands a loose value out copies it
again. What cannot be copied either is refused.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType
from typing import Any
from uuid import UUID

_PLAIN = (type(None), bool, int, float, complex, str, bytes, range, type(...), type)
_OTHERS = (UUID, date, datetime, time, timedelta, timezone, FunctionType, BuiltinFunctionType, MethodType)
UNCHANGEABLE = {*_PLAIN, *_OTHERS}  # types; those that freeze themselves when they are made come to it


class UnfreezableError(TypeError):
    """A value that can neither be frozen nor copied."""


def _refused(self: Any, *_: Any, **__: Any) -> Any:
    kind = "dict" if isinstance(self, dict) else "list"
    why, remedy = "because others see it too", f"make your own with {kind}(...)"
    raise TypeError(f"this {kind} cannot be changed, {why}: {remedy}")


class _Frozen:
    is_loose = False  # whether something in it is a mere copy, which whoever gets it could change
    copy: Any
    _fill: Any

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if not self.is_loose:
            return self
        made = memo[id(self)] = type(self)()
        made.__setstate__((deepcopy(self.copy(), memo), True))
        return made

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return type(self), (), (self.copy(), self.is_loose)

    def __setstate__(self, state: tuple[Any, bool]) -> None:
        items, self.is_loose = state
        self._fill(items)


class FrozenDict(_Frozen, dict[str, Any]):
    """A dict that refuses every change, and all that is in it too. Made by `freeze`."""

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refused
    _fill = dict.update

    def __hash__(self) -> int:  # type: ignore[override]  # a dict has none, because it can change
        return hash(frozenset(self.items()))


class FrozenList(_Frozen, list[Any]):
    """A list that refuses every change, and all that is in it too. Made by `freeze`."""

    __setitem__ = __delitem__ = __iadd__ = __imul__ = append = clear = extend = insert = _refused
    pop = remove = reverse = sort = _refused
    _fill = list.extend

    def __hash__(self) -> int:  # type: ignore[override]  # a list has none, because it can change
        return hash(tuple(self))


EMPTY = FrozenDict()


def freeze(value: Any) -> tuple[Any, bool]:
    """The value, unchangeable, and whether it is loose. Raises UnfreezableError."""
    if (kind := type(value)) in UNCHANGEABLE or (kind is tuple and UNCHANGEABLE.issuperset(map(type, value))):
        return value, False
    try:
        made = (freezing := _Freezing()).freeze(value)
    except RecursionError:
        raise UnfreezableError("it is nested too deeply") from None
    for one in freezing.made.values():
        one.is_loose = freezing.is_loose
    return made, freezing.is_loose


def freeze_items(items: Mapping[Any, Any], error: type[Exception], what: str) -> FrozenDict:
    """A frozen dict of these items. Raises `error`, which names the key of what cannot be frozen."""
    if not items or (type(items) is FrozenDict and not items.is_loose):
        return items if type(items) is FrozenDict else EMPTY
    made = FrozenDict(items)
    for key, value in items.items():
        if type(key) is not str and not isinstance(key, str):
            problem = f"{what} has the key {key!r} ({type(key).__name__})"
            raise error(f"{problem}: use strings, so that it can be asked for")
        if type(value) in UNCHANGEABLE:
            continue
        try:
            frozen, is_loose = freeze(value)
        except UnfreezableError as why:
            raise error(f"{what} has {key!r}, but {why}") from why.__cause__
        dict.__setitem__(made, key, frozen)
        made.is_loose |= is_loose
    return made


class _Freezing:
    """The freezing of one value. What it has made is loose as a whole, if anything in it is."""

    def __init__(self) -> None:
        self.is_loose = False
        self.made: dict[int, FrozenDict | FrozenList] = {}  # by id: what is in itself stays so

    def freeze(self, value: Any) -> Any:
        kind: Any = type(value)
        if kind in UNCHANGEABLE or isinstance(value, type | PurePath | Enum):
            return value
        if id(value) in self.made:
            return self.made[id(value)]
        if kind in (FrozenDict, FrozenList) and not value.is_loose:
            return value
        if kind in (dict, MappingProxyType):
            self.made[id(value)] = mapping = FrozenDict()
            dict.update(mapping, {key: self.freeze(item) for key, item in value.items()})
            return mapping
        if kind is list:
            self.made[id(value)] = items = FrozenList()
            list.extend(items, map(self.freeze, value))
            return items
        if kind in (set, frozenset, tuple):
            return (tuple if kind is tuple else frozenset)(map(self.freeze, value))
        return bytes(value) if kind in (bytearray, memoryview) else self._other(kind, value)

    def _other(self, kind: Any, value: Any) -> Any:
        if isinstance(value, tuple) and hasattr(value, "_make"):
            return kind._make(map(self.freeze, value))
        if names := _fields(kind):
            held = {name: getattr(value, name) for name in names if hasattr(value, name)}
            parts = {name: self.freeze(item) for name, item in held.items()}
            if all(parts[name] is held[name] for name in held):
                return value
            made = object.__new__(kind)
            for name, item in parts.items():
                object.__setattr__(made, name, item)
            return made
        try:
            made = deepcopy(value)
        except Exception as why:
            lack = f"a {kind.__name__} can neither be frozen nor copied ({why})"
            raise UnfreezableError(f"{lack}: give plain data; services go into ports") from why
        self.is_loose |= made is not value  # what is its own copy says itself that it cannot change
        return made


@lru_cache(maxsize=1024)
def _fields(kind: Any) -> tuple[str, ...]:
    """The fields of a frozen dataclass; none of anything else."""
    params = getattr(kind, "__dataclass_params__", None)
    return tuple(field.name for field in fields(kind)) if params is not None and params.frozen else ()
