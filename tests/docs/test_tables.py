"""The tables of what is there name tests that are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`((?:\.\./)?[\w/]+(?:\.py|/))((?:::\w+)*)`")
PLACES = {
    "catalog/protocol.md": "tests/deriva_catalog/server",
    "catalog/hatrac.md": "tests/deriva_catalog/server/hatrac",
    "dataflow/checklist.md": "tests/hamilton",
    "locks/checklist.md": "tests/flexlock",
    "ml/checklist.md": "tests/deriva_ml",
}


@cache
def definitions(file: Path) -> frozenset[str]:
    """``name`` of each function and class of a module, ``Class::name`` of each method."""
    found = set()
    for element in ast.parse(file.read_text()).body:
        if isinstance(element, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(element.name)
            for member in element.body if isinstance(element, ast.ClassDef) else ():
                if isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef):
                    found.add(f"{element.name}::{member.name}")
    return frozenset(found)


def test_every_table_is_checked() -> None:
    pages = {"catalog/protocol.md", "catalog/hatrac.md"}
    docs = ROOT / "docs"
    pages |= {str(page.relative_to(docs)) for page in docs.rglob("checklist.md")}
    assert pages == set(PLACES)


@pytest.mark.parametrize(("page", "place"), PLACES.items())
def test_each_test_that_is_named_is_there(page: str, place: str) -> None:
    wrong = []
    named = NAMED.findall((ROOT / "docs" / page).read_text())
    assert len(named) > 40
    for name, inside in named:
        files = [ROOT / base / name for base in (place, "tests", "src", "")]
        file = next((file for file in files if file.exists()), None)
        if file is None or (inside and inside.removeprefix("::") not in definitions(file)):
            wrong.append(name + inside)
    assert wrong == []


@pytest.mark.parametrize("part", [*map(str, range(1, 24))])
def test_the_protocol_has_no_part_without_tests(part: str) -> None:
    rows = (ROOT / "docs" / "catalog" / "protocol.md").read_text().splitlines()
    mine = [row for row in rows if re.match(rf"\| {part}[ .]", row)]
    assert any(NAMED.search(row) for row in mine)


def test_each_trap_has_tests() -> None:
    text = (ROOT / "docs" / "catalog" / "protocol.md").read_text().partition("## Traps")[2]
    traps = re.findall(r"^\| (\d+) .*`", text, re.MULTILINE)
    assert traps == [*map(str, range(1, 58))]
