"""Makes values unchangeable where they enter a run, so that they can be handed out to everybody without copying.

Dicts, lists, sets and bytearrays, at any depth and in frozen dataclasses too, become values that refuse every change.
What cannot be frozen is copied, and what holds it is marked as loose: whoever hands a loose value out copies it
again. What cannot be copied either is refused.
"""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType
from typing import Any, NoReturn
from uuid import UUID

_PLAIN = (type(None), bool, int, float, complex, str, bytes, range, type(...), type)
_OTHERS = (UUID, date, datetime, time, timedelta, timezone, FunctionType, BuiltinFunctionType, MethodType)
UNCHANGEABLE = frozenset((*_PLAIN, *_OTHERS))


class UnfreezableError(TypeError):
    """A value that can neither be frozen nor copied."""


def _refuse(self: object, *_: object, **__: object) -> NoReturn:
    kind = "dict" if isinstance(self, dict) else "list"
    remedy = f"make your own with {kind}(...), or thaw(...) for what is in it too"
    raise TypeError(f"this {kind} cannot be changed, because others see it too: {remedy}")


_refused: Any = _refuse


class _Frozen:
    is_loose = False  # whether something in it is a mere copy, which whoever gets it could change
    copy: Any
    _fill: Any

    def __copy__(self) -> Any:
        return self.copy()

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
    if type(value) in UNCHANGEABLE:
        return value, False
    try:
        return _frozen(value, {})
    except RecursionError:
        raise UnfreezableError("it is nested too deeply") from None


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


def thaw(value: Any) -> Any:
    """A copy of a frozen value that can be changed: plain dicts, lists and sets, at any depth."""
    if isinstance(value, FrozenDict):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, FrozenList | tuple) and type(value) in (FrozenList, tuple):
        return (list if isinstance(value, list) else tuple)(map(thaw, value))
    return set(value) if type(value) is frozenset else deepcopy(value)


def _frozen(value: Any, memo: dict[int, Any]) -> tuple[Any, bool]:
    """`memo` has the containers that are done or under way, by id: what is in itself stays so."""
    kind: Any = type(value)
    if kind in UNCHANGEABLE or isinstance(value, type | PurePath):
        return value, False
    if id(value) in memo:
        return memo[id(value)], memo[id(value)].is_loose
    if kind in (dict, MappingProxyType, list):
        return _container(value, memo, FrozenList() if kind is list else FrozenDict())
    if kind in (set, frozenset):
        parts = [_frozen(item, memo) for item in value]
        return frozenset(item for item, _ in parts), any(is_loose for _, is_loose in parts)
    if kind in (bytearray, memoryview):
        return bytes(value), False
    if kind is tuple or (isinstance(value, tuple) and hasattr(value, "_make")):
        parts = [_frozen(item, memo) for item in value]
        items = [item for item, _ in parts]
        return (tuple(items) if kind is tuple else kind._make(items)), any(is_loose for _, is_loose in parts)
    if kind in (FrozenDict, FrozenList) and not value.is_loose:
        return value, False
    return _dataclass(value, memo) if _fields(kind) else _copied(value)


def _container(value: Any, memo: dict[int, Any], made: Any) -> tuple[Any, bool]:
    memo[id(value)], made.is_loose = made, True  # as long as it is not known
    keys = list(value) if isinstance(made, dict) else range(len(value))
    parts = {key: _frozen(value[key], memo) for key in keys}
    items = {key: item for key, (item, _) in parts.items()}
    made.__setstate__(
        (items if isinstance(made, dict) else items.values(), any(loose for _, loose in parts.values()))
    )
    return made, made.is_loose


def _dataclass(value: Any, memo: dict[int, Any]) -> tuple[Any, bool]:
    kind: Any = type(value)
    held = {name: getattr(value, name) for name in _fields(kind) if hasattr(value, name)}
    parts = {name: _frozen(item, memo) for name, item in held.items()}
    made, is_loose = value, any(loose for _, loose in parts.values())
    if any(parts[name][0] is not held[name] for name in held):
        made = object.__new__(kind)
        for name, (item, _) in parts.items():
            object.__setattr__(made, name, item)
    return made, is_loose


def _copied(value: Any) -> tuple[Any, bool]:
    try:
        made = deepcopy(value)
    except Exception as why:
        lack = f"a {type(value).__name__} can neither be frozen nor copied ({why})"
        raise UnfreezableError(f"{lack}: give plain data; services go into ports") from why
    return made, made is not value  # what is its own copy says itself that it cannot change


@lru_cache(maxsize=1024)
def _fields(kind: Any) -> tuple[str, ...]:
    """The fields of a frozen dataclass; none of anything else."""
    params = getattr(kind, "__dataclass_params__", None)
    return tuple(field.name for field in fields(kind)) if params is not None and params.frozen else ()
