"""What a new project consists of, and what it may be called."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement

from deriva_ml import __version__
from deriva_ml.core.exceptions import DerivaMLValidationError
from deriva_ml.template import check_name, project_files

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["demo", "Demo2", "cell-images", "cell_images_2", "a" * 50])
def test_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "begins with a letter"),
        ("2nd", "'nd'"),
        ("my project", "'my-project'"),
        ("demo.", "'demo'"),
        ("a--b", "'a-b'"),
        ("größe", "begins with a letter"),
        ("a" * 51, "at most 50"),
        ("demo\n", "begins with a letter"),
        ("deriva-ml", "the system has a schema"),
        ("public", "the system has a schema"),
        ("derivaml", "needs a package"),
        ("NumPy", "needs a package"),
    ],
)
def test_names_that_cannot_be(name: str, told: str) -> None:
    with pytest.raises(DerivaMLValidationError, match=told):
        project_files(name)


def test_the_name_stands_where_it_belongs() -> None:
    files = project_files("cell-images")
    assert not [path for path, text in files.items() if b"PROJECT_" in text]
    project = tomllib.loads(files[PurePosixPath("pyproject.toml")].decode())
    assert project["project"]["name"] == "cell-images"
    catalog = files[PurePosixPath("src/catalog.py")].decode()
    assert 'NAME = "cell-images"\nSCHEMA = "cell_images"\n' in catalog


def test_it_needs_what_this_release_has() -> None:
    theirs = tomllib.loads(project_files("demo")[PurePosixPath("pyproject.toml")].decode())
    own = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = Requirement(theirs["project"]["dependencies"][0])
    assert needed.name == own["name"]
    assert needed.extras <= own["optional-dependencies"].keys()
    assert needed.specifier.contains(__version__)
    assert theirs["project"]["requires-python"] == own["requires-python"]


def test_notebooks_are_clean_and_take_parameters() -> None:
    for path, text in project_files("demo").items():
        if path.suffix == ".ipynb":
            cells = json.loads(text)["cells"]
            assert [c["source"] for c in cells if "parameters" in c["metadata"].get("tags", [])]
            assert not any(cell.get("outputs") for cell in cells)


def test_no_cache_lies_among_the_files() -> None:
    assert {path.parts[0] for path in project_files("demo")} == {
        ".gitattributes",
        ".github",
        ".gitignore",
        "README.md",
        "notebooks",
        "pyproject.toml",
        "src",
        "tests",
    }
