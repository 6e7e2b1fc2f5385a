"""What the controller of several processes and they tell each other, as JSON messages. Pure."""

from typing import Annotated, Literal

import numpy as np
import pybase64
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from server.client.load.calls.place import Place
from server.client.load.calls.run import Findings, Progress
from server.client.load.calls.runner import Load
from server.client.load.hearing.mouth import Voicebox
from server.client.load.hearing.utterance import PreparedUtterance, hush, prepare
from server.client.load.script import Mix
from server.client.load.targets import find_target


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Job(_Message):
    """A share of a load, and all that it needs: a process has no scenario, no recordings and no voice of its own."""

    type: Literal["job"] = "job"
    url: str
    protocol: str
    api_key: str | None
    mix: Mix
    seed: int
    load: Load
    sounds: list[str]
    """What is said, `int16[n]` at the target's rate in base64, each once."""
    steps: list[tuple[str, int, int]]
    """Scenario, step, and which of these sounds it says."""

    def place(self) -> Place:
        """Whom to call. Raises TargetError."""
        return Place(self.url, find_target(self.protocol), self.api_key)

    def voicebox(self) -> Voicebox:
        """All that is said, prepared as it was at the controller. Raises TargetError, ValueError."""
        target = find_target(self.protocol)
        made = [
            prepare(target, np.frombuffer(pybase64.b64decode(sound, validate=True), "<i2"), target.rate_hz)
            for sound in self.sounds
        ]
        steps = {(scenario, step): made[sound] for scenario, step, sound in self.steps}
        return Voicebox(hush(target, self.mix.seed), steps)


class Start(_Message):
    """All processes are ready: begin."""

    type: Literal["start"] = "start"


class Stop(_Message):
    """Come to an end, and tell what was found."""

    type: Literal["stop"] = "stop"


class Ready(_Message):
    """All that is said is prepared."""

    type: Literal["ready"] = "ready"


class Going(_Message):
    """How far a process is with its share."""

    type: Literal["going"] = "going"
    progress: Progress


class Done(_Message):
    """The share of the load is over."""

    type: Literal["done"] = "done"
    findings: Findings


class Failed(_Message):
    """The process cannot do its share."""

    type: Literal["failed"] = "failed"
    message: str


ToWorker = Annotated[Job | Start | Stop, Field(discriminator="type")]
FromWorker = Annotated[Ready | Going | Done | Failed, Field(discriminator="type")]
TO_WORKER: TypeAdapter[Job | Start | Stop] = TypeAdapter(ToWorker)
FROM_WORKER: TypeAdapter[Ready | Going | Done | Failed] = TypeAdapter(FromWorker)


def make_job(place: Place, protocol: str, mix: Mix, voicebox: Voicebox, load: Load, seed: int) -> Job:
    """The job of a process."""
    known: dict[int, int] = {}
    sounds: list[str] = []
    steps: list[tuple[str, int, int]] = []

    def number(utterance: PreparedUtterance) -> int:
        if id(utterance) not in known:
            known[id(utterance)] = len(sounds)
            sounds.append(pybase64.b64encode(utterance.samples.astype("<i2").tobytes()).decode())
        return known[id(utterance)]

    for (scenario, step), utterance in voicebox.steps.items():
        steps.append((scenario, step, number(utterance)))
    return Job(
        url=place.url,
        protocol=protocol,
        api_key=place.api_key,
        mix=mix,
        seed=seed,
        load=load,
        sounds=sounds,
        steps=steps,
    )
