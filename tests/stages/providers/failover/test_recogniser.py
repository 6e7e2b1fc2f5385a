"""The next recogniser hears the whole utterance when the first fails or is late."""

from collections.abc import Callable

import anyio
import numpy as np
import pytest

from audio.formats import Samples
from stages.errors import ProviderError, ProviderRejected
from stages.ports import Partial, Recogniser, Recognition, SpeechHints
from stages.providers.calls import ProviderCall, noting
from stages.providers.failover.chain import changes_over, link_statistics
from stages.providers.failover.recogniser import LATE_S, FailoverRecogniser
from stages.testing.contracts import check_recogniser
from stages.testing.fakes import Conduct, Heard, ScriptedRecogniser
from stages.testing.session_contracts import check_sessions
from stages.testing.virtual_time import virtual, virtual_loop

NOISE = np.random.default_rng(1).integers(-3000, 3000, 24_000).astype(np.int16)
FAILS, HANGS = Conduct(fails=ProviderError), Conduct(hangs=True)


def chain(conduct: Conduct, following: Recogniser) -> FailoverRecogniser:
    return FailoverRecogniser.of(
        {"first": ScriptedRecogniser(Heard("Wrong.", conduct=conduct)), "next": following}
    )


class Counting(ScriptedRecogniser):
    """Counts what is pushed."""

    heard_samples = 0
    open_ones = 0

    def open(
        self, on_partial: Callable[[Partial], None] | None = None, *, hints: SpeechHints = SpeechHints()
    ) -> Recognition:
        self.open_ones += 1
        return Counted(self, super().open(on_partial, hints=hints))


class Counted:
    """One utterance of it."""

    def __init__(self, owner: Counting, recognition: Recognition) -> None:
        self._owner = owner
        self._recognition = recognition
        self.final = recognition.final

    def close(self) -> None:
        self._owner.open_ones -= 1
        self._recognition.close()

    def push(self, samples: Samples) -> None:
        self._owner.heard_samples += len(samples)
        self._recognition.push(samples)


async def hear(recogniser: Recogniser, partials: list[Partial] | None = None) -> str:
    recognition = recogniser.open(None if partials is None else partials.append)
    for piece in np.split(NOISE, 10):
        recognition.push(piece)
    try:
        return (await recognition.final()).text
    finally:
        recognition.close()


@virtual
async def test_the_utterance_is_heard_by_the_next() -> None:
    assert await hear(chain(FAILS, ScriptedRecogniser("Hello."))) == "Hello."
    assert virtual_loop().time() == 0


@virtual
async def test_one_that_hangs_is_followed_when_it_is_late() -> None:
    assert await hear(chain(HANGS, ScriptedRecogniser("Hello."))) == "Hello."
    assert virtual_loop().time() == pytest.approx(LATE_S)


@virtual
async def test_where_the_first_hears_nothing_the_next_is_asked_and_goes_on() -> None:
    following = Counting("Hello.")
    recogniser = FailoverRecogniser.of({"deaf": ScriptedRecogniser(""), "next": following})
    recognition = recogniser.open()
    recognition.push(NOISE)
    assert (await recognition.final()).text == "Hello."
    recognition.push(NOISE)
    assert (await recognition.final()).text == "Hello."
    assert following.heard_samples == 2 * len(NOISE)
    recognition.close()


@virtual
async def test_where_both_hear_nothing_it_was_noise_and_neither_has_failed() -> None:
    following = Counting("")
    recogniser = FailoverRecogniser.of({"quiet": ScriptedRecogniser(""), "as quiet": following})
    recognition = recogniser.open()
    recognition.push(NOISE)
    for _ in range(2):
        assert (await recognition.final()).text == ""
    assert following.heard_samples == len(NOISE), "the same audio is not asked about twice"
    recognition.close()
    assert ("stt", "quiet", "as quiet") not in changes_over()


@virtual
async def test_a_short_noise_is_the_first_one_s_alone() -> None:
    following = Counting("Hello.")
    recogniser = FailoverRecogniser.of({"quiet": ScriptedRecogniser(""), "next": following})
    recognition = recogniser.open()
    recognition.push(NOISE[: len(NOISE) // 4])
    assert (await recognition.final()).text == ""
    assert following.heard_samples == 0
    recognition.close()


@virtual
async def test_a_second_opinion_that_is_not_waited_for_leaves_nothing_open() -> None:
    following = Counting(Heard("Hello.", conduct=HANGS))
    recogniser = FailoverRecogniser.of({"deaf": ScriptedRecogniser(""), "next": following})
    recognition = recogniser.open()
    recognition.push(NOISE)
    with anyio.move_on_after(1.0):
        await recognition.final()
    assert following.open_ones == 0
    recognition.close()


@virtual
async def test_when_all_fail_the_last_error_is_raised() -> None:
    last = ScriptedRecogniser(Heard("", conduct=Conduct(fails=ProviderRejected)))
    with pytest.raises(ProviderRejected):
        await hear(chain(FAILS, last))


@virtual
async def test_another_rate_hears_as_much_audio() -> None:
    counting = Counting("Hello.", rate_hz=8_000)
    assert await hear(chain(FAILS, counting)) == "Hello."
    assert counting.heard_samples == pytest.approx(len(NOISE) / 2, abs=40)


@virtual
async def test_what_was_told_as_stable_stays_true() -> None:
    partials = list[Partial]()
    other = ScriptedRecogniser("Something quite different, said at length.", word_ms=50)
    assert (await hear(chain(FAILS, other), partials)).startswith("Something")
    stable = ""
    for partial in partials:
        assert partial.stable.startswith(stable)
        stable = partial.stable


@virtual
async def test_a_question_that_is_cancelled_leaves_the_utterance_as_it_was() -> None:
    recognition = chain(HANGS, ScriptedRecogniser(Heard("Hello.", conduct=Conduct(delay_s=1)))).open()
    recognition.push(NOISE)
    with anyio.move_on_after(LATE_S / 2):
        await recognition.final()
    with anyio.move_on_after(LATE_S + 0.5):
        await recognition.final()
    assert (await recognition.final()).text == "Hello."
    recognition.close()


async def test_it_is_a_recogniser() -> None:
    recogniser = chain(FAILS, ScriptedRecogniser("At your service."))

    async def check(one: FailoverRecogniser) -> None:
        await check_recogniser(one, NOISE, "At your service.")

    await check(recogniser)
    await check_sessions(recogniser, check)


def hedging(*seconds: float, rival: Heard) -> tuple[FailoverRecogniser, Counting]:
    """A chain of two that hedges; the first takes so long for each of its texts."""
    first = ScriptedRecogniser(*(Heard("First.", conduct=Conduct(delay_s=one)) for one in seconds))
    second = Counting(rival)
    return FailoverRecogniser.of({"usual": first, "second": second}, hedge=True), second


async def texts(recogniser: Recogniser, times: int) -> tuple[list[str], float]:
    """What is heard, and how long the last text took."""
    heard = [await hear(recogniser) for _ in range(times - 1)]
    began = virtual_loop().time()
    return [*heard, await hear(recogniser)], virtual_loop().time() - began


@virtual
async def test_the_next_hears_it_too_where_one_is_later_than_it_usually_is() -> None:
    recogniser, second = hedging(*[0.3] * 10, 2.0, rival=Heard("Second.", conduct=Conduct(delay_s=0.1)))
    notes = list[ProviderCall]()
    with noting(notes):
        heard, took_s = await texts(recogniser, 11)
    assert heard == ["First."] * 10 + ["Second."]
    assert took_s == pytest.approx(0.3 + 0.1)
    assert [(call.provider, call.is_hedge) for call in notes[-2:]] == [("usual", False), ("second", True)]
    assert second.heard_samples == len(NOISE), "once, and all of it"
    assert second.open_ones == 0
    assert link_statistics()["stt", "usual"].p95_s == pytest.approx(0.4), "its lateness counts"


@virtual
async def test_the_first_may_still_be_first() -> None:
    recogniser, second = hedging(*[0.3] * 10, 0.5, rival=Heard("Second.", conduct=Conduct(delay_s=5.0)))
    heard, took_s = await texts(recogniser, 11)
    assert heard[-1] == "First."
    assert took_s == pytest.approx(0.5)
    assert second.heard_samples == len(NOISE)
    assert second.open_ones == 0


@virtual
async def test_where_the_one_asked_beside_it_fails_the_late_one_is_waited_for() -> None:
    recogniser, second = hedging(*[0.3] * 10, 1.0, rival=Heard("", conduct=FAILS))
    heard, took_s = await texts(recogniser, 11)
    assert heard[-1] == "First."
    assert took_s == pytest.approx(1.0)
    assert second.open_ones == 0


@virtual
async def test_what_is_heard_while_both_are_asked_is_heard_by_both() -> None:
    recogniser, second = hedging(*[0.3] * 10, 2.0, rival=Heard("Second.", conduct=Conduct(delay_s=0.5)))
    await texts(recogniser, 10)
    recognition = recogniser.open()
    recognition.push(NOISE)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(recognition.final)
        await anyio.sleep(0.4)
        recognition.push(NOISE)
    assert second.heard_samples == 2 * len(NOISE)
    recognition.close()
    assert second.open_ones == 0


@virtual
async def test_hedges_of_utterances_have_a_budget() -> None:
    recogniser, second = hedging(
        *[0.3] * 9, *[1.0] * 40, rival=Heard("Second.", conduct=Conduct(delay_s=2.0))
    )
    await texts(recogniser, 49)
    assert 1 <= second.heard_samples / len(NOISE) <= 1 + 49 * 0.1 + 1


@virtual
async def test_whoever_stops_waiting_for_both_leaves_nothing_open() -> None:
    recogniser, second = hedging(*[0.3] * 10, 2.5, rival=Heard("Second.", conduct=Conduct(delay_s=2.5)))
    await texts(recogniser, 10)
    with anyio.move_on_after(1.0):
        await hear(recogniser)
    assert second.heard_samples == len(NOISE)
    assert second.open_ones == 0


@virtual
async def test_a_hedged_chain_is_a_recogniser() -> None:
    recogniser, _ = hedging(0.0, rival=Heard("Second."))
    await check_recogniser(recogniser, NOISE, "First.")
