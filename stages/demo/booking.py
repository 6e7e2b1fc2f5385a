"""The table book of a small restaurant, in SQLite: what is free, who has booked, who has cancelled.

One connection on one thread, so that no query ever runs on an event loop and no two of this process overlap. Every call
is a transaction that locks first, so several processes can share one file.
"""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

from stages.errors import ProviderError
from stages.runtime.worker import Worker

T = TypeVar("T")

OPENS, CLOSES = 12, {1: 22, 2: 22, 3: 22, 4: 23, 5: 23, 6: 22}
"""The hours, by weekday where Monday, which is the day off, is 0. The script says them in words."""

TABLES = (2, 2, 4, 4, 6, 8)
"""How many people each seats."""

SITTING, STEP = timedelta(minutes=90), timedelta(minutes=30)
"""How long a table is taken, and what lies between the times that are offered."""

DAYS_AHEAD = 60
_SCHEMA = """
CREATE TABLE IF NOT EXISTS booking (
    name TEXT NOT NULL COLLATE NOCASE, start TEXT NOT NULL, people INTEGER NOT NULL, seat INTEGER NOT NULL,
    owner TEXT NOT NULL DEFAULT '', UNIQUE (seat, start)
)"""
_OLDER = "ALTER TABLE booking ADD COLUMN owner TEXT NOT NULL DEFAULT ''"


class Booking(NamedTuple):
    """A table that is taken."""

    name: str
    start: datetime
    people: int


Reply: TypeAlias = tuple[str, Sequence[datetime]]
"""`free`, `booked`, or `booked_again` if just that had been; or why not: `full`, `closed`, `past`, `too_far`,
`too_many`. With it the nearest times at which one could come."""


class TableBook:
    """Shared by all sessions. Times are the restaurant's local ones, without a zone.

    Every call raises ProviderError when the database fails. Cancel-safe: a call that has begun is finished, so what was
    cancelled may have been booked; asking again gives the same booking.
    """

    def __init__(self, path: Path | None = None, tables: Sequence[int] = TABLES) -> None:
        """`path` is the file, made when it is missing; None keeps the book in memory."""
        self._path = path
        self._tables = tables
        self._worker = Worker("bookings")
        self._connection: sqlite3.Connection | None = None

    async def check(self, start: datetime, people: int, now: datetime) -> Reply:
        """Whether `people` can come at `start`."""
        return await self._run(lambda: self._check(start, people, now))

    async def book(self, wish: Booking, now: datetime, owner: str = "") -> Reply:
        """Take a table for `owner`. The same name for the same time is the same booking of theirs, not a second one."""
        return await self._run(lambda: self._book(wish, now, owner))

    async def cancel(
        self, name: str, now: datetime, day: date | None = None, owner: str = ""
    ) -> Sequence[Booking]:
        """Give back the one table of `owner`'s under `name`, on `day` if given. If there are several, just return
        them. Those of others are not there for them."""
        return await self._run(lambda: self._cancel(name, now, day, owner))

    def close(self) -> None:
        """End the thread and close the file. Blocks, so call it off the loop. May be called twice."""
        self._worker.close()
        if self._connection is not None:
            self._connection.close()

    async def _run(self, query: Callable[[], T]) -> T:
        return await self._worker.run(lambda: self._transaction(query))

    # --- on the worker's thread ---

    def _transaction(self, query: Callable[[], T]) -> T:
        try:
            self._connection = self._connection or _open(self._path)
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                return query()
        except (sqlite3.Error, OSError) as error:
            raise ProviderError(f"the table book failed: {error}") from error

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        assert self._connection is not None
        return self._connection.execute(statement, values).fetchall()

    def _check(self, start: datetime, people: int, now: datetime) -> Reply:
        starts = _starts_on(start.date())
        if people > max(self._tables):
            return "too_many", ()
        if (start.date() - now.date()).days > DAYS_AHEAD:
            return "too_far", ()
        if start >= now and starts and starts[0] <= start <= starts[-1]:
            if self._free_seat(start, people) is not None:
                return "free", ()
            return "full", self._alternatives(start, people, now)
        return "past" if start < now else "closed", self._alternatives(start, people, now)

    def _alternatives(self, start: datetime, people: int, now: datetime) -> Sequence[datetime]:
        """The two nearest free times of the same day, or else of the first day within a week that has one."""
        for days in range(8):
            wanted = max(start, now) + timedelta(days=days)
            nearest = sorted(_starts_on(wanted.date()), key=lambda begin: abs(begin - wanted))
            free = [begin for begin in nearest if begin > now and self._free_seat(begin, people) is not None]
            if free:
                return free[:2]
        return ()

    def _free_seat(self, start: datetime, people: int) -> int | None:
        """The smallest table free for a sitting from `start`, as its place in the tables."""
        around = (_text(start - SITTING), _text(start + SITTING))
        taken = {
            seat for (seat,) in self._rows("SELECT seat FROM booking WHERE start > ? AND start < ?", *around)
        }
        fitting = [
            (size, seat) for seat, size in enumerate(self._tables) if size >= people and seat not in taken
        ]
        return min(fitting)[1] if fitting else None

    def _book(self, wish: Booking, now: datetime, owner: str) -> Reply:
        values = (wish.name, _text(wish.start), wish.people, owner)
        if self._rows("SELECT 1 FROM booking WHERE (name, start, people, owner) = (?, ?, ?, ?)", *values):
            return "booked_again", ()
        answer, alternatives = self._check(wish.start, wish.people, now)
        if answer != "free":
            return answer, alternatives
        seat = self._free_seat(wish.start, wish.people)
        self._rows(
            "INSERT INTO booking (name, start, people, owner, seat) VALUES (?, ?, ?, ?, ?)", *values, seat
        )
        return "booked", ()

    def _cancel(self, name: str, now: datetime, day: date | None, owner: str) -> Sequence[Booking]:
        rows = self._rows(
            "SELECT rowid, name, start, people FROM booking WHERE name = ? AND start >= ? AND owner = ?"
            " AND ifnull(?, date(start)) = date(start) ORDER BY start",
            name, _text(now), owner, day and day.isoformat(),
        )  # fmt: skip
        if len(rows) == 1:
            self._rows("DELETE FROM booking WHERE rowid = ?", rows[0][0])
        return [Booking(name, datetime.fromisoformat(start), people) for _, name, start, people in rows]


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


def _starts_on(day: date) -> Sequence[datetime]:
    """The times at which one can come; the last leaves time for a whole sitting."""
    sittings = CLOSES.get(day.weekday(), OPENS) * 2 - OPENS * 2 - 2
    return [datetime.combine(day, time(OPENS)) + step * STEP for step in range(sittings)]


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
