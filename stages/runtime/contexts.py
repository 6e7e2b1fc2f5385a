"""The context of whoever asks, for what he is told where no task runs: by a callback of the loop, or of a socket."""

from contextlib import suppress
from contextvars import Context, ContextVar, copy_context

_library: ContextVar[str | None] | None = None
"""Where anyio looks first for the library that runs; without sniffio, it looks for a running loop alone."""
with suppress(ImportError):
    from sniffio import current_async_library_cvar as _library


def name_library() -> None:
    """Have anyio know whose loop it is in this task and those that it begins, without asking for the task each time."""
    if _library is not None:
        _library.set("asyncio")


def context_of_task() -> Context:
    """A context like that of the task that calls: lines of the log, and tasks that begin in it, are of its session, and
    anyio knows whose loop it is, where sniffio knows that of tasks only: in a program that began with `asyncio.run`."""
    context = copy_context()
    if _library is not None:
        context.run(_library.set, "asyncio")
    return context
