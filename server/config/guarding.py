"""What is not answered: the operator's rules for the guard, written in a file or in Python."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from stages.guard import GuardRule as StageRule
from stages.text.matching import faults as match_faults


class GuardRule(BaseModel):
    """A rule of the guard: one kind of content, what it is known by, and what becomes of a turn that has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=80, description="what log and client call it by")
    words: tuple[str, ...] = Field((), description="whole words or phrases")
    patterns: tuple[str, ...] = Field((), description="regular expressions of RE2")
    policy: Literal["block", "warn"] = Field(
        "block", description="`block` refuses the turn; `warn` answers it, and the log says so"
    )
    refusal: str | None = Field(
        None, min_length=1, max_length=500, description="what is said instead; that of [guard] if not given"
    )

    def for_stage(self) -> StageRule:
        """The rule as the guard's stage has it."""
        return StageRule(self.name, self.words, self.patterns, self.refusal, self.policy)


def rule_faults(rules: Sequence[GuardRule]) -> Iterator[str]:
    """What cannot work, a line each."""
    for name, count in Counter(rule.name for rule in rules).items():
        if count > 1:
            yield f"guard.rules: {count} are called {name!r}; put their words and patterns into one"
    for rule in rules:
        place = f"guard.rules.{rule.name}"
        if not rule.words and not rule.patterns:
            yield f"{place}: has neither words nor patterns; add some"
        if rule.policy == "warn" and rule.refusal is not None:
            yield f"{place}.refusal: is never said, as the policy is `warn`; take it away, or block"
        yield from (f"{place}: {fault}" for fault in match_faults(rule.words, rule.patterns))
