"""Tasks that serve a session: one that fails costs what it served, and not the call."""

import logging
from collections.abc import Awaitable, Callable

from server.turntaking.floor import ImpossibleEvent

log = logging.getLogger(__name__)


async def contained(session_id: str, work: Callable[..., Awaitable[None]], *arguments: object) -> None:
    """Do the work; if it fails, which is a bug, say so in the log and let the session go on. Cancel-safe.

    Raises ImpossibleEvent, which only a session under test lets through.
    """
    try:
        await work(*arguments)
    except ImpossibleEvent:
        raise
    except Exception:
        name = getattr(work, "__qualname__", repr(work))
        log.exception("%s failed, and what it served with it", name, extra={"session": session_id})
