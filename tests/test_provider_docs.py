"""docs/providers.md says what the registry says; the documents' configuration files are right."""

import runpy
import tomllib
from pathlib import Path

import pytest

from server.config.tables import Tables

ROOT = Path(__file__).parents[1]


def test_the_page_of_providers_is_fresh() -> None:
    written = runpy.run_path(str(ROOT / "scripts" / "write_providers.py"))["page"]()
    assert (ROOT / "docs" / "providers.md").read_text("utf-8") == written, "run scripts/write-providers"


@pytest.mark.parametrize("name", ["extend.md", "agents.md"])
def test_configuration_in_the_documents_is_right(name: str) -> None:
    text = (ROOT / "docs" / name).read_text("utf-8")
    files = [part.partition("```")[0] for part in text.split("```toml\n")[1:]]
    assert files
    for file in files:
        table = tomllib.loads(file)
        if "project" not in table:  # that of a package is not ours
            Tables.model_validate(table)
            functions = table.get("tools", {}).get("functions", [])
            for agent in table.get("agents", []):
                functions = functions + agent.get("tools", [])
            names = {function.rpartition(":")[2] for function in functions}
            assert names >= set(table.get("tools", {}).get("confirmed", []))  # otherwise it is refused
