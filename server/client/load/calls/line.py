"""What a script does to the line of its caller, and what became of it. Pure."""

from enum import Enum, auto


class LineState(Enum):
    """Whether a caller has a line."""

    UP = auto()
    LOST = auto()
    BACK = auto()
    """It was lost, and the session goes on over another."""


class CallerLine:
    """One caller's line. The script writes what is to be done, the runner does it, and tells what happened."""

    def __init__(self) -> None:
        self.reads_from_s = 0.0
        """Until then nothing is to be taken from the socket."""
        self.dead_until_s = 0.0
        """Until then nothing is to go over it, either way."""
        self.state = LineState.UP
        self.return_ms = 0.0
        """How long coming back took, once that was tried."""
        self.may_end = False
        """Whether it is the script's wish that the server should end the call."""
        self._away_s: float | None = None

    def cut(self, away_s: float) -> None:
        """The connection is to be cut, and to be opened again so much later."""
        self._away_s, self.state = away_s, LineState.UP

    @property
    def is_to_be_cut(self) -> bool:
        """Whether the connection is to be cut now."""
        return self._away_s is not None

    def take_cut(self) -> float | None:
        """How long the caller is to be away, if the connection is to be cut now."""
        away_s, self._away_s = self._away_s, None
        return away_s

    def changed(self, return_s: float | None) -> None:
        """The line is lost (None), or back, which took so long."""
        if return_s is None:
            self.state = LineState.LOST
        else:
            self.state, self.return_ms = LineState.BACK, return_s * 1000
