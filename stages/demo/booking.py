"""The table book of a small restaurant, in SQLite: what is free, who has booked, who has cancelled.

`Restaurant` is the pure part: opening hours and the times at which one can come. `TableBook` is the shell:
one connection on one thread, so that no query ever runs on an event loop and no two of this process overlap.
Every call is a transaction that locks first, so several processes can share one file.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Literal, TypeVar

from stages.errors import ProviderError
from stages.runtime.worker import Worker

T = TypeVar("T")

# --- the restaurant -------------------------------------------------------------------------------------

_LUNCH, _LATE, _LATER = time(12), time(22), time(23)
_STEP = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Restaurant:
    """When it is open and how many people each table seats. A table is taken for `sitting`."""

    hours: Mapping[int, tuple[time, time]]
    """Opening and closing time by weekday, Monday being 0; days that are not there are days off."""
    tables: Sequence[int]
    sitting: timedelta = timedelta(minutes=90)
    days_ahead: int = 60

    @property
    def largest_table(self) -> int:
        """The most people that can come together."""
        return max(self.tables)

    def starts_on(self, day: date) -> Iterator[datetime]:
        """The times at which one can come on `day`, in order; the last leaves time for a whole sitting."""
        if day.weekday() in self.hours:
            opens, closes = self.hours[day.weekday()]
            start, last = datetime.combine(day, opens), datetime.combine(day, closes) - self.sitting
            while start <= last:
                yield start
                start += _STEP

    def is_open_at(self, start: datetime) -> bool:
        """Whether a sitting fits into the opening hours."""
        starts = list(self.starts_on(start.date()))
        return bool(starts) and starts[0] <= start <= starts[-1]


RESTAURANT = Restaurant(
    hours={day: (_LUNCH, _LATER if day in (4, 5) else _LATE) for day in range(1, 7)},
    tables=(2, 2, 4, 4, 6, 8),
)
"""Closed on Mondays."""

# --- the book -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Booking:
    """A table that is taken."""

    name: str
    start: datetime
    people: int


Answer = Literal["free", "full", "closed", "past", "too_far", "too_many"]
"""Whether one can come: yes; all tables taken; not open; no more; too far ahead; no table is so large."""


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether one can come, and if not, the nearest times at which one could."""

    answer: Answer
    alternatives: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Booked:
    """What came of a wish to book: `booking`, or why not. `again` if just that had been booked before."""

    availability: Availability
    booking: Booking | None = None
    again: bool = False


_SCHEMA = """
CREATE TABLE IF NOT EXISTS booking (
    name TEXT NOT NULL COLLATE NOCASE, start TEXT NOT NULL, people INTEGER NOT NULL, seat INTEGER NOT NULL,
    owner TEXT NOT NULL DEFAULT '', UNIQUE (seat, start)
)"""
_OLDER = "ALTER TABLE booking ADD COLUMN owner TEXT NOT NULL DEFAULT ''"
_ALTERNATIVES = 2


class TableBook:
    """Shared by all sessions. Times are the restaurant's local ones, without a zone.

    Every call raises ProviderError when the database fails. Cancel-safe: a call that has begun is finished,
    so what was cancelled may have been booked; asking again gives the same booking.
    """

    def __init__(self, path: Path | None = None, restaurant: Restaurant = RESTAURANT) -> None:
        """`path` is the file, made when it is missing; None keeps the book in memory."""
        self.restaurant = restaurant
        self._path = path
        self._worker = Worker("bookings")
        self._connection: sqlite3.Connection | None = None

    async def check(self, start: datetime, people: int, now: datetime) -> Availability:
        """Whether `people` can come at `start`."""
        return await self._run(lambda book: _check(book, self.restaurant, start, people, now))

    async def book(self, name: str, start: datetime, people: int, now: datetime, owner: str = "") -> Booked:
        """Take a table for `owner`. The same name for the same time is the same booking of theirs, not a second one."""
        wish = Booking(name, start, people)
        return await self._run(lambda book: _book(book, self.restaurant, wish, now, owner))

    async def cancel(
        self, name: str, now: datetime, day: date | None = None, owner: str = ""
    ) -> tuple[Booking, ...]:
        """Give back the one table of `owner`'s under `name`, on `day` if given. If there are several, just return
        them. Those of others are not there for them."""
        return await self._run(lambda book: _cancel(book, name, now, day, owner))

    def close(self) -> None:
        """End the thread and close the file. Blocks, so call it off the loop. May be called twice."""
        self._worker.close()
        if self._connection is not None:
            self._connection.close()

    async def _run(self, query: Callable[[sqlite3.Connection], T]) -> T:
        return await self._worker.run(lambda: self._query(query))

    def _query(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """One transaction, on the thread."""
        try:
            if self._connection is None:
                self._connection = _open(self._path)
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                return query(self._connection)
        except (sqlite3.Error, OSError) as error:
            raise ProviderError(f"the table book failed: {error}") from error


def _open(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    # Closed by another thread than its own, after that one has ended.
    connection = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
    try:
        connection.execute(_SCHEMA)
        if "owner" not in {row[1] for row in connection.execute("PRAGMA table_info(booking)")}:
            connection.execute(_OLDER)
    except sqlite3.Error:
        connection.close()  # not a table book, or no database at all
        raise
    return connection


# --- queries, inside a transaction ----------------------------------------------------------------------


def _check(
    book: sqlite3.Connection, restaurant: Restaurant, start: datetime, people: int, now: datetime
) -> Availability:
    if people > restaurant.largest_table:
        return Availability("too_many")
    if start < now:
        return Availability("past", _alternatives(book, restaurant, start, people, now))
    if (start.date() - now.date()).days > restaurant.days_ahead:
        return Availability("too_far")
    if not restaurant.is_open_at(start):
        return Availability("closed", _alternatives(book, restaurant, start, people, now))
    if _free_seat(book, restaurant, start, people) is None:
        return Availability("full", _alternatives(book, restaurant, start, people, now))
    return Availability("free")


def _alternatives(
    book: sqlite3.Connection, restaurant: Restaurant, start: datetime, people: int, now: datetime
) -> tuple[datetime, ...]:
    """The nearest free times of the same day, or else of the first day within a week that has one."""
    for days in range(8):
        wanted = max(start, now) + timedelta(days=days)
        starts = sorted(
            (
                begin
                for begin in restaurant.starts_on(wanted.date())
                if begin > now and begin.minute % 30 == 0
            ),
            key=lambda begin: abs(begin - wanted),
        )
        free = [begin for begin in starts if _free_seat(book, restaurant, begin, people) is not None]
        if free:
            return tuple(free[:_ALTERNATIVES])
    return ()


def _free_seat(book: sqlite3.Connection, restaurant: Restaurant, start: datetime, people: int) -> int | None:
    """The smallest table free for a sitting from `start`, as its place in `restaurant.tables`."""
    around = (_text(start - restaurant.sitting), _text(start + restaurant.sitting))
    rows = book.execute("SELECT seat FROM booking WHERE start > ? AND start < ?", around)
    taken = {seat for (seat,) in rows}
    fitting = (
        (size, seat) for seat, size in enumerate(restaurant.tables) if size >= people and seat not in taken
    )
    return min(fitting, default=(0, None))[1]


def _book(
    book: sqlite3.Connection, restaurant: Restaurant, wish: Booking, now: datetime, owner: str
) -> Booked:
    had = book.execute(
        "SELECT 1 FROM booking WHERE name = ? AND start = ? AND people = ? AND owner = ?",
        (wish.name, _text(wish.start), wish.people, owner),
    ).fetchone()
    if had:
        return Booked(Availability("free"), wish, again=True)
    availability = _check(book, restaurant, wish.start, wish.people, now)
    if availability.answer != "free":
        return Booked(availability)
    seat = _free_seat(book, restaurant, wish.start, wish.people)
    book.execute(
        "INSERT INTO booking (name, start, people, seat, owner) VALUES (?, ?, ?, ?, ?)",
        (wish.name, _text(wish.start), wish.people, seat, owner),
    )
    return Booked(availability, wish)


def _cancel(
    book: sqlite3.Connection, name: str, now: datetime, day: date | None, owner: str
) -> tuple[Booking, ...]:
    rows = book.execute(
        "SELECT rowid, name, start, people FROM booking WHERE name = ? AND start >= ? AND owner = ? ORDER BY start",
        (name, _text(now), owner),
    ).fetchall()
    found = {row[0]: Booking(row[1], datetime.fromisoformat(row[2]), row[3]) for row in rows}
    found = {row: booking for row, booking in found.items() if day in (None, booking.start.date())}
    if len(found) == 1:
        book.execute("DELETE FROM booking WHERE rowid = ?", tuple(found))
    return tuple(found.values())


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
