"""What code of a session finds in its context."""

import asyncio

import anyio
import pytest

from stages.runtime.contexts import name_library

cvar = pytest.importorskip("sniffio").current_async_library_cvar


def test_anyio_knows_whose_loop_it_is_in_all_tasks_that_are_begun() -> None:
    found: list[str | None] = []

    async def look() -> None:
        found.append(cvar.get())

    async def main() -> None:
        name_library()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)

    asyncio.run(main())
    assert found == ["asyncio"]
    assert cvar.get() is None
