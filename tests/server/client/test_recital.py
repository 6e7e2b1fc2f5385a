"""What is typed without a sound card: how long each answer is waited for, by the reference agent."""

from server.client.load.reference import Conduct
from server.client.load.reference_server import reference_server
from server.client.plan import Plan
from server.client.recital import hold

TEXTS = tuple(f"question {number}" for number in range(10))
DELAY_S, TIMEOUT_S = 0.2, 1.9
"""All answers together take longer than one may; one alone, hardly a tenth of it."""


async def test_each_answer_may_take_as_long_as_one_may() -> None:
    said: list[str] = []
    async with reference_server(Conduct(answer_after_ms=DELAY_S * 1000, answer_ms=40, resumes=True)) as url:
        plan = Plan(url, None, (), (), TEXTS, TIMEOUT_S, None, False, None, None, None)
        code = await hold(plan, said.append)
    assert code == 0, said
    assert any(TEXTS[-1] in line for line in said)
