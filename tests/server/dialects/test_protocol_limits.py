"""The table of limits in docs/protocol.md is complete, and says what holds."""

import re
from pathlib import Path
from typing import get_args

import pytest

from server.dialects.realtime import commands, mcp_tools, setting_checks, unknown
from server.dialects.realtime.items import ItemPart
from server.dialects.realtime.limits import RealtimeLimits
from server.domain.limits import Limits
from server.response.requests import MAX_OUT_OF_BAND
from stages.guard import GuardPolicy

DOCUMENT = (Path(__file__).parents[3] / "docs" / "protocol.md").read_text()
ROWS = re.findall(
    r"^\| ([^|]+) \| ([^|]+) \| ([^|]*)\|",
    DOCUMENT.split("\n## Limits\n")[1].split("\n## ")[0].split("| --- |", 1)[1],
    re.MULTILINE,
)
SETTINGS = {setting.strip().strip("`"): limit.strip() for _, limit, setting in ROWS if setting.strip()}
FIXED = {
    "audio in one `append`, decoded": RealtimeLimits().max_audio_bytes,
    "characters of any other event, clips not counted": RealtimeLimits().max_command_chars,
    "characters of `instructions`, and of a text": get_args(setting_checks.Text)[1].metadata[0].max_length,
    "characters of JSON of a setting that is only kept": setting_checks.MAX_KEPT_CHARS,
    "`max_output_tokens`": setting_checks.MAX_OUTPUT_TOKENS,
    "tools of a client": setting_checks.MAX_TOOLS,
    "pieces of a message": next(
        limit.max_length
        for limit in ItemPart.model_fields["content"].metadata
        if hasattr(limit, "max_length")
    ),
    "items in `input`": commands.MAX_INPUT,
    "pieces of all items in `input`": commands.MAX_INPUT_PIECES,
    "pairs in `metadata`": commands.MAX_METADATA,
    "responses beside the conversation at once": MAX_OUT_OF_BAND,
    "MCP servers of a session": mcp_tools.MAX_SERVERS,
    "keys that are told as unknown in a session": unknown.MAX_TOLD,
    "characters of an item where the guard has rules": GuardPolicy().max_chars,
}


def number(text: str) -> float:
    """The first limit of a row, as the table writes it."""
    value, _, unit = re.split(r",(?!\d)", text)[0].replace(",", "").partition(" ")
    return float(value) * {"": 1, "s": 1, "KiB": 1 << 10, "MiB": 1 << 20}[unit]


def test_every_setting_is_in_it_with_its_default() -> None:
    assert {name: number(limit) for name, limit in SETTINGS.items()} == {
        name.upper(): field.default for name, field in Limits.model_fields.items()
    }


def test_what_is_fixed_is_so_in_the_code() -> None:
    fixed = {what: number(limit) for what, limit, setting in ROWS if not setting.strip()}
    assert fixed == FIXED


@pytest.mark.parametrize(
    "code", ["session_limit_reached", "rate_limit_exceeded", "too_much_audio", "too_many_responses"]
)
def test_what_it_says_of_the_errors_is_among_them(code: str) -> None:
    assert f"`{code}`" in DOCUMENT.split("\n## Errors and close codes\n")[1]
