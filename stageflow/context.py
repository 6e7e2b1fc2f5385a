"""What a run has from its beginning: its frozen facts, `ContextSnapshot`, and its clock, `PipelineTimer`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar
from uuid import UUID, uuid4

from stageflow.errors import StageUsageError
from stageflow.frozen import EMPTY, UNCHANGEABLE, freeze, freeze_items
from stageflow.tools import ToolCall

T = TypeVar("T")
Identifier = str | UUID
Role = Literal["system", "developer", "user", "assistant", "tool"]


class _Shared:
    """A value that all stages of a run share. Raises StageUsageError, with its key, for what could be changed."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        UNCHANGEABLE.add(cls)

    def __post_init__(self) -> None:
        for name in filter(self.__dataclass_fields__.__contains__, _SETTLED):  # type: ignore[attr-defined]
            given = getattr(self, name)
            is_settled = type(given) is tuple and _SETTLED[name].issuperset(map(type, given))
            if is_settled or given is None or given is EMPTY:
                continue  # not compared: what was given may say anything to that, or raise
            if name in _SEVERAL:
                given = tuple(_made(_SEVERAL[name], one) for one in given)
            elif name in _ONE:
                given = _made(_ONE[name], given)
            held = given if isinstance(given, Mapping) else {name: given}
            what = f"{name} of {type(self).__name__}"
            if (frozen := freeze_items(held, StageUsageError, what)).is_loose:
                loose = next(key for key in held if freeze(held[key])[1])
                remedy = "give plain data or a frozen dataclass"
                raise StageUsageError(f"{what} has {loose!r}, which can be changed: {remedy}")
            object.__setattr__(self, name, frozen if held is given else frozen[name])


@dataclass(frozen=True, slots=True)
class Message(_Shared):
    """One entry of a conversation."""

    role: Role
    content: str = ""
    name: str | None = None
    tool_call_id: str | None = None  # in a tool's message
    tool_calls: tuple[ToolCall, ...] = ()  # in an assistant's message
    metadata: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class Profile(_Shared):
    """The person, as far as an enriching stage or the caller knows."""

    display_name: str | None = None
    preferences: Mapping[str, Any] = EMPTY
    metadata: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class Memory(_Shared):
    """What is remembered from earlier conversations."""

    summary: str = ""
    facts: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class Document(_Shared):
    """A text to draw on."""

    id: str
    text: str
    title: str | None = None
    metadata: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """The identity of a run, in one value: for logs, and for whoever passes all six on together."""

    pipeline_run_id: Identifier
    request_id: Identifier | None = None
    session_id: Identifier | None = None
    user_id: Identifier | None = None
    org_id: Identifier | None = None
    interaction_id: Identifier | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSnapshot(_Shared, RunIdentity):
    """What is known when a run begins; no stage can change it. Values in it may be given as plain mappings."""

    input_text: str | None = None
    pipeline_run_id: Identifier = field(default_factory=lambda: uuid4().hex)
    topology: str | None = None
    execution_mode: str | None = None
    messages: tuple[Message, ...] = ()
    profile: Profile | None = None
    memory: Memory | None = None
    documents: tuple[Document, ...] = ()
    extensions: Mapping[str, Any] = EMPTY
    metadata: Mapping[str, Any] = EMPTY
    created_at: datetime | float | None = None  # the caller's to set: the framework reads no wall clock

    if TYPE_CHECKING:  # what may be given is more than what is there afterwards

        def __init__(
            self, *, input_text: str | None = None, pipeline_run_id: Identifier = ...,
            request_id: Identifier | None = None, session_id: Identifier | None = None,
            user_id: Identifier | None = None, org_id: Identifier | None = None,
            interaction_id: Identifier | None = None, topology: str | None = None, execution_mode: str | None = None,
            messages: Iterable[Message | Mapping[str, Any]] = (), profile: Profile | Mapping[str, Any] | None = None,
            memory: Memory | Mapping[str, Any] | None = None, documents: Iterable[Document | Mapping[str, Any]] = (),
            extensions: Mapping[str, Any] = ..., metadata: Mapping[str, Any] = ...,
            created_at: datetime | float | None = None,
        ) -> None: ...  # fmt: skip

    @property
    def identity(self) -> RunIdentity:
        return RunIdentity(**{field.name: getattr(self, field.name) for field in fields(RunIdentity)})

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and the values that were put in; `from_dict` gives the same snapshot again."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The snapshot that `to_dict` was called on. Raises StageUsageError for unknown keys."""
        return _made(cls, data)


_MAPPINGS = ("metadata", "preferences", "extensions")
_ONE: dict[str, type] = {"profile": Profile, "memory": Memory}
_SEVERAL: dict[str, type] = {"messages": Message, "documents": Document, "tool_calls": ToolCall, "facts": str}
_SETTLED = {name: UNCHANGEABLE & {_SEVERAL.get(name)} for name in (*_MAPPINGS, *_ONE, *_SEVERAL)}


class PipelineTimer:
    """Milliseconds since a run began, the same for all its stages, by a monotonic clock of seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock, self._started_s = clock, clock()

    def __deepcopy__(self, memo: object) -> "PipelineTimer":
        return self  # one for all

    def elapsed_ms(self) -> float:
        return (self._clock() - self._started_s) * 1000


def _made(kind: type[T], given: Any) -> T:
    """`given` as the value it stands for: itself, or a plain mapping of the value's fields."""
    if not isinstance(given, Mapping):
        return given  # type: ignore[no-any-return]  # a `kind` already, or None where None is allowed
    try:
        return kind(**given)
    except TypeError as error:
        raise StageUsageError(f"{dict(given)!r} cannot be a {kind.__name__}: {error}") from error


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
