"""What passes through the house passes no more files than docs/architecture.md says."""

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def test_no_way_through_the_house_is_longer_than_it_was() -> None:
    said = {
        name: int(most) for name, most in re.findall(r"^\| (a [^|]+?) \| (\d+) \|", DOCUMENT, re.MULTILINE)
    }
    found = runpy.run_path(str(ROOT / "scripts" / "count_hops.py"))["counts"]()
    assert said.keys() == found.keys()
    longer = {name: files for name, files in found.items() if len(files) > said[name]}
    assert not longer, "run scripts/count_hops.py files"
