"""Tables on the disk: what was written is found, and nothing else is."""

from pathlib import Path

import pytest

from stages.runtime.text_table import Column, TextTable, write_table

ENTRIES = {f"key {number}": {"é": number / 3, "none": None} for number in range(1000)} | {"": [], "ключ": "ё"}


@pytest.fixture
def table(tmp_path: Path) -> TextTable:
    write_table(tmp_path / "table", ENTRIES.items())
    return TextTable(tmp_path / "table")


def test_all_that_was_written_is_found(table: TextTable) -> None:
    assert {key: table.get(key) for key in ENTRIES} == ENTRIES


def test_what_was_not_written_is_not_found(table: TextTable) -> None:
    assert "key 1000" not in table
    assert table.get("key") is None
    assert table.get("key \ud83d") is None  # half a character, as some models make


def test_a_column_is_asked_for_the_rest_of_its_keys(table: TextTable) -> None:
    column = Column(table, "key ")
    assert "7" in column
    assert column.get("999") == ENTRIES["key 999"]
    assert "ключ" not in column


@pytest.mark.parametrize(
    "content", [b"no table", b"TEXTTAB2\0\0\0\0\x10\0\0\0", b"TEXTTAB2\xff\0\0\0\x10\0\0\0"]
)
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(ValueError, match="table of texts"):
        TextTable(tmp_path / "other")


def test_a_part_of_a_table_is_refused_as_a_whole(tmp_path: Path) -> None:
    write_table(tmp_path / "table", ENTRIES.items())
    whole = (tmp_path / "table").read_bytes()
    (tmp_path / "table").write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="table of texts"):
        TextTable(tmp_path / "table")


def test_an_empty_table_has_nothing(tmp_path: Path) -> None:
    write_table(tmp_path / "table", [])
    assert TextTable(tmp_path / "table").get("key") is None
