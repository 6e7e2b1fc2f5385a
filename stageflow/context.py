"""What a run has from its beginning: its frozen facts, `ContextSnapshot`, and its clock, `PipelineTimer`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar
from uuid import UUID, uuid4

from stageflow.errors import StageUsageError
from stageflow.frozen import EMPTY, freeze, freeze_items
from stageflow.tools import ToolCall

T = TypeVar("T")
Identifier = str | UUID
Role = Literal["system", "developer", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of a conversation."""

    role: Role
    content: str = ""
    name: str | None = None
    tool_call_id: str | None = None  # in a tool's message
    tool_calls: tuple[ToolCall, ...] = ()  # in an assistant's message
    metadata: Mapping[str, Any] = EMPTY

    def __post_init__(self) -> None:
        object.__setattr__(self, "tool_calls", tuple(_made(ToolCall, one) for one in self.tool_calls))
        _freeze(self, "metadata")


@dataclass(frozen=True, slots=True)
class Profile:
    """Who the person is, as far as an enriching stage or the caller knows."""

    display_name: str | None = None
    preferences: Mapping[str, Any] = EMPTY
    metadata: Mapping[str, Any] = EMPTY

    def __post_init__(self) -> None:
        _freeze(self, "preferences", "metadata")


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered from earlier conversations."""

    summary: str = ""
    facts: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = EMPTY

    def __post_init__(self) -> None:
        object.__setattr__(self, "facts", tuple(self.facts))
        _freeze(self, "metadata")


@dataclass(frozen=True, slots=True)
class Document:
    """A text to draw on."""

    id: str
    text: str
    title: str | None = None
    metadata: Mapping[str, Any] = EMPTY

    def __post_init__(self) -> None:
        _freeze(self, "metadata")


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Whose run it is, in one value: for logs, and for whoever passes all six on together."""

    pipeline_run_id: Identifier
    request_id: Identifier | None = None
    session_id: Identifier | None = None
    user_id: Identifier | None = None
    org_id: Identifier | None = None
    interaction_id: Identifier | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSnapshot:
    """What is known when a run begins; no stage can change it. Values in it may be given as plain mappings.

    Raises StageUsageError, with its key, for what can neither be frozen nor is unchangeable by itself.
    """

    input_text: str | None = None
    pipeline_run_id: Identifier = field(default_factory=lambda: uuid4().hex)
    request_id: Identifier | None = None
    session_id: Identifier | None = None
    user_id: Identifier | None = None
    org_id: Identifier | None = None
    interaction_id: Identifier | None = None
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
        # fmt: off
        def __init__(
            self, *, input_text: str | None = None, pipeline_run_id: Identifier = ...,
            request_id: Identifier | None = None, session_id: Identifier | None = None,
            user_id: Identifier | None = None, org_id: Identifier | None = None,
            interaction_id: Identifier | None = None, topology: str | None = None, execution_mode: str | None = None,
            messages: Iterable[Message | Mapping[str, Any]] = (), profile: Profile | Mapping[str, Any] | None = None,
            memory: Memory | Mapping[str, Any] | None = None, documents: Iterable[Document | Mapping[str, Any]] = (),
            extensions: Mapping[str, Any] = ..., metadata: Mapping[str, Any] = ...,
            created_at: datetime | float | None = None,
        ) -> None: ...
        # fmt: on

    def __post_init__(self) -> None:
        object.__setattr__(self, "messages", tuple(_made(Message, one) for one in self.messages))
        object.__setattr__(self, "documents", tuple(_made(Document, one) for one in self.documents))
        object.__setattr__(self, "profile", _made(Profile, self.profile))
        object.__setattr__(self, "memory", _made(Memory, self.memory))
        _freeze(self, "messages", "documents", "profile", "memory", "extensions", "metadata")

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


class PipelineTimer:
    """Milliseconds since a run began, the same for all its stages, by a monotonic clock of seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock, self._started_s = clock, clock()

    def __deepcopy__(self, memo: object) -> "PipelineTimer":
        return self  # one for all

    def elapsed_ms(self) -> float:
        return (self._clock() - self._started_s) * 1000


_FROZEN_ITSELF = (Message, Document, Profile, Memory, type(None))


def _made(kind: type[T], given: Any) -> T:
    """`given` as the value it stands for: itself, or a plain mapping of the value's fields."""
    if not isinstance(given, Mapping):
        return given  # type: ignore[no-any-return]  # a `kind` already, or None where None is allowed
    try:
        return kind(**given)
    except TypeError as error:
        raise StageUsageError(f"{dict(given)!r} cannot be a {kind.__name__}: {error}") from error


def _freeze(value: Any, *names: str) -> None:
    """Freeze some fields of a value of a snapshot, which all stages share. Raises StageUsageError."""
    for name in names:
        given, what = getattr(value, name), f"{name} of {type(value).__name__}"
        items = given if type(given) is tuple else (given,)
        if given is EMPTY or all(type(item) in _FROZEN_ITSELF for item in items):
            continue
        held = {name: given} if type(given) is not dict else given
        frozen = freeze_items(held, StageUsageError, what)
        if frozen.is_loose:
            loose = next(key for key in held if freeze(held[key])[1])
            raise StageUsageError(
                f"{what} has {loose!r}, which can be changed: give plain data or a frozen dataclass"
            )
        object.__setattr__(value, name, frozen if held is given else frozen[name])


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
