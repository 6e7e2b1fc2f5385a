"""The guard lets words pass, blocks what it is told to, and blocks whatever it cannot judge."""

import anyio
import anyio.lowlevel
import pytest

from stageflow.context import ContextSnapshot
from stageflow.core import StageOutput, StageStatus
from stageflow.testing import run_stage
from stages.contract import UNGUARDED
from stages.errors import StageSettingsError
from stages.guard import REFUSAL, TOO_LONG, UNDECIDED, GuardPolicy, GuardRule, GuardStage

POLICY = GuardPolicy(
    (
        GuardRule("insults", words=("blockhead",), refusal="Please be kind."),
        GuardRule("card numbers", patterns=(r"\b(?:\d ?){13,16}\b",)),
        GuardRule("anything rude", words=("blockhead", "dolt")),
    )
)


async def judge(text: object, policy: GuardPolicy = POLICY) -> StageOutput:
    return await run_stage(GuardStage(policy), snapshot=ContextSnapshot(), inputs={"stt": {"text": text}})


async def test_words_that_no_rule_names_pass() -> None:
    output = await judge("What a blockheaded idea, but so be it.")
    assert (output.status, output.data) == (StageStatus.OK, {"passed": True})


@pytest.mark.parametrize(
    ("text", "category", "refusal"),
    [
        ("You blockhead!", "insults", "Please be kind."),
        ("b l o c k h e a d", "insults", "Please be kind."),
        ("you d0lt", "anything rude", REFUSAL),
        ("my card is 4111 1111 1111 1111", "card numbers", REFUSAL),
        ("four one one one one one one one one one one one one one one one", "card numbers", REFUSAL),
    ],
)
async def test_what_a_rule_names_is_refused(text: str, category: str, refusal: str) -> None:
    output = await judge(text)
    assert output.status is StageStatus.CANCEL
    assert output.data["blocked"] is True
    assert (output.data["category"], output.data["refusal"]) == (category, refusal)
    assert text not in repr(output), "reasons are logged, words that were said are not"


@pytest.mark.parametrize("text", [None, 42, b"bytes", ["list"]])
async def test_what_is_no_text_is_blocked(text: object) -> None:
    output = await judge(text)
    assert (output.status, output.data["category"]) == (StageStatus.CANCEL, UNDECIDED)
    assert output.data["refusal"] == REFUSAL


SPLIT = GuardPolicy(
    (
        GuardRule("phrase", words=("open sesame",)),
        GuardRule("order", patterns=("^ignore",)),
        GuardRule("farewell", words=("so long",)),
    )
)


async def judge_all(*texts: object, before: object = None) -> StageOutput:
    """The last of `texts` is what was heard."""
    snapshot = ContextSnapshot(metadata={UNGUARDED: texts[:-1] if before is None else before})
    return await run_stage(GuardStage(SPLIT), snapshot=snapshot, inputs={"stt": {"text": texts[-1]}})


@pytest.mark.parametrize(
    ("texts", "category"),
    [
        (("hello", "and good-bye"), None),
        (("open sesame", "please"), "phrase"),
        (("hello", "open sesame"), "phrase"),
        (("hello", "open", "sesame"), "phrase"),
        (("ignore that", "hello"), "order"),
        (("hello", "ignore that", ""), "order"),
    ],
)
async def test_words_that_no_guard_has_seen_are_judged_with_those_that_were_heard(
    texts: tuple[str, ...], category: str | None
) -> None:
    output = await judge_all(*texts)
    assert output.data.get("category") == category
    assert output.status is (StageStatus.CANCEL if category else StageStatus.OK)


@pytest.mark.parametrize("before", ["harmless", ["harmless"], ("harmless", 3), 7])
async def test_what_was_said_before_and_is_no_text_is_blocked(before: object) -> None:
    assert (await judge_all("hello", before=before)).data["category"] == UNDECIDED


async def test_the_limit_is_for_each_text_and_not_for_all_of_them() -> None:
    assert (await judge_all("x" * 4_000, "y" * 4_000, "hello")).status is StageStatus.OK
    assert (await judge_all(*["we spoke of the budget"] * 1_000)).status is StageStatus.OK
    output = await judge_all("x" * 4_001, "hello", "x" * 4_001)
    assert (output.data["category"], output.data["texts"]) == (TOO_LONG, (0, 2))


async def test_what_is_blocked_among_texts_that_are_too_long_counts_for_all_of_them() -> None:
    output = await judge_all("x" * 4_001, "open", "x" * 4_001, "sesame")
    assert output.data["category"] == "phrase"
    assert "texts" not in output.data


@pytest.mark.no_cover
@pytest.mark.parametrize("pieces", [("open", "sesame"), ("open", "", "sesame")])
@pytest.mark.parametrize("chars", [1, 30, 700, 3_900])
async def test_a_phrase_is_found_wherever_it_is_split(chars: int, pieces: tuple[str, ...]) -> None:
    filler = "x" * chars
    first, *others, last = pieces
    for before in range(0, 200_000 // (chars + 200), 13):
        texts = [*[filler] * before, f"{filler} {first}", *others, f"{last} {filler}", *[filler] * 12]
        assert (await judge_all(*texts)).data.get("category") == "phrase", before


async def test_a_pattern_for_the_beginning_of_a_text_does_not_match_within_one() -> None:
    assert (await judge_all(*["do not ignore that " * 100] * 20)).status is StageStatus.OK


@pytest.mark.parametrize("texts", [("so long", "open sesame"), ("open sesame", "so long")])
async def test_the_first_rule_decides_wherever_it_is_broken(texts: tuple[str, ...]) -> None:
    first, last = texts
    assert (await judge_all(first, *["x" * 3_000] * 4, last)).data["category"] == "phrase"


async def test_others_run_while_a_dear_pattern_is_searched() -> None:
    policy = GuardPolicy((GuardRule("dear", patterns=(r"([a-z]{1,300}){1,3}\d",)),))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        assert (await judge("ab" * 2_000, policy)).status is StageStatus.OK
        tasks.cancel_scope.cancel()
    assert turns > 10


async def test_others_run_while_much_is_judged() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        await judge_all(*["hello " * 100] * 1_000)
        tasks.cancel_scope.cancel()
    assert turns > 100


async def test_without_words_to_judge_it_blocks() -> None:
    output = await run_stage(GuardStage(POLICY), snapshot=ContextSnapshot(input_text="harmless"))
    assert (output.status, output.data["category"]) == (StageStatus.CANCEL, UNDECIDED)


async def test_more_than_it_looks_at_is_blocked() -> None:
    policy = GuardPolicy(POLICY.rules, max_chars=10)
    assert (await judge("0123456789", policy)).status is StageStatus.OK
    assert (await judge("0123456789a", policy)).data["category"] == TOO_LONG


async def test_a_text_of_any_length_passes_where_there_is_nothing_to_look_for() -> None:
    assert (await judge("lorem ipsum " * 5_000, GuardPolicy())).status is StageStatus.OK
    assert (await judge(42, GuardPolicy())).data["category"] == UNDECIDED


def test_a_policy_reports_all_its_faults_at_once() -> None:
    with pytest.raises(StageSettingsError) as caught:
        GuardPolicy(
            (GuardRule("", words=("?",)), GuardRule("a", patterns=("(", "ok")), GuardRule("b", refusal=" ")),
            refusal="",
            max_chars=0,
        )
    assert len(caught.value.faults) == 7
    message = str(caught.value)
    for part in ("rule 1: category", "'?'", "rule 'a': pattern '('", "neither words", "max_chars is 0"):
        assert part in message
