"""The parameters of a notebook: declared in a cell, given in a command or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from deriva_ml.core.exceptions import DerivaMLConfigurationError, DerivaMLValidationError
from deriva_ml.notebook.document import Document, read_notebook
from deriva_ml.notebook.parameters import (
    check_values,
    declared_parameters,
    fits,
    read_values,
    variables,
)

CELL = '''"""Explained."""
folds: int = 3  # how many parts
rate: float = 1 / 3
label = "a"  # type: str  what it is called
flag = True
sizes: list[int] = [1, 2]
mode: Literal["fast", "slow"] = "fast"
limit: int | None = None
table: pd.DataFrame = None
note: str | None = None
plain = 5
rid: str
'''


def document(*cells: str, tagged: str | None = None) -> Document:
    made = [nbformat.v4.new_code_cell(source) for source in cells]
    for cell in made:
        cell.metadata["tags"] = ["parameters"] if cell.source == tagged else []
    return Document(Path("look.ipynb"), nbformat.v4.new_notebook(cells=made))


@pytest.fixture
def look() -> Document:
    return document("import pandas as pd", CELL, tagged=CELL)


def test_what_a_cell_declares(look: Document) -> None:
    declared = declared_parameters(look)
    assert declared is not None
    assert [str(p) for p in declared.values()] == [
        "folds:int  (default 3)  how many parts",
        "rate:float  (default 1 / 3)",
        'label:str  (default "a")  what it is called',
        "flag:bool  (default True)",
        "sizes:list[int]  (default [1, 2])",
        "mode:Literal['fast', 'slow']  (default \"fast\")",
        "limit:int | None  (default None)",
        "table:pd.DataFrame  (default None)",
        "note:str | None  (default None)",
        "plain:int  (default 5)",
        "rid:str  (no default)",
    ]
    assert variables(declared, {"folds": 4})["folds"] == 4
    assert variables(declared, {})["label"] == "a"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("folds", "12", 12),
        ("rate", "1e-3", 0.001),
        ("rate", "2", 2.0),
        ("label", "007", "007"),
        ("flag", "false", False),
        ("sizes", "[3, 4]", [3, 4]),
        ("mode", "slow", "slow"),
        ("limit", "null", None),
        ("limit", "7", 7),
        ("plain", "0.5", 0.5),
        ("plain", "many", "many"),
        ("table", "some.csv", "some.csv"),
        ("label", "", ""),
        ("label", "run #3", "run #3"),
        ("label", " 'quoted' ", " 'quoted' "),
        ("note", "a: b # c", "a: b # c"),
        ("note", "null", None),
    ],
)
def test_texts_get_the_type_that_is_declared(
    look: Document, name: str, text: str, value: Any
) -> None:
    found = check_values(look, [(name, text), ("rid", "1-AB")])
    assert found == {name: value, "rid": "1-AB"}
    assert type(found[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [("folds", "0.5"), ("folds", "x"), ("sizes", "[a]"), ("mode", "quick"), ("rate", "fast")],
)
def test_a_value_of_another_type_is_refused(look: Document, name: str, text: str) -> None:
    with pytest.raises(DerivaMLValidationError, match=f"'{name}' is declared as .* is none"):
        check_values(look, [(name, text), ("rid", "1-AB")])


def test_a_file_wins_and_is_checked(look: Document, tmp_path: Path) -> None:
    file = tmp_path / "values.yml"
    file.write_text("folds: 9\nrid: 1-CD\n")
    assert check_values(look, [("folds", "1")], read_values(file)) == {"folds": 9, "rid": "1-CD"}
    with pytest.raises(DerivaMLValidationError, match="declared as int, and '9'"):
        check_values(look, [], {"folds": "9", "rid": "1-CD"})
    for name, text, why in [
        ("values.txt", "folds: 1", "ends in none of"),
        ("values.json", "{folds", "cannot be understood"),
        ("values.yaml", "- 1", "holds list"),
        ("values.yaml", "a: [", "cannot be understood"),
    ]:
        (tmp_path / name).write_text(text)
        with pytest.raises(DerivaMLConfigurationError, match=why):
            read_values(tmp_path / name)
    with pytest.raises(DerivaMLConfigurationError, match="cannot be read"):
        read_values(tmp_path / "absent.json")


def test_names_are_checked(look: Document) -> None:
    with pytest.raises(DerivaMLValidationError, match="Did you mean 'folds'"):
        check_values(look, [("fold", "3")])
    with pytest.raises(DerivaMLValidationError, match="No value is given for 'rid'"):
        check_values(look)
    with pytest.raises(DerivaMLConfigurationError, match="none of its cells has the tag"):
        check_values(document("folds = 3"), [("folds", "3")])
    assert check_values(document("folds = 3")) == {}


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("import os\nfolds = 3", "holds 'import os' in line 1"),
        ("folds = 3\nprint(folds)", "in line 2"),
        ("a, b = 1, 2", "assignments of one variable"),
        ("a = b = 2", "assignments of one variable"),
        ("folds = ", "no valid Python in line 1"),
        ("%matplotlib inline", "no valid Python"),
    ],
)
def test_the_cell_holds_assignments_only(cell: str, why: str) -> None:
    with pytest.raises(DerivaMLConfigurationError, match=why):
        declared_parameters(document(cell, tagged=cell))


def test_only_one_cell_has_them() -> None:
    with pytest.raises(DerivaMLConfigurationError, match="2 cells"):
        declared_parameters(document("a = 1", "a = 1", tagged="a = 1"))


@pytest.mark.parametrize(
    ("hint", "value", "good"),
    [
        ("float", 1, True),
        ("float", "abc", False),
        ("list[str]", ["a"], True),
        ("Optional[int]", None, True),
        ("dict[str, int]", {"a": "b"}, False),
        ("Path", "x", True),
        ("int[3]", "x", True),
    ],
)
def test_hints_of_plain_types_are_checked(hint: str, value: Any, good: bool) -> None:
    assert fits(hint, value) is good


def test_how_a_notebook_asks_for_its_configuration() -> None:
    def asked(*cells: str, **values: Any) -> Any:
        return document(*cells).configuration_call(values)

    assert asked("x = 1") is None
    assert not asked("%time run_notebook()").known
    call = asked("m, e, c = run_notebook('a', ['t=1'], config_package='conf')")
    assert (call.name, call.overrides, call.package, call.known) == ("a", ("t=1",), "conf", True)
    assert asked("nb.run_notebook(name)", name="b").name == "b"
    assert not asked("run_notebook(name())").known
    assert asked("run_notebook('a', overrides=words)").overrides is None
    assert asked("run_notebook('a', ml_class=Mine)").own_class
    assert document("run_notebook()").reads_overrides
    assert not document("x = 1").reads_overrides


def test_files_that_are_no_notebooks(tmp_path: Path) -> None:
    (tmp_path / "near.ipynb").write_text("{")
    (tmp_path / "old.ipynb").write_text('{"cells": 3, "nbformat": 4, "nbformat_minor": 5}')
    for name, why in [
        ("near.py", "does not end in '.ipynb'"),
        ("far.ipynb", "Beside it there are: near.ipynb, old.ipynb"),
        ("near.ipynb", "not a valid notebook"),
        ("old.ipynb", "not a valid notebook"),
    ]:
        with pytest.raises(DerivaMLConfigurationError, match=why):
            read_notebook(tmp_path / name)
