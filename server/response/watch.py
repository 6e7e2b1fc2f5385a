"""What an answer watches its run for: signs of life, decisions, calls of tools, and what stages tell the client."""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from server.conversation.memory import Entry
from server.domain.voice_events import ArtifactMade, StageEventTold
from server.response.background import BackgroundWork
from server.response.context import ResponseContext
from server.response.output import ResponseOutput
from server.response.run_limits import RunLimits
from server.response.verdicts import Verdicts
from stageflow.core import StageArtifact, StageEvent, StageKind, StageOutput, StageStatus
from stageflow.graph import StageSpec
from stageflow.pipeline import PipelineGraph
from stages.contract import CALLED, PRIVATE_EVENTS, STT, roles_of, route_of

log = logging.getLogger(__name__)

MAX_NEWS = 200
"""Events and artifacts of stages that one answer may tell the client."""

MAX_NEWS_CHARS = 64 << 10
"""The longest that one may be, as JSON."""

_LIFE = ("pipeline.", "stage.")

News = StageEventTold | ArtifactMade


class RunWatch:
    """Watches one run: `emit` is its event sink, `ended` is called by it at each stage's end, and may fail the run."""

    def __init__(
        self,
        graph: PipelineGraph,
        output: ResponseOutput,
        verdicts: Verdicts,
        limits: RunLimits,
        work: BackgroundWork,
        context: ResponseContext,
    ) -> None:
        self._roles = roles_of(graph)
        self._output = output
        self._verdicts = verdicts
        self._limits = limits
        self._work = work
        self._context = context
        self._left = MAX_NEWS
        self.outputs: dict[str, StageOutput] = {}
        """Of the stages that have ended."""
        verdicts.expect(self._roles.gate, context.now())

    def emit(self, event: StageEvent) -> None:
        """Take one of the run's events."""
        now = self._context.now()
        self._context.inbox.alive(self._output.run_id, now)
        self._limits.lives(now)
        if event.type == CALLED:
            self._output.calls.start(
                event.data["calls"]
            )  # while the words before them are still being spoken
        elif event.type == "stage.started":
            stage = str(event.data["stage"])
            self._limits.begins(stage, decides=stage in self._roles.deciders)
        elif event.type not in PRIVATE_EVENTS and not event.type.startswith(_LIFE):
            self.tell(event.stage or "", event.type, event.data)

    def ended(self, spec: StageSpec, output: StageOutput) -> None:
        """Take the end of a stage."""
        self.outputs[spec.name] = output
        self._limits.ends(spec.name)
        if (
            spec.kind is StageKind.ROUTE
            and output.status is StageStatus.OK
            and (route := route_of(output.data))
        ):
            self._verdicts.routed(route, self._context.now())
        if spec.optional and output.error:
            log.warning("an optional stage failed", extra={"stage": spec.name, "pii.error": output.error})
        for artifact in output.artifacts:
            self._artifact(spec.name, artifact)
        self._verdicts.stage_ended(spec.name, output, self._context.now())
        self._work.go_on()

    def tell(self, stage: str, name: str, data: Mapping[str, Any]) -> None:
        """Tell the client, and the log, of an event of a stage's."""
        log.info("stage event", extra={"stage": stage, "event": name, "pii.data": dict(data)})
        if (shown := self._shown(stage, dict(data))) is not None:
            self._news(StageEventTold(stage, name, shown))

    def _artifact(self, stage: str, artifact: StageArtifact) -> None:
        log.info("stage artifact", extra={"stage": stage, "artifact": artifact.type})
        if (shown := self._shown(stage, artifact.payload)) is not None:
            self._news(ArtifactMade(stage, artifact.type, shown))

    def _news(self, news: News) -> None:
        self._output.streams.current.event_nowait(replace(news, response_id=self._output.events.response.id))

    def _shown(self, stage: str, value: object) -> str | None:
        """The value as JSON; None if it is not told, which the log says."""
        try:
            text = json.dumps(value, ensure_ascii=False, default=str)
        except (TypeError, ValueError) as error:
            log.warning("what a stage tells cannot be JSON", extra={"stage": stage, "pii.error": str(error)})
            return None
        if len(text) > MAX_NEWS_CHARS or not self._left:
            limit = f"{MAX_NEWS_CHARS} characters each, {MAX_NEWS} an answer"
            log.warning("a stage tells too much (at most %s)", limit, extra={"stage": stage})
            return None
        self._left -= 1
        return text


class StageNews:
    """What a run's ports `send_status` and `send_transcript` lead to."""

    def __init__(self, watch: RunWatch | None, asked: Entry | None) -> None:
        """Without a `watch`, to nobody. `asked` are the words that are answered, of which the session tells the client
        itself."""
        self._watch = watch
        self._asked = asked

    async def send_status(self, stage: str, status: str, data: Mapping[str, Any] | None = None) -> None:
        """How far a stage is."""
        if self._watch is not None:
            self._watch.tell(stage, "status", {"status": status, "data": dict(data or {})})

    async def send_transcript(self, text: str, is_final: bool = True, **more: object) -> None:
        """What a stage has understood, if it is not what the session has."""
        is_known = self._asked is not None and text.strip() == self._asked.text.strip()
        if self._watch is not None and not is_known:
            self._watch.tell(STT, "transcript", {"text": text, "is_final": is_final, **more})
