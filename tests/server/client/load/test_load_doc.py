"""What docs/load.md shows works as it stands there."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from server.client.load.figures.objectives import read_objectives
from server.client.load.measuring.scenario_file import read_mix
from server.client.load.script import Mix
from server.client.load.wire import Audio, Order

DOC = Path(__file__).parents[4] / "docs" / "load.md"


def written(folder: Path) -> list[Mix]:
    """The scenario files of the document."""
    mixes = []
    for text in re.findall(r"```yaml scenario\n(.*?)```", DOC.read_text(), re.DOTALL):
        (folder / "mix.yaml").write_text(text)
        mixes.append(read_mix(folder / "mix.yaml"))
    return mixes


def test_the_scenarios_of_the_document_are_some(tmp_path: Path) -> None:
    mix = written(tmp_path)[0]
    assert len(mix.scenarios[0].steps) == 13
    assert read_objectives(mix.objectives)
    assert len(written(tmp_path)) == 2


def test_the_objectives_of_the_commands_can_be_read() -> None:
    written = re.findall(r'--search "(.*?)"', DOC.read_text())
    assert written
    assert read_objectives(written)


def test_the_protocol_of_ones_own_carries_audio_both_ways() -> None:
    (example,) = re.findall(r"```python target\n(.*?)```", DOC.read_text(), re.DOTALL)
    assert len(example.splitlines()) <= 50
    names: dict[str, Any] = {}
    exec(example, names)
    samples = np.arange(320, dtype=np.int16)
    (sound,) = names["Mine"]().hear(names["Mine"].prepare(samples))
    assert isinstance(sound, Audio)
    assert np.array_equal(sound.samples, samples)
    assert names["Mine"]().hear(json.dumps({"done": True})) == [Order.ANSWER_ENDS]
