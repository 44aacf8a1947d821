"""Every page in `examples/` compiles and says how to run it; the run itself takes a minute."""

import ast
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_its_command_and_uses_what_exists(page):
    import mmkeras

    tree = ast.parse(page.read_text(encoding="utf-8"))
    assert f"python examples/{page.name}" in ast.get_docstring(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.value.id != "mm" or hasattr(mmkeras, node.attr), node.attr
