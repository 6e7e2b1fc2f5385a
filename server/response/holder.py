"""Who has the floor, or last had it: the response that the person hears, or heard last."""

from dataclasses import dataclass

from server.response.run import ResponseRun


@dataclass(slots=True)
class FloorHolder:
    """Of one session; the keeper of the floor sets it."""

    answer: ResponseRun | None = None

    @property
    def text(self) -> str:
        """The words of the answer that has the floor."""
        return "" if self.answer is None else self.answer.text

    @property
    def heard_ms(self) -> int:
        """How much of it has been heard."""
        return 0 if self.answer is None else self.answer.heard_ms
