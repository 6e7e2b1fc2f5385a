"""What docs/load.md shows works as it stands there."""

import re
from pathlib import Path

from server.client.load.objectives import read_objectives
from server.client.load.scenario_file import read_mix

DOC = Path(__file__).parents[4] / "docs" / "load.md"


def test_the_scenario_of_the_document_is_one(tmp_path: Path) -> None:
    (written,) = re.findall(r"```yaml scenario\n(.*?)```", DOC.read_text(), re.DOTALL)
    (tmp_path / "mix.yaml").write_text(written)
    mix = read_mix(tmp_path / "mix.yaml")
    assert len(mix.scenarios[0].steps) == 13
    assert read_objectives(mix.objectives)


def test_the_objectives_of_the_commands_can_be_read() -> None:
    written = re.findall(r'--search "(.*?)"', DOC.read_text())
    assert written
    assert read_objectives(written)
