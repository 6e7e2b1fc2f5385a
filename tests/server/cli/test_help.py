"""What `stageflow-voice --help` says."""

import pytest

from server.__main__ import COMMANDS, main


def test_the_help_says_what_the_program_is_and_names_every_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert "a voice agent server that you run yourself" in said
    assert all(f"    {name}" in said for name in COMMANDS)
