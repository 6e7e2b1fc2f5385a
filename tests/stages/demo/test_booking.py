"""The table book: who gets a table, who does not and what they are offered, on a file and in memory."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import date, datetime, time, timedelta
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from stages.demo.booking import TABLES, Booking, TableBook
from stages.errors import ProviderError
from stages.runtime.lines import calls_of

at = datetime.fromisoformat
NOW = at("2026-11-23 10:00")  # a Monday, the day off
FRIDAY_AT_7 = at("2026-11-27 19:00")
TINY = (2, 4)


@asynccontextmanager
async def table_book(path: Path | None = None, tables: Sequence[int] = TABLES) -> AsyncIterator[TableBook]:
    book = TableBook(path, tables)
    try:
        yield book
    finally:
        await anyio.to_thread.run_sync(book.close)


async def test_a_table_that_is_booked_is_taken() -> None:
    async with table_book(tables=TINY) as book:
        assert (await book.check(FRIDAY_AT_7, 4, NOW))[0] == "free"
        assert await book.book(Booking("Anna", FRIDAY_AT_7, 4), NOW) == ("booked", ())
        assert (await book.check(FRIDAY_AT_7, 4, NOW))[0] == "full"
        assert (await book.check(FRIDAY_AT_7, 2, NOW))[0] == "free"


async def test_double_booking_is_refused_with_the_nearest_free_times() -> None:
    async with table_book(tables=TINY) as book:
        await book.book(Booking("Anna", FRIDAY_AT_7, 4), NOW)
        refused, alternatives = await book.book(Booking("Ben", FRIDAY_AT_7 + timedelta(minutes=30), 3), NOW)
        assert refused == "full"
        assert [start.time() for start in alternatives] == [time(20, 30), time(21)]
        assert (await book.book(Booking("Ben", alternatives[0], 3), NOW))[0] == "booked"


async def test_a_small_party_leaves_the_large_table_free() -> None:
    async with table_book(tables=TINY) as book:
        await book.book(Booking("Anna", FRIDAY_AT_7, 2), NOW)
        assert (await book.check(FRIDAY_AT_7, 4, NOW))[0] == "free"


async def test_the_same_wish_twice_is_one_booking() -> None:
    async with table_book(tables=TINY) as book:
        await book.book(Booking("Anna", FRIDAY_AT_7, 2), NOW)
        assert await book.book(Booking("anna", FRIDAY_AT_7, 2), NOW) == ("booked_again", ())
        assert (await book.check(FRIDAY_AT_7, 4, NOW))[0] == "free"


@pytest.mark.parametrize(
    ("start", "people", "answer"),
    [
        (at("2026-11-24 19:00"), 8, "free"),
        (at("2026-11-24 19:00"), 9, "too_many"),
        (at("2026-11-30 19:00"), 2, "closed"),
        (at("2026-11-24 21:00"), 2, "closed"),
        (at("2026-11-24 11:00"), 2, "closed"),
        (at("2026-11-22 19:00"), 2, "past"),
        (at("2027-03-02 19:00"), 2, "too_far"),
    ],
)
async def test_when_one_can_come(start: datetime, people: int, answer: str) -> None:
    async with table_book() as book:
        assert (await book.check(start, people, NOW))[0] == answer


async def test_on_a_day_off_the_next_day_is_offered() -> None:
    async with table_book() as book:
        _, alternatives = await book.check(at("2026-11-30 19:00"), 2, NOW)
    assert alternatives[0] == at("2026-12-01 19:00")


async def test_cancelling_frees_the_table() -> None:
    async with table_book(tables=TINY) as book:
        await book.book(Booking("Anna", FRIDAY_AT_7, 4), NOW)
        assert not await book.cancel("Ben", NOW)
        assert not await book.cancel("Anna", NOW, date(2026, 11, 26))
        (cancelled,) = await book.cancel("ANNA", NOW)
        assert cancelled.start == FRIDAY_AT_7
        assert (await book.check(FRIDAY_AT_7, 4, NOW))[0] == "free"


async def test_of_several_bookings_none_is_cancelled_until_the_day_is_known() -> None:
    async with table_book() as book:
        for days in (0, 1):
            await book.book(Booking("Anna", FRIDAY_AT_7 + timedelta(days=days), 4), NOW)
        assert len(await book.cancel("Anna", NOW)) == 2
        assert len(await book.cancel("Anna", NOW)) == 2
        assert len(await book.cancel("Anna", NOW, FRIDAY_AT_7.date())) == 1
        assert len(await book.cancel("Anna", NOW)) == 1


async def test_what_is_past_cannot_be_cancelled() -> None:
    async with table_book() as book:
        await book.book(Booking("Anna", FRIDAY_AT_7, 4), NOW)
        assert not await book.cancel("Anna", FRIDAY_AT_7 + timedelta(hours=1))


async def test_the_book_outlives_the_process_and_can_be_shared(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "tables.db"
    async with table_book(path, TINY) as one, table_book(path, TINY) as other:
        await one.book(Booking("Anna", FRIDAY_AT_7, 4), NOW)
        assert (await other.check(FRIDAY_AT_7, 4, NOW))[0] == "full"
    async with table_book(path, TINY) as later:
        assert (await later.check(FRIDAY_AT_7, 4, NOW))[0] == "full"


async def test_of_many_who_want_the_last_table_at_once_one_gets_it() -> None:
    got: list[str] = []
    async with table_book(tables=TINY) as book:

        async def want(name: str) -> None:
            with calls_of(name):
                if (await book.book(Booking(name, FRIDAY_AT_7, 4), NOW))[0] == "booked":
                    got.append(name)

        async with anyio.create_task_group() as people:
            for number in range(10):
                people.start_soon(want, f"guest {number}")
    assert len(got) == 1


async def test_a_broken_file_is_a_provider_error(tmp_path: Path) -> None:
    path = tmp_path / "tables.db"
    path.write_bytes(b"this is no database" * 100)
    async with table_book(path) as book:
        with pytest.raises(ProviderError, match="table book"):
            await book.check(FRIDAY_AT_7, 2, NOW)


async def test_a_booking_is_its_owners() -> None:
    async with table_book() as book:
        await book.book(Booking("Anna", FRIDAY_AT_7, 4), NOW, "one caller")
        assert not await book.cancel("Anna", NOW, owner="another")
        told, _ = await book.book(Booking("Anna", FRIDAY_AT_7, 4), NOW, "another")
        assert told == "booked", "it is not told of either"
        assert (await book.book(Booking("Anna", FRIDAY_AT_7, 4), NOW, "one caller"))[0] == "booked_again"
        (cancelled,) = await book.cancel("Anna", NOW, owner="one caller")
        assert cancelled.name == "Anna"


async def test_a_book_from_before_there_were_owners_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "book.sqlite"
    with closing(sqlite3.connect(path)) as old:
        old.execute(
            "CREATE TABLE booking (name TEXT COLLATE NOCASE, start TEXT, people INTEGER, seat INTEGER)"
        )
        old.execute("INSERT INTO booking VALUES ('Anna', '2026-11-27T19:00', 4, 2)")
        old.commit()
    async with table_book(path) as book:
        assert not await book.cancel("Anna", NOW, owner="a caller")
        assert (await book.book(Booking("Ben", FRIDAY_AT_7, 2), NOW, "a caller"))[0] == "booked"
