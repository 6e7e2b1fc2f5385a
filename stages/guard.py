"""Guards what a person said: a GUARD stage that lets a turn pass, or ends it with a refusal to be spoken.

It needs the words alone and so runs beside the router and the agent; nothing of the answer may be heard
before it has let the words pass. It fails closed: whatever it does not expect, it blocks.
"""

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal

from anyio.lowlevel import checkpoint

from stageflow.core import StageContext, StageKind, StageOutput
from stages.contract import GUARD, LANGUAGE, STT, TEXT, UNGUARDED
from stages.errors import StageSettingsError
from stages.runtime.threads import in_thread
from stages.text.matching import Matcher, Readings, faults, is_dear

log = logging.getLogger(__name__)

REFUSAL = "Sorry, I can't help with that."
UNDECIDED = "undecided"
"""Category of what was blocked because the guard could not decide."""

TOO_LONG = "too long"
"""Category of what was blocked because there is more of it than the guard looks at."""

SPLIT_CHARS = 1_000
"""What is spread over several texts is found if it lies within so many characters."""

_AT_A_STRETCH_CHARS = 10_000
"""Judged before others may run, which takes about 3 ms. What people say in a turn is less, and is judged before the
agent has begun."""


@dataclass(frozen=True, slots=True)
class GuardRule:
    """What one category of content is known by: whole words or phrases, and regular expressions."""

    category: str
    words: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    refusal: str | None = None
    """What to say instead; the policy's refusal if not given."""
    policy: Literal["block", "warn"] = "block"
    """Whether a turn that has it is refused, or answered and noted."""


@dataclass(frozen=True, slots=True)
class GuardPolicy:
    """What is blocked, and what is said then. The first rule that blocks and matches decides.

    Raises StageSettingsError with all faults of all rules. How words and patterns match: `stages.text.matching`.
    """

    rules: tuple[GuardRule, ...] = ()
    refusal: str = REFUSAL
    max_chars: int = 4_000
    """A longer text is blocked where there are rules: nobody speaks so long in one turn, and looking through takes
    time. Without rules there is nothing to look for, and a text may be of any length."""
    refusals: Mapping[str, str] = field(default_factory=dict)
    """The refusal in each language in which something may be said, where it is another."""

    def __post_init__(self) -> None:
        found = list(self._faults())
        if found:
            raise StageSettingsError("the guard's policy", found)

    def _faults(self) -> Iterator[str]:
        if not self.refusal.strip():
            yield "refusal is empty: a person who is refused must be told"
        if self.max_chars < 1:
            yield f"max_chars is {self.max_chars}, it must be at least 1"
        for at, rule in enumerate(self.rules):
            name = f"rule {rule.category!r}" if rule.category.strip() else f"rule {at + 1}"
            if not rule.category.strip():
                yield f"{name}: category is empty"
            if not rule.words and not rule.patterns:
                yield f"{name}: has neither words nor patterns"
            if rule.refusal is not None and not rule.refusal.strip():
                yield f"{name}: refusal is empty"
            yield from (f"{name}: {fault}" for fault in faults(rule.words, rule.patterns))


class GuardStage:
    """Blocks a turn by the person's words: what `stt` heard, and what is `UNGUARDED` before it. Each text is judged by
    itself, and together with those beside it.

    Passes with `ok(passed=True)`, and `warned`, the categories that only warn; they are logged, too. Blocks with
    `cancel` and `{"blocked": True, "category", "refusal"}`; what was said is in neither, because reasons are logged. Of
    texts that are only too long, `texts` has the places among all that were judged: against the others nothing was
    found.
    """

    name = GUARD
    kind = StageKind.GUARD

    def __init__(self, policy: GuardPolicy, *, words: str = STT) -> None:
        """`words` is the stage that gives the person's words."""
        self._policy = policy
        self._words = words
        self.reads = (words,)
        """Names of the stages whose data it needs."""
        rules = [(rule, Matcher(rule.words, rule.patterns)) for rule in policy.rules]
        self._rules = tuple(pair for pair in rules if pair[0].policy == "block")
        self._warning = tuple(pair for pair in rules if pair[0].policy == "warn")

    async def execute(self, ctx: StageContext) -> StageOutput:
        """Decide; lets others run now and then if there is much to judge."""
        try:
            text = ctx.inputs.require_from(self._words, TEXT)
            if not isinstance(text, str):
                return self._block(UNDECIDED, f"{self._words} gave {type(text).__name__} instead of a text")
            before = ctx.snapshot.metadata.get(UNGUARDED, ())
            if not isinstance(before, tuple):
                return self._block(UNDECIDED, f"{UNGUARDED} is {type(before).__name__} instead of a tuple")
            spoken = ctx.config.get(LANGUAGE) or ctx.inputs.get_from(self._words, LANGUAGE, default="")
            return await self._judge((*before, text), self._policy.refusals.get(str(spoken)))
        except Exception as error:  # noqa: BLE001 -- fail closed: whatever this is, the words were not checked
            return self._block(UNDECIDED, f"{type(error).__name__} in the guard")

    async def _judge(self, texts: Sequence[str], refusal: str | None) -> StageOutput:
        if not self._rules:
            return await self._passed(texts)
        limit = self._policy.max_chars
        long = tuple(place for place, text in enumerate(texts) if len(text) > limit)
        rule = await self._broken(self._rules, [text for text in texts if len(text) <= limit])
        if rule is not None:
            return self._block(rule.category, "matched a rule", rule.refusal or refusal)
        if long:
            return self._block(TOO_LONG, f"more than {limit} characters", refusal, texts=long)
        return await self._passed(texts)

    async def _passed(self, texts: Sequence[str]) -> StageOutput:
        short = [text for text in texts if len(text) <= self._policy.max_chars]
        found = [pair[0].category for pair in self._warning if await self._broken((pair,), short)]
        for category in found:
            log.warning("what was said matched the rule %r, which only warns", category)
        return StageOutput.ok(passed=True, warned=tuple(found)) if found else StageOutput.ok(passed=True)

    async def _broken(
        self, rules: Sequence[tuple[GuardRule, Matcher]], texts: Sequence[str]
    ) -> GuardRule | None:
        """The first of the rules that the texts break."""
        broken: GuardRule | None = None
        chars = 0
        for text in chain(texts, _runs(texts, self._policy.max_chars + 2 * SPLIT_CHARS)):
            if not rules:
                break
            dear = is_dear((matcher for _, matcher in rules), text)
            place = await in_thread(_first, rules, text) if dear else _first(rules, text)
            if place is not None:
                rules, broken = rules[:place], rules[place][0]
            chars += len(text)
            if chars > _AT_A_STRETCH_CHARS:
                chars = 0
                await checkpoint()
        return broken

    def _block(self, category: str, why: str, refusal: str | None = None, **more: object) -> StageOutput:
        refusal = refusal or self._policy.refusal
        return StageOutput.cancel(
            reason=f"blocked ({category}): {why}",
            data={"blocked": True, "category": category, "refusal": refusal, **more},
        )


def _first(rules: Sequence[tuple[GuardRule, Matcher]], text: str) -> int | None:
    """The place of the first rule that the text breaks."""
    readings = Readings.of(text)
    return next((place for place, (_, matcher) in enumerate(rules) if any(matcher.find(readings))), None)


def _runs(texts: Sequence[str], min_chars: int) -> Iterator[str]:
    """Neighbouring texts as one, in runs of `min_chars` and one text at most, which overlap by `SPLIT_CHARS`."""
    run: deque[str] = deque()
    chars = 0
    for text in texts:
        run.append(text)
        chars += len(text) + 1
        if chars > min_chars:
            yield "\n".join(run)
            while chars - len(run[0]) - 1 >= SPLIT_CHARS:
                chars -= len(run.popleft()) + 1
    if len(run) > 1:
        yield "\n".join(run)
