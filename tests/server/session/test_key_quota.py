"""Audio is bought in portions; who has had the key's share is told once, and again when it asks again."""

import pytest

from server.domain.errors import ClientError, Fault
from server.session.key_quota import LEAST_WAIT_S, PORTION_S, AudioAccount


class Till:
    """Sells so many portions."""

    def __init__(self, portions: int) -> None:
        self.portions = portions
        self.asked: list[float] = []

    async def spend(self, seconds: float) -> float:
        self.asked.append(seconds)
        self.portions -= 1
        return 0.0 if self.portions >= 0 else 2.0


async def heard(account: AudioAccount, seconds: float, now: float) -> bool:
    return account.covers(seconds) or await account.buy(seconds, now)


async def test_audio_is_bought_in_portions() -> None:
    till = Till(2)
    account = AudioAccount(till.spend)
    assert [await heard(account, 0.5, 0.0) for _ in range(20)] == [True] * 20
    assert till.asked == [PORTION_S] * 2


async def test_who_has_had_its_share_is_told_once_in_a_while() -> None:
    till = Till(1)
    account = AudioAccount(till.spend)
    assert await heard(account, PORTION_S, 0.0)
    with pytest.raises(ClientError, match="heard as silence; try again in 30 s") as refused:
        await heard(account, 0.1, 1.0)
    assert (refused.value.code, refused.value.blame) == (Fault.AUDIO_QUOTA, "limit")
    assert not await heard(account, 0.1, 1.0 + LEAST_WAIT_S - 0.1)
    with pytest.raises(ClientError, match="share of audio"):
        await heard(account, 0.1, 1.0 + LEAST_WAIT_S)
    till.portions = 1
    assert await heard(account, 0.1, 1.0 + 2 * LEAST_WAIT_S)


async def test_clips_are_bought_whole_or_not_taken() -> None:
    account = AudioAccount(Till(1).spend)
    await account.buy_clips(40.0)
    with pytest.raises(ClientError, match="the clips are not taken"):
        await account.buy_clips(1.0)
