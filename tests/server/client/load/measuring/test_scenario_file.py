"""Scenario files: what can be written, all faults at once, and the sounds that are made of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio.files import write_wav
from audio.formats import Samples
from server.client.load.default_mix import DEFAULT_MIX
from server.client.load.measuring.scenario_file import (
    ScenarioError,
    check_mix,
    make_voicebox,
    needs_voice,
    read_mix,
)
from server.client.load.reference.agent import tone
from server.client.load.script import BargeIn, Cut, HangUp, ReadSlowly, Say
from server.client.load.targets import Pcm, Voice

WRITTEN = """
seed: 7
prebuffer_ms: 40
objectives: ["v2v_p95<1500", "gaps=0"]
scenarios:
  - name: everything
    weight: 2
    think_ms: [100, 200]
    tools: [{name: clock, result: noon}]
    steps:
      - say: ["I would like", 700, "a table"]
      - file: question.wav
      - barge_in: {say: "stop", after_ms: 900}
      - backchannel: {say: "mhm"}
      - noise_ms: 500
      - silence_ms: 300
        expect: nothing
      - type: "hello"
      - read_slowly_ms: 2000
      - music_ms: 500
      - half_open_ms: 3000
        expect: closed
      - say: "what time is it"
        calls: clock
      - resume: {after_ms: 300, away_ms: 100}
      - say: "and then"
        expect: null
      - hang_up: true
  - name: cut
    steps: [{say: "bye", expect: nothing}, {cut: true}]
"""


def speak(text: str) -> tuple[Samples, int]:
    return tone(100 * len(text.split())), 24_000


def test_a_scenario_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mix.yaml"
    path.write_text(WRITTEN)
    write_wav(tmp_path / "question.wav", tone(500), 24_000)
    mix = read_mix(path)
    kinds = [type(step) for step in mix.scenarios[0].steps]
    assert (kinds[0], kinds[2], kinds[7], kinds[-1]) == (Say, BargeIn, ReadSlowly, HangUp)
    assert isinstance(mix.scenarios[1].steps[1], Cut)
    assert needs_voice(mix)
    box = make_voicebox(mix, Voice, speak, tmp_path)
    assert box.steps["everything", 0].lasts_s == pytest.approx(0.3 + 0.7 + 0.2, abs=0.03)
    assert box.steps["everything", 1].voiced_s == pytest.approx((0.0, 0.5))
    again = make_voicebox(mix, Voice, speak, tmp_path)
    for key, utterance in box.steps.items():
        assert np.array_equal(utterance.samples, again.steps[key].samples)


WRONG = """
seed: -1
objectives: ["speed>9000"]
scenarios:
  - name: a
    weight: 0
    steps:
      - shout: "hello"
      - say: "hello"
        within_ms: fast
      - barge_in: {after_ms: 10}
      - noise_ms: 5
      - half_open_ms: 1
      - resume: {away: 1}
      - music_ms: long
  - name: b
    think_ms: [9, 1]
    steps: []
"""


def test_all_faults_are_named_at_once_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    with pytest.raises(ScenarioError) as error:
        read_mix(path)
    lines = str(error.value).splitlines()
    places = [line.removeprefix(f"{path}: ").split(": ")[0] for line in lines]
    assert places == [
        "seed",
        "scenarios.1.weight",
        "scenarios.1.steps.1",
        "scenarios.1.steps.2.within_ms",
        "scenarios.1.steps.3.barge_in",
        "scenarios.1.steps.4.noise_ms",
        "scenarios.1.steps.5.half_open_ms",
        "scenarios.1.steps.6.resume.away",
        "scenarios.1.steps.7.music_ms",
        "scenarios.2.steps",
        "scenarios.2.think_ms",
        "objectives",
    ]
    assert "a step has one of: say, file" in lines[2]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("- a list", "must be a mapping with `scenarios`, not list"),
        ("", "must be a mapping with `scenarios`, not nothing"),
        ("scenarios: " + "[" * 3_000 + "]" * 3_000, "lists in lists without end"),
        ("scenarios: []", "scenarios: must not be empty"),
        ("scenarios: [{name: a, steps: [{say: ''}]}]", "steps.1.say: must not be empty"),
        (
            "scenarios: [{name: a, steps: [{cut: true}], speed: 3}]",
            "scenarios.1.speed: there is no such field",
        ),
        (f"scenarios: [{{name: a, steps: [{'{cut: true}, ' * 201}]}}]", "steps: at most 200, not 201"),
        ("scenarios: [{name: a, weight: 0, steps: [{cut: true}]}]", "weight: Input should be greater than 0"),
        ("scenarios: [{name: a, weight: .nan, steps: [{cut: true}]}]", "weight: Input should be"),
        ("scenarios: [", "no YAML"),
        ("\x00", "no YAML"),
        ("scenarios: [{name: a, steps: [{barge_in: {say: x}}]}]", "in the middle of an answer"),
        ("scenarios: [{name: a, steps: [{resume: {after_ms: 1}}]}]", "in the middle of an answer"),
        ("scenarios: [{name: a, steps: [{say: x, calls: clock}]}]", "no tool 'clock'"),
        ("scenarios: [{name: a, steps: [{say: 'I am {caller}'}]}]", "all callers say the same"),
        ("scenarios: [{name: a, tools: [{name: t}, {name: t}], steps: [{cut: true}]}]", "two tools"),
        ("scenarios: [{name: a, steps: [{cut: true}]}, {name: a, steps: [{cut: true}]}]", "two scenarios"),
        ("scenarios: [{name: a, steps: [{say: x, file: y}]}]", "either `say` or `file`"),
        (
            "scenarios: [{name: a, steps: [{say: x}, {barge_in: {say: y, after_ms: 1, after_words: 1}}]}]",
            "`after_ms` or `after_words`, not both",
        ),
        ("!!python/object/apply:os.system ['true']", "no YAML"),
    ],
)
def test_what_is_no_scenario_is_said_in_a_line(tmp_path: Path, written: str, said: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(written)
    with pytest.raises(ScenarioError, match=said) as error:
        read_mix(path)
    assert len(str(error.value).splitlines()) == 1


def test_a_file_that_is_not_there_or_no_text_is_said(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="No such file"):
        read_mix(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ScenarioError, match="UTF-8"):
        read_mix(tmp_path / "bytes.yaml")


def test_all_sounds_that_cannot_be_made_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "noise.wav").write_text("no sound")
    steps = [{"file": "none.wav"}, {"file": "noise.wav"}, {"say": "hello"}, {"type": "hello"}]
    more: list[Any] = [{"file": "none.wav"}, {"resume": {}}]
    mix = check_mix({"scenarios": [{"name": "a", "tools": [{"name": "t"}], "steps": [*steps, *more]}]}, "mix")
    with pytest.raises(ScenarioError) as error:
        make_voicebox(mix, Pcm, None, tmp_path)
    lines = str(error.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        *(f"step {number}" for number in range(1, 7)),
        "tools",
    ]
    assert "none.wav" in lines[0]
    assert "embedded voice" in lines[2]
    assert "audio alone" in lines[3]
    assert "needs voice.v1" in lines[5]
    assert "knows no tools" in lines[6]


def test_the_mix_without_a_scenario_needs_a_voice_and_nothing_else() -> None:
    assert needs_voice(DEFAULT_MIX)
    assert make_voicebox(DEFAULT_MIX, Voice, speak, Path("nowhere")).steps


def test_a_name_that_comes_twice_is_said_beside_the_other_faults() -> None:
    twice = [{"name": "Zürich 日本", "steps": [{"shout": 1}]}] * 2
    with pytest.raises(ScenarioError) as error:
        check_mix({"scenarios": twice, "seed": -1}, "mix")
    assert str(error.value).splitlines()[-1] == "mix: two scenarios are called 'Zürich 日本'"
    assert len(str(error.value).splitlines()) == 4


def test_without_objectives_a_server_has_to_work_at_all() -> None:
    steps = [{"name": "a", "steps": [{"type": "hello"}]}]
    wanted = {"missed=0", "not_stopped=0", "lost=0", "refused=0", "errors=0"}
    assert set(check_mix({"scenarios": steps}, "mix").objectives) == wanted
    assert check_mix({"scenarios": steps, "objectives": []}, "mix").objectives == ()
