"""What a new project consists of, and what it may be called."""

from __future__ import annotations

import json
import subprocess
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement

from deriva_ml import __version__
from deriva_ml.core.exceptions import DerivaMLValidationError
from deriva_ml.template import INDEXED, check_name, project_files

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


def install_step() -> str:
    """The script of the CI file that installs DerivaML."""
    jobs = yaml.safe_load(project_files("demo")[PurePosixPath(".github/workflows/test.yml")])
    [script] = [s["run"] for s in jobs["jobs"]["test"]["steps"] if "DERIVAML" in s.get("env", {})]
    return str(script)


@pytest.mark.parametrize(
    ("given", "installed"), [("", INDEXED), ("/a b/checkout[server]", "/a b/checkout[server]")]
)
def test_where_it_is_set_up_derivaml_comes_from_what_the_variable_names(
    tmp_path: Path, given: str, installed: str
) -> None:
    files = project_files("demo")
    needed = tomllib.loads(files[PurePosixPath("pyproject.toml")].decode())["project"]
    assert Requirement(needed["dependencies"][0]).extras == Requirement(INDEXED).extras
    command = f'python -m pip install "${{DERIVAML:-{INDEXED}}}"'
    assert command in files[PurePosixPath("README.md")].decode()
    assert command in install_step()
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nshift 3\nprintf '<%s>' \"$@\"\nexit 1\n")
    python.chmod(0o755)
    done = subprocess.run(
        ["bash", "-e", "-c", install_step()],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "DERIVAML": given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.startswith(f"<{installed}>::error::DerivaML cannot be installed.")


def test_its_wheel_has_all_of_its_modules(tmp_path: Path) -> None:
    files = project_files("demo")
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(text)
    [wheel] = WheelBuilder(str(tmp_path)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.endswith(".py")}
    source = PurePosixPath("src")
    assert packed == {str(p.relative_to(source)) for p in files if p.is_relative_to(source)}


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
