"""Work that is sent to a thread, by whoever runs the session."""

import threading
from collections.abc import Callable
from typing import Any

from stages.runtime.threads import SENDER, in_thread


async def test_it_is_done_in_a_thread() -> None:
    assert await in_thread(threading.current_thread) is not threading.current_thread()


async def test_somebody_else_may_send_it() -> None:
    async def send(function: Callable[..., Any], *arguments: Any) -> Any:
        return [function(*arguments)]

    before = SENDER.set(send)
    assert await in_thread(abs, -3) == [3]
    SENDER.reset(before)
