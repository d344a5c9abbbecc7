"""The tables at the top of these modules name tests that are there, and every test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

MODULES = sorted(p for p in Path(__file__).parent.glob("test_*.py") if p != Path(__file__))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_the_table_names_each_test(module: Path) -> None:
    parsed = ast.parse(module.read_text())
    tests = {f.name for f in parsed.body if isinstance(f, ast.FunctionDef)}
    named = set(re.findall(r"\btest_\w+", ast.get_docstring(parsed) or ""))
    assert named == {name for name in tests if name.startswith("test_")}
