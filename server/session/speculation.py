"""What preparing answers in pauses has brought a session: how many were kept, and how much waiting they saved."""

from dataclasses import dataclass


@dataclass(slots=True)
class Speculation:
    """Counts the answers that one session has prepared in pauses, by the floor's commands."""

    started: int = 0
    """Answers begun before the end was certain."""
    kept: int = 0
    dropped: int = 0
    saved_ms: int = 0
    """Milliseconds for which kept answers had already been on their way when the end was certain."""
    _began_at: float | None = None

    def line(self) -> str:
        """The counts on one line of a log."""
        return (
            f"answers begun in pauses: {self.started}, kept: {self.kept}, dropped: {self.dropped}, "
            f"{self.saved_ms} ms of waiting saved"
        )

    def start(self, now: float) -> None:
        """An answer was begun; whether ahead of time is known when it is committed."""
        self.started += 1
        self._began_at = now

    def commit(self, now: float) -> None:
        """The prepared answer is wanted."""
        if self._began_at is None:
            return
        if now > self._began_at:
            self.kept += 1
            self.saved_ms += round((now - self._began_at) * 1000)
        else:
            self.started -= 1
        self._began_at = None

    def drop(self) -> None:
        """The prepared answer is not wanted."""
        self.dropped += 1
        self._began_at = None
