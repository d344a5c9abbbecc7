"""The digits have the layout of a new project: who knows one finds their way in the other."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pandas as pd
import pytest

from deriva_ml.template import project_files

PROJECT = Path(__file__).resolve().parents[2] / "examples" / "digits"
TEMPLATE = {str(path): text.decode() for path, text in project_files("demo").items()}
# The example is no repository of its own; its tests are `tests/examples`.
OWN = {"README.md", "notebooks", "src"}
# What a project is about has a name of its own.
MODELS = {"src/models/classifier.py"}


def names(source: str) -> set[str]:
    """The functions, classes and constants of a module that others may use."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {name for name in found if not name.startswith("_")}


def test_the_same_files() -> None:
    theirs = {path for path in TEMPLATE if path.partition("/")[0] in OWN} - MODELS
    missing = {path for path in theirs if not (PROJECT / path).is_file()}
    assert missing == set()
    configs = {path.name for path in (PROJECT / "src" / "configs").glob("*.py")}
    assert configs == {Path(path).name for path in theirs if path.startswith("src/configs/")}


@pytest.mark.parametrize("where", ["example", "template"])
def test_the_notebook_shows_an_empty_table_before_there_are_runs(where: str) -> None:
    path = "notebooks/results.ipynb"
    text = TEMPLATE[path] if where == "template" else (PROJECT / path).read_text(encoding="utf-8")
    cells = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
    [cell] = [cell for cell in cells if "runs = runs_frame(ml)" in cell]
    runs = pd.DataFrame([], columns=["run", "what", "accuracy"])
    shown = eval(cell.splitlines()[-1], {"runs": runs, "best": 3})
    assert list(shown.columns) == list(runs.columns)
    assert shown.empty


def test_the_same_names_in_them() -> None:
    shared = {
        "src/catalog.py": {"NAME", "open_catalog", "define_tables"},
        "src/load.py": {"make_dataset", "split", "find_dataset", "record_datasets"},
        "src/summary.py": {"runs_frame"},
        "src/models/data.py": {"Part", "load_part", "load_split"},
        "src/models/report.py": {"Epoch", "write_metrics", "record_predictions"},
        "src/configs/datasets.py": {"RECORD", "datasets_store"},
        "src/configs/deriva.py": {"DerivaMLConf", "deriva_store"},
        "src/configs/experiments.py": {"experiment_store"},
        "src/configs/models.py": {"model_store"},
        "src/configs/workflow.py": {"workflow_store"},
    }
    for path, expected in shared.items():
        assert expected <= names(TEMPLATE[path]), path
        assert expected <= names((PROJECT / path).read_text(encoding="utf-8")), path
