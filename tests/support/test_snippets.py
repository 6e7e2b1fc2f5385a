"""The reader of snippets: what it finds, and that a line of a snippet stays at its place in the document."""

import traceback
from pathlib import Path

import pytest

from tests.support.snippets import ROOT, Snippet, Step, snippets

GUIDE = "docs/guide/building-stages.md"

DOCUMENT = """# Title

```sh
# not a heading
```

## One

```python
# not a heading either
x = 1
```

text

```python
raise ValueError(x)
```
"""


@pytest.fixture
def document(tmp_path: Path) -> str:
    """The path of a small document."""
    (tmp_path / "small.md").write_text(DOCUMENT)
    return str(tmp_path / "small.md")


def test_python_is_found_by_heading_and_nothing_else_is(document: str) -> None:
    found = snippets(document)
    assert {key: (each.heading, each.line) for key, each in found.items()} == {
        "One": ("One", 10),
        "One (2)": ("One", 17),
    }
    assert found["One"].code == "# not a heading either\nx = 1\n"


def test_a_traceback_points_into_the_document(document: str) -> None:
    with pytest.raises(ValueError, match="1") as caught:
        snippets(document)["One (2)"].run({"x": 1})
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (frame.filename, frame.lineno, frame.line) == (document, 17, "raise ValueError(x)")


def test_every_line_of_every_snippet_is_the_document_s_own() -> None:
    lines = (ROOT / GUIDE).read_text().splitlines()
    for snippet in snippets(GUIDE).values():
        code = snippet.code.splitlines()
        assert lines[snippet.line - 1 : snippet.line - 1 + len(code)] == code
        assert snippet.tree().body[0].lineno >= snippet.line


async def test_a_bare_body_becomes_an_execute_and_can_give_its_locals() -> None:
    body = Snippet("it.md", "It", 1, "if given:\n    return 1\nanswer = 2\n")
    assert await body.execute({"given": True})(None, None) == 1
    assert await body.execute({"given": False})(None, None) is None
    assert await body.execute({"given": False}, give_locals=True)(None, None) == {"answer": 2}


async def test_steps_give_what_each_statement_makes_and_the_comment_behind_it() -> None:
    code = "import anyio\nawait anyio.sleep(0)\n1 + 1  # 2\nx = 2  # not shown\n(\n    x\n)  # two\n"
    steps = [step async for step in Snippet("it.md", "It", 5, code).steps({})]
    assert steps == [Step(5, None), Step(6, None), Step(7, 2, "2"), Step(8, 2), Step(9, 2, "two")]
