"""What a worker counts of its calls, and how long it takes for them."""

from dataclasses import astuple, dataclass, field

PRESSING = 0
"""The priority of a call that somebody waits for in silence: what they said, the first sentence of an answer."""


@dataclass(frozen=True, slots=True)
class WorkerStatistics:
    """Calls that a worker has yet to do (`waiting`, `running`) and has got rid of (`done`, `dropped`)."""

    waiting: int
    running: int
    done: int
    dropped: int
    waited_s: float = field(default=0.0, compare=False)
    """How long the calls that were begun had waited, all together."""
    begun: int = field(default=0, compare=False)
    pressing: int = field(default=0, compare=False)
    """Those of the waiting calls that somebody waits for: they have the priority `PRESSING`."""
    pressed: int = field(default=0, compare=False)
    """Such calls that were computed, and ..."""
    pressed_s: float = field(default=0.0, compare=False)
    """... how long that took, all together."""
    computed: int = field(default=0, compare=False)
    """Calls of any priority that were computed, also those that nobody wanted any more, and ..."""
    computed_s: float = field(default=0.0, compare=False)
    """... how long that took."""
    running_s: float = field(default=0.0, compare=False)
    """How long the running call has run, if there is one."""

    def plus(self, other: "WorkerStatistics") -> "WorkerStatistics":
        """The counts of both together."""
        return WorkerStatistics(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))


@dataclass(slots=True)
class WorkerCounts:
    """What a worker has done, as it goes on; `WorkerStatistics` says what each is."""

    done: int = 0
    dropped: int = 0
    waited_s: float = 0.0
    begun: int = 0
    pressed: int = 0
    pressed_s: float = 0.0
    computed: int = 0
    computed_s: float = 0.0

    def begin(self, waited_s: float) -> None:
        """Note that a call is taken out of its line."""
        self.begun += 1
        self.waited_s += waited_s

    def end(self, priority: int, took_s: float) -> None:
        """Note that a call was computed."""
        self.computed, self.computed_s = self.computed + 1, self.computed_s + took_s
        if priority == PRESSING:
            self.pressed, self.pressed_s = self.pressed + 1, self.pressed_s + took_s
