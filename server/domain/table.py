"""A row of a state table, in which facts decide where an event leads. Pure data."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

State = TypeVar("State")
Command = TypeVar("Command")
Fact = TypeVar("Fact")


@dataclass(frozen=True)  # slots would keep a row from being made through its alias
class Row(Generic[State, Command, Fact]):
    """Where an event leads and what to do about it; with `when`, only if that is a fact, and `otherwise` if not."""

    next: State
    commands: tuple[Command, ...] = ()
    when: Fact | None = None
    otherwise: "Row[State, Command, Fact] | None" = None

    def ways(self) -> "Iterator[Row[State, Command, Fact]]":
        """This row and those that apply if it does not."""
        yield self
        if self.otherwise is not None:
            yield from self.otherwise.ways()

    def given(self, facts: frozenset[Fact]) -> "Row[State, Command, Fact]":
        """The row that these facts lead to."""
        return next(row for row in self.ways() if row.when is None or row.when in facts)
