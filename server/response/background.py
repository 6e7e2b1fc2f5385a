"""WORK stages of one turn: begun when what they need is there and the answer is let out; nothing waits for them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from server.response.context import ResponseContext
from server.telemetry.failures import line_of
from stageflow.context import ContextSnapshot
from stageflow.core import StageOutput
from stageflow.pipeline import PipelineCancelled, StageFailed
from stageflow.stages.ports import StagePorts
from stages.contract import STT, TEXT
from stages.work import Work

log = logging.getLogger(__name__)


class BackgroundWork:
    """The WORK stages of one response. What was begun belongs to the session: somebody who talks over the answer does
    not end it."""

    def __init__(self, context: ResponseContext, turn: int) -> None:
        self._context = context
        self._turn = turn
        self._waiting: list[Work] = []
        self._given: tuple[ContextSnapshot, StagePorts, Mapping[str, StageOutput]] | None = None
        self._is_let_out = False

    def expect(
        self,
        works: Sequence[Work],
        snapshot: ContextSnapshot,
        ports: StagePorts,
        outputs: Mapping[str, StageOutput],
    ) -> None:
        """A run begins; `outputs` grows with the stages that end."""
        self._waiting = list(works)
        if works:  # else nothing needs them; and they lead to the answer, which has this
            self._given = snapshot, ports, outputs

    def let_out(self) -> None:
        """The answer is said: what it did may be kept."""
        self._is_let_out = True
        self.go_on()

    def go_on(self) -> None:
        """Begin what can begin."""
        if not self._is_let_out or self._given is None:
            return
        snapshot, ports, outputs = self._given
        ready = [work for work in self._waiting if work.is_ready(outputs)]
        self._waiting = [work for work in self._waiting if work not in ready]
        for work in ready:
            self._context.tasks.start(self._do, work, snapshot, ports, outputs)

    def forget(self) -> None:
        """What has not begun will not."""
        self._waiting = []

    async def _do(
        self, work: Work, snapshot: ContextSnapshot, ports: StagePorts, outputs: Mapping[str, StageOutput]
    ) -> None:
        fields = {"session": self._context.session_id, "turn": self._turn}
        words = outputs[STT].data.get(TEXT) if STT in outputs else None
        try:
            snapshot = replace(snapshot, input_text=snapshot.input_text or words)
            await work.run(snapshot, dict(outputs), ports, deadline_s=self._context.deadlines.work_s)
        except StageFailed as failure:
            why = {"stage": failure.stage, "pii.error": failure.error}
            log.error("turn %d: %s", self._turn, line_of(failure), extra=fields | why)
        except PipelineCancelled as stop:
            log.info("work was given up", extra=fields | {"stage": stop.stage})
