"""Joins files that come in parts: `join.py DIRECTORY` makes `model.bin` of `model.bin.part1`, `model.bin.part2`, …"""

import re
import shutil
import sys
from pathlib import Path


def main(directory: Path) -> None:
    """Write the whole files beside their parts."""
    parts = [path for path in directory.iterdir() if re.search(r"\.part\d+$", path.name)]
    for whole in {path.with_suffix("") for path in parts}:
        own = [path for path in parts if path.with_suffix("") == whole]
        with whole.open("wb") as target:
            for path in sorted(own, key=lambda path: int(path.suffix.removeprefix(".part"))):
                with path.open("rb") as source:
                    shutil.copyfileobj(source, target, 1 << 20)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
