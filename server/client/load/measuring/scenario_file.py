"""Scenario files in YAML, and the sounds that they need: everything that is wrong with them is told at once."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import ValidationError

from audio.errors import AudioFileError
from audio.files import read_audio
from audio.formats import Samples
from audio.resample import Resampler
from server.client.load.figures.objectives import ObjectivesError, read_objectives
from server.client.load.hearing.mouth import Voicebox
from server.client.load.hearing.utterance import PreparedUtterance, hush, join, music, noise, prepare
from server.client.load.script import (
    Backchannel,
    BargeIn,
    Mix,
    Music,
    Noise,
    Resume,
    Say,
    SayOver,
    Step,
    Typed,
)
from server.client.load.wire import Target, TargetError
from server.domain.errors import ServerError

Speak: TypeAlias = Callable[[str], tuple[Samples, int]]
"""A voice: the text as `(int16[n], rate_hz)`."""

_LONGEST_FILE_BYTES = 1 << 20


class ScenarioError(ServerError):
    """A scenario that cannot be run; the message has a line for each fault."""


def read_mix(path: Path) -> Mix:
    """The file. Raises ScenarioError that names all its faults."""
    try:
        import yaml
    except ImportError:
        raise ScenarioError(
            "scenarios need the package PyYAML: run `scripts/setup load`, or `pip install 'stageflow-voice[load]'`"
        ) from None
    try:
        if path.stat().st_size > _LONGEST_FILE_BYTES:
            raise ScenarioError(f"{path}: longer than {_LONGEST_FILE_BYTES} bytes")
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    except yaml.YAMLError as error:
        raise ScenarioError(f"{path}: no YAML: {' '.join(str(error).split())}") from error
    except RecursionError:
        raise ScenarioError(f"{path}: no scenario: lists in lists without end") from None
    return check_mix(written, str(path))


def check_mix(written: Any, name: str) -> Mix:
    """The mix that was written. Raises ScenarioError that names all faults."""
    faults: list[str] = []
    mix: Mix | None = None
    if not isinstance(written, dict):
        given = "nothing" if written is None else type(written).__name__
        raise ScenarioError(f"{name}: must be a mapping with `scenarios`, not {given}")
    try:
        mix = Mix.model_validate(written)
    except ValidationError as error:
        faults += [
            f"{name}: {_place(fault['loc'])}: {_why(fault)}"
            for fault in error.errors()
            if not _follows(fault)
        ]
    objectives = written.get("objectives")
    if isinstance(objectives, list):
        try:
            read_objectives([text for text in objectives if isinstance(text, str)])
        except ObjectivesError as error:
            faults += [f"{name}: objectives: {line}" for line in str(error).splitlines()]
    faults += [f"{name}: two scenarios are called {twice!r}" for twice in _said_twice(written)]
    if faults or mix is None:
        raise ScenarioError("\n".join(faults))
    return mix


def make_voicebox(mix: Mix, target: type[Target], speak: Speak | None, folder: Path) -> Voicebox:
    """Prepare all that is said. Files are looked for in `folder`. Raises ScenarioError that names all faults."""
    maker, steps, faults = _Maker(target, speak, folder, mix.seed), {}, []
    for scenario, number, step in all_steps(mix):
        try:
            utterance = maker.make(step, number)
        except (AudioFileError, TargetError, ScenarioError) as error:
            faults.append(f"{scenario}: step {number + 1}: {error}")
            continue
        if utterance is not None:
            steps[scenario, number] = utterance
    for one in mix.scenarios:
        try:
            target().declare(one.tools)
        except TargetError as error:
            faults.append(f"{one.name}: tools: {error}")
    if faults:
        raise ScenarioError("\n".join(dict.fromkeys(faults)))
    return Voicebox(hush(target, mix.seed), steps)


def needs_voice(mix: Mix) -> bool:
    """Whether a text is to be spoken."""
    return any(_spoken(step) is not None and _spoken(step).say is not None for _, _, step in all_steps(mix))  # type: ignore[union-attr]


def all_steps(mix: Mix) -> Iterator[tuple[str, int, Step]]:
    """Scenario, place and step of each."""
    for scenario in mix.scenarios:
        for number, step in enumerate(scenario.steps):
            yield scenario.name, number, step


def _spoken(step: Step) -> Say | SayOver | None:
    match step:
        case Say():
            return step
        case BargeIn():
            return step.barge_in
        case Backchannel():
            return step.backchannel
    return None


class _Maker:
    """Makes utterances, each text and file once."""

    def __init__(self, target: type[Target], speak: Speak | None, folder: Path, seed: int) -> None:
        self._target = target
        self._speak = speak
        self._folder = folder
        self._seed = seed
        self._made: dict[Any, PreparedUtterance] = {}

    def make(self, step: Step, number: int) -> PreparedUtterance | None:
        if isinstance(step, Typed):
            self._target().typed(step.type)
        if isinstance(step, Resume) and not self._target.can_resume:
            raise TargetError(
                f"{self._target.__name__} has no way back to a session; `resume` needs voice.v1"
            )
        if isinstance(step, Noise | Music):
            rate_hz, seed, level_dbfs = self._target.rate_hz, self._seed + number, step.level_dbfs
            made = (
                noise(rate_hz, step.noise_ms, level_dbfs, seed)
                if isinstance(step, Noise)
                else music(rate_hz, step.music_ms, level_dbfs, seed)
            )
            return prepare(self._target, made, rate_hz)
        spoken = _spoken(step)
        if spoken is None:
            return None
        key = spoken.file or spoken.say
        if key not in self._made:
            self._made[key] = self._record(spoken)
        return self._made[key]

    def _record(self, spoken: Say | SayOver) -> PreparedUtterance:
        if spoken.file is not None:
            return prepare(self._target, *read_audio(self._folder / spoken.file))
        parts = (spoken.say,) if isinstance(spoken.say, str) else spoken.say or ()
        rate_hz = self._target.rate_hz
        return prepare(self._target, join([self._sound(part) for part in parts], rate_hz), rate_hz)

    def _sound(self, part: str | int) -> Samples | int:
        if isinstance(part, int):
            return part
        if self._speak is None:
            raise ScenarioError(
                "texts need the embedded voice: run `scripts/setup embedded`, or give a `file`"
            )
        samples, rate_hz = self._speak(part)
        return Resampler(rate_hz, self._target.rate_hz).process(samples, last=True)


def _said_twice(written: dict[str, Any]) -> list[str]:
    """Names of more than one scenario, in whatever else is wrong."""
    scenarios = written.get("scenarios")
    named = (
        [one.get("name") for one in scenarios if isinstance(one, dict)] if isinstance(scenarios, list) else []
    )
    counts = Counter(one for one in named if isinstance(one, str))
    return sorted(one for one, count in counts.items() if count > 1)


def _place(location: tuple[int | str, ...]) -> str:
    """`scenarios.2.steps.1.within_ms`, counted from 1, without the names that pydantic gives to kinds of steps."""
    words = [str(part + 1) if isinstance(part, int) else part for part in location]
    steps = [at for at, part in enumerate(words) if part == "steps"]
    return ".".join(word for at, word in enumerate(words) if not (steps and at == steps[0] + 2))


def _follows(fault: Mapping[str, Any]) -> bool:
    """Whether this is only since what is in it is wrong: a list that is too short without its faulty members."""
    return fault["type"] == "too_short" and bool(fault["input"])


def _why(fault: Mapping[str, Any]) -> str:
    if fault["type"] in ("too_short", "string_too_short"):
        return "must not be empty" if fault["ctx"]["min_length"] == 1 else str(fault["msg"])
    if fault["type"] == "extra_forbidden":
        return "there is no such field"
    if fault["type"] == "too_long":
        return f"at most {fault['ctx']['max_length']}, not {fault['ctx']['actual_length']}"
    given = fault.get("input")
    shown = f" (it is {given!r})" if isinstance(given, str | int | float) and len(str(given)) < 60 else ""
    return f"{str(fault['msg']).removeprefix('Value error, ')}{shown}"
