"""Records the sessions of a process, each in a file of its own, as far as the rules go."""

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio.to_thread

from server.config.recording import RecordingRules
from server.config.sources import SessionSources
from server.domain.errors import ConfigError
from server.domain.ids import Ids
from server.journal.chance import SEED_BYTES, seeded
from server.journal.file import RecordWriter, SessionFile
from server.journal.loops import FollowedLoop
from server.journal.origin import code_version
from server.journal.recording import recording
from server.journal.sessions import DoorSession
from server.journal.setup import Beginning, LiveParts, make_session, setup_of

log = logging.getLogger(__name__)

SUFFIX = ".journal"


class SeededIds(Ids):
    """The ids of a session that is recorded."""

    def __init__(self) -> None:
        self.seed = secrets.token_bytes(SEED_BYTES)
        super().__init__(seeded(self.seed))


class Recorder:
    """Records the sessions of one process. Files are counted when it begins; others should not write into the
    directory."""

    def __init__(self, rules: RecordingRules) -> None:
        """Raises ConfigError where nothing can be recorded."""
        assert rules.dir is not None, "somebody wants sessions recorded"
        if not isinstance(asyncio.get_running_loop(), FollowedLoop):
            raise ConfigError("record.dir: sessions can be recorded only by `stageflow-voice serve`")
        self._dir = rules.dir
        self._rules = rules
        self._writer = RecordWriter()
        self._files = 0
        self._told_full = False

    async def prepare(self) -> None:
        """Make the directory. Raises ConfigError."""
        try:
            self._files = await anyio.to_thread.run_sync(self._look)
        except OSError as error:
            raise ConfigError(f"record.dir: {self._dir} cannot be written to: {error}") from None
        log.warning(
            "every session is recorded in %s, with all that is said in sound and in words: tell people, "
            "and delete the files when you have what you need",
            self._dir,
        )

    def _look(self) -> int:
        self._dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self._dir, os.W_OK):
            raise PermissionError("no permission")
        code_version()  # reads files, and is known to all sessions from now on
        return len(list(self._dir.glob(f"*{SUFFIX}")))

    async def close(self) -> None:
        """Write what waits."""
        await anyio.to_thread.run_sync(self._writer.close)

    @property
    def has_room(self) -> bool:
        """Whether another session can be recorded; what cannot is told once."""
        if self._files < self._rules.max_files:
            return True
        if not self._told_full:
            self._told_full = True
            log.warning("%d recordings are in %s: no more sessions are recorded", self._files, self._dir)
        return False

    @asynccontextmanager
    async def session(
        self, sources: SessionSources, beginning: Beginning, live: LiveParts
    ) -> AsyncIterator[DoorSession]:
        """A session that is recorded, to be run within. Its opening has `SeededIds`."""
        ids = beginning.opening.ids
        assert isinstance(ids, SeededIds), "a session that is recorded has its chance written down"
        loop = asyncio.get_running_loop()
        assert isinstance(loop, FollowedLoop), "checked when the recorder was made"
        self._files += 1
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{self._files:04d}-{secrets.token_hex(4)}{SUFFIX}"
        file = SessionFile(self._dir / name, self._writer, self._rules.max_session_bytes)
        setup = setup_of(sources, beginning, ids.seed)
        file.begin(setup)
        try:
            async with recording(loop, ids, file) as door:
                session = make_session(door, setup, sources, live)
                log.info("session is recorded", extra={"session": session.id, "file": name})
                yield session
        finally:
            file.close()
