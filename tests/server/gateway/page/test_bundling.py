"""Modules become one file that does and exports the same; what is not understood is refused."""

import subprocess
from pathlib import Path

import pytest

from server.gateway.page.bundling import bundle, bundle_styles

MODULES = {
    "entry.js": '/** Opens. */\n\nimport { a as first, b } from "./left.js";\n'
    'import {\n  told,\n} from "./right-one.js";\n'
    'import "./effect.js";\nexport const sum = () => first + b + told.length; // at the end of a line\n',
    "left.js": 'import { told } from "./right-one.js";\nconst name = 1; // in each module of its own\n'
    "export const a = name;\nexport class B {}\nexport const b = told.length;\n",
    "right-one.js": 'const name = "x";\n/**\n * One `import` of\n * many.\n */\nexport const told = [name];\n',
    "effect.js": 'import { told } from "./right-one.js";\ntold.push("effect");\nexport async function never() {}\n',
}


def test_one_file_does_what_the_modules_do(tmp_path: Path) -> None:
    made = bundle("entry.js", MODULES)
    assert "Opens" not in made
    assert made.count("const $right_one") == 1, "each module is there once"
    (tmp_path / "entry.mjs").write_text(made)
    (tmp_path / "test.mjs").write_text('import { sum } from "./entry.mjs"; console.log(sum());')
    done = subprocess.run(["node", tmp_path / "test.mjs"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "4"  # 1 + 1 + the two that it was told


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("export let changing = 1;\n", "entry.js: 'export let changing = 1;'"),
        ('import all from "./left.js";\n', "cannot be bundled"),
        ('import "./entry.js";\n', "entry.js imports entry.js"),
    ],
)
def test_what_is_not_understood_is_refused(source: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        bundle("entry.js", {**MODULES, "entry.js": source})


def test_style_sheets_get_what_they_import() -> None:
    sheets = {"a.css": '@import "b.css";\n@import "c.css";\np {}\n', "b.css": "b {}\n", "c.css": "c {}\n"}
    assert bundle_styles("a.css", sheets) == "b {}\nc {}\np {}\n"
